from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StatementMonth:
    """A calendar month, in UTC.

    Attributes:
        month (str): Its year and month, as in the path of its statement.
        begins_at (str): Its first moment.
        ends_at (str): The first moment after it.
        final (bool): Whether a signed checkpoint has closed it, so that it never changes.
    """

    month: str
    begins_at: str
    ends_at: str
    final: bool
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        month = self.month
        said["month"] = month
        begins_at = self.begins_at
        said["begins_at"] = begins_at
        ends_at = self.ends_at
        said["ends_at"] = ends_at
        final = self.final
        said["final"] = final
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> StatementMonth:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        month = left.pop("month")
        begins_at = left.pop("begins_at")
        ends_at = left.pop("ends_at")
        final = left.pop("final")
        made = cls(
            month=month,
            begins_at=begins_at,
            ends_at=ends_at,
            final=final,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
