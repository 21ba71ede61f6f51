from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass
class Review:
    """The review of a deposit that a human settles: the open one, else the latest.

    Attributes:
        status (str): `returning` until the return is confirmed on chain. `open` waits for an operator; `returning`
            until the return is confirmed on chain. More values may come.
        outcome (None | str): Null while the review is open.
        cause (str): Why there is one: `underpaid`, `late`, …
        deposit_id (str): The deposit that it is about.
        refund_id (None | str): The return, if it was decided so.
        opened_at (str): When it was opened.
        decided_at (None | str): When an operator decided it.
    """

    status: str
    outcome: None | str
    cause: str
    deposit_id: str
    refund_id: None | str
    opened_at: str
    decided_at: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        status = self.status
        said["status"] = status
        outcome: None | str
        outcome = self.outcome
        said["outcome"] = outcome
        cause = self.cause
        said["cause"] = cause
        deposit_id = self.deposit_id
        said["deposit_id"] = deposit_id
        refund_id: None | str
        refund_id = self.refund_id
        said["refund_id"] = refund_id
        opened_at = self.opened_at
        said["opened_at"] = opened_at
        decided_at: None | str
        decided_at = self.decided_at
        said["decided_at"] = decided_at
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Review:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        status = left.pop("status")

        def _parse_outcome(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        outcome = _parse_outcome(left.pop("outcome"))

        cause = left.pop("cause")
        deposit_id = left.pop("deposit_id")

        def _parse_refund_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        refund_id = _parse_refund_id(left.pop("refund_id"))

        opened_at = left.pop("opened_at")

        def _parse_decided_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        decided_at = _parse_decided_at(left.pop("decided_at"))

        made = cls(
            status=status,
            outcome=outcome,
            cause=cause,
            deposit_id=deposit_id,
            refund_id=refund_id,
            opened_at=opened_at,
            decided_at=decided_at,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
