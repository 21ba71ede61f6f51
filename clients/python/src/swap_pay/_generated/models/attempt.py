from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass
class Attempt:
    """One attempt: `response_status`, or `error` where no answer came.

    Attributes:
        number (int): 1 for the first.
        started_at (str): When it began.
        duration_ms (int): Until the response arrived or the attempt failed.
        response_status (int | None): Your HTTP status.
        error (None | str): Why no answer came, such as `timeout` or `tls`.
        detail (str): The error in words.
        response_excerpt (str): The first 4 KiB of your answer.
        next_attempt_at (None | str): When the next one was planned.
    """

    number: int
    started_at: str
    duration_ms: int
    response_status: int | None
    error: None | str
    detail: str
    response_excerpt: str
    next_attempt_at: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        number = self.number
        said["number"] = number
        started_at = self.started_at
        said["started_at"] = started_at
        duration_ms = self.duration_ms
        said["duration_ms"] = duration_ms
        response_status: int | None
        response_status = self.response_status
        said["response_status"] = response_status
        error: None | str
        error = self.error
        said["error"] = error
        detail = self.detail
        said["detail"] = detail
        response_excerpt = self.response_excerpt
        said["response_excerpt"] = response_excerpt
        next_attempt_at: None | str
        next_attempt_at = self.next_attempt_at
        said["next_attempt_at"] = next_attempt_at
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Attempt:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        number = left.pop("number")
        started_at = left.pop("started_at")
        duration_ms = left.pop("duration_ms")

        def _parse_response_status(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        response_status = _parse_response_status(left.pop("response_status"))

        def _parse_error(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error = _parse_error(left.pop("error"))

        detail = left.pop("detail")
        response_excerpt = left.pop("response_excerpt")

        def _parse_next_attempt_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_attempt_at = _parse_next_attempt_at(left.pop("next_attempt_at"))

        made = cls(
            number=number,
            started_at=started_at,
            duration_ms=duration_ms,
            response_status=response_status,
            error=error,
            detail=detail,
            response_excerpt=response_excerpt,
            next_attempt_at=next_attempt_at,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
