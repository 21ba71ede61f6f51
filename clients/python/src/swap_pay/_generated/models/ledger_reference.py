from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LedgerReference:
    """The object that caused an entry, such as a deposit.

    Attributes:
        type_ (str): What kind of thing it is.
        id (str): Which one.
    """

    type_: str
    id: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        type_ = self.type_
        said["type"] = type_
        id = self.id
        said["id"] = id
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> LedgerReference:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        type_ = left.pop("type")
        id = left.pop("id")
        made = cls(
            type_=type_,
            id=id,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
