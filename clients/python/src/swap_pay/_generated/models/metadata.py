from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Metadata:
    """A JSON object of your own, at most 4 KiB. It comes back as it was sent."""

    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Metadata:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        made = cls()
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
