from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..models.error import Error


@dataclass
class ErrorResponse:
    """The form of every error.

    Attributes:
        error (Error): What went wrong.
    """

    error: Error

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        error = self.error.to_dict()
        said["error"] = error
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> ErrorResponse:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.error import Error

        left = dict(said)
        error = Error.from_dict(left.pop("error"))

        made = cls(
            error=error,
        )
        return made
