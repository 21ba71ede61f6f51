from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class QueuedTestEvent:
    """The test event that was queued.

    Attributes:
        event_id (str): Its UUID, to look for in the log.
    """

    event_id: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        event_id = self.event_id
        said["event_id"] = event_id
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> QueuedTestEvent:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        event_id = left.pop("event_id")
        made = cls(
            event_id=event_id,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
