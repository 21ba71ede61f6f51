from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..types import UNSET, Unset


@dataclass
class RotationRequest:
    """How long the old secret signs beside the new one.

    Attributes:
        overlap_hours (int | Unset): Hours in which both secrets sign. Default: 24.
    """

    overlap_hours: int | Unset = 24

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        overlap_hours = self.overlap_hours
        if overlap_hours is not UNSET:
            said["overlap_hours"] = overlap_hours
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> RotationRequest:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        overlap_hours = left.pop("overlap_hours", UNSET)
        made = cls(
            overlap_hours=overlap_hours,
        )
        return made
