from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class ReplayRequest:
    """The time since which every event is sent again.

    Attributes:
        since (str): RFC 3339, with a time zone.
    """

    since: str

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        since = self.since
        said["since"] = since
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> ReplayRequest:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        since = left.pop("since")
        made = cls(
            since=since,
        )
        return made
