"""Alerts as operators read them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
from piccolo.columns.combination import WhereRaw

from app.alerts.tables import Alert
from app.core.keyset import Page, Place, Total
from app.core.statement import Condition, Listing, Param, Statement, select

Which = Literal["open", "acknowledged"]


class ListedAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert with its history. `acknowledged_by` is an actor; `details` is JSON."""

    id: int
    severity: str
    kind: str
    dedupe_key: str
    message: str
    details: str
    occurrences: int
    raised_at: datetime
    last_at: datetime
    told_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None

    @property
    def facts(self) -> dict[str, Any]:
        """The decoded `details`."""
        facts: dict[str, Any] = json.loads(self.details)
        return facts


async def page(which: Which, severity: str | None, place: Place | None, limit: int) -> Page[ListedAlert]:
    """A page by id, newest first."""
    return await _LISTS[which].page(place, limit, severity=severity)


async def total(which: Which, severity: str | None) -> Total:
    """How many alerts there are."""
    return await _LISTS[which].total(severity=severity)


async def one(alert_id: int) -> ListedAlert | None:
    """One alert."""
    return await _ONE.first(id=alert_id)


async def earlier(alert: ListedAlert, limit: int = 5) -> list[ListedAlert]:
    """Earlier alerts with the same dedupe key, newest first, each with the note on what was done about it."""
    return await _EARLIER.all(id=alert.id, dedupe_key=alert.dedupe_key, limit=limit)


async def open_of(network: str, limit: int) -> list[ListedAlert]:
    """Open alerts that are about a network, the newest first."""
    return await _OF_NETWORK.all(network=network, limit=limit)


async def next_open(alert_id: int, severity: str | None) -> int | None:
    """The next open alert in the order of the list with this severity, the newest again after the oldest. None where no
    other one is open."""
    for place in (Place((alert_id,)), None):
        found = await _LISTS["open"].page(place, 2, severity=severity)
        other = next((alert.id for alert in found if alert.id != alert_id), None)
        if other is not None:
            return other
    return None


def _list(condition: Condition) -> Listing[ListedAlert]:
    return Listing(
        lambda: select(Alert, ListedAlert).where(condition),
        ListedAlert,
        key=(Alert.id,),
        filters={"severity": Alert.severity == Param("severity")},
    )


_LISTS: Mapping[Which, Listing[ListedAlert]] = {
    "open": _list(Alert.acknowledged_at.is_null()),
    "acknowledged": _list(Alert.acknowledged_at.is_not_null()),
}
_ONE = Statement(select(Alert, ListedAlert).where(Alert.id == Param("id")), ListedAlert)
_OF_NETWORK = Statement(
    select(Alert, ListedAlert)
    .where(Alert.acknowledged_at.is_null(), WhereRaw("{}::jsonb->>'network' = {}", Alert.details, Param("network")))
    .order_by(Alert.id, ascending=False),
    ListedAlert,
    limited=True,
)
_EARLIER = Statement(
    select(Alert, ListedAlert)
    .where(Alert.id < Param("id"), Alert.dedupe_key == Param("dedupe_key"))
    .order_by(Alert.id, ascending=False),
    ListedAlert,
    limited=True,
)
