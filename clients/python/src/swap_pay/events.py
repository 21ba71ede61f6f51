"""Events, as webhooks and `client.events` have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swap_pay._generated.models import Invoice, Payout, Refund


@dataclass(frozen=True)
class Event:
    """Something that happened. Process each `event_id` once: the same event may come twice.

    `type` is such as `invoice.paid`. `seq` counts a merchant's events in a mode from 1, without gaps. `data` is the
    thing that it is about, as the API showed it then; `invoice`, `payout` or `refund` is the same, typed.
    """

    event_id: str
    seq: int
    type: str
    created_at: datetime
    merchant_id: str
    mode: str
    data: Mapping[str, Any]

    @property
    def invoice(self) -> Invoice | None:
        """The invoice of an event `invoice.…`, as it was then; None for other events."""
        return Invoice.from_dict(self.data) if self.type.startswith("invoice.") else None

    @property
    def payout(self) -> Payout | None:
        """The payout of an event `payout.…`, as it was then; None for other events."""
        return Payout.from_dict(self.data) if self.type.startswith("payout.") else None

    @property
    def refund(self) -> Refund | None:
        """The refund of an event `refund.…`, as it was then; None for other events."""
        return Refund.from_dict(self.data) if self.type.startswith("refund.") else None

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Event:
        """An event from its JSON. Raises KeyError, TypeError, ValueError."""
        if not isinstance(said["data"], Mapping):
            raise TypeError("data is no object")
        return cls(
            event_id=str(said["event_id"]),
            seq=int(said["seq"]),
            type=str(said["type"]),
            created_at=datetime.fromisoformat(said["created_at"].replace("Z", "+00:00")),
            merchant_id=str(said["merchant_id"]),
            mode=str(said["mode"]),
            data=said["data"],
        )

    @staticmethod
    def page_from_dict(said: Mapping[str, Any]) -> tuple[Sequence[Event], str | None]:
        """The events of a page, and the next page's cursor."""
        return [Event.from_dict(one) for one in said["data"]], said["next_cursor"]
