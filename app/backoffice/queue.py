"""What needs a human: counts for the navigation, and the oldest of each kind for the first page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.core import database
from app.core.keyset import Page, Place, direction, page_of
from app.withdrawals.conflicts import Conflict

SHOWN_OF_EACH = 8
"""Rows of each kind on the first page; the rest is a click away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How much waits. `reviews` are those that can be decided on now; others still lack confirmations.

    `holds` are those of ledgers, and single withdrawals that the signer refuses.
    """

    applications: int
    approvals: int
    reviews: int
    holds: int
    alerts: int
    critical_alerts: int

    @property
    def total(self) -> int:
        """All that waits for somebody."""
        return self.applications + self.approvals + self.reviews + self.holds + self.alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWithdrawal:
    """A payout or refund that waits for approval, as far as a list shows it. `approved_by_me`: whoever looks has;
    `my_conflict` keeps them from approving it."""

    id: str
    kind: str
    mode: str
    merchant_id: str | None
    merchant_name: str | None
    merchant_status: str | None
    network: str
    asset: str
    amount_raw: int
    destination: str
    requested_by: str
    held: bool
    approvals: int
    approvals_required: int
    approved_by_me: bool
    my_conflict: Conflict | None
    created_at: datetime


async def counts() -> Counts:
    """Everything that waits, in one statement over partial indexes: it is on every page of the desk."""
    row = await database.fetch_one(
        """
        SELECT (SELECT count(*) FROM merchants WHERE status = 'pending') AS applications,
            (SELECT count(*) FROM withdrawals WHERE status = 'pending_approval') AS approvals,
            (SELECT count(*) FROM reviews r JOIN deposits d ON d.id = r.deposit
                WHERE r.status = 'open' AND d.status <> 'seen') AS reviews,
            (SELECT count(*) FROM withdrawal_holds WHERE released_at IS NULL)
                + (SELECT count(*) FROM withdrawals w WHERE w.status = 'approved' AND w.held
                    AND NOT EXISTS (SELECT 1 FROM withdrawal_holds h WHERE h.released_at IS NULL
                        AND (h.source, h.network, h.asset) = (w.source, w.network, w.asset))) AS holds,
            (SELECT count(*) FROM alerts WHERE acknowledged_at IS NULL) AS alerts,
            (SELECT count(*) FROM alerts WHERE acknowledged_at IS NULL AND severity = 'critical') AS critical_alerts
        """
    )
    assert row is not None
    return Counts(**dict(row))


async def waiting_withdrawals(operator_id: str, place: Place | None, limit: int) -> Page[WaitingWithdrawal]:
    """A page of what waits for approval by (created_at, id), oldest first."""
    comparison, order = direction(place, oldest_first=True)
    rows: Sequence[database.Row] = await database.fetch_all(
        f"""
        SELECT w.id, w.kind, w.mode, w.merchant AS merchant_id, m.name AS merchant_name, m.status AS merchant_status,
            w.network, w.asset, w.amount_raw, w.destination, w.requested_by, w.held, w.approvals_required,
            w.created_at, withdrawal_conflict(w, $1) AS my_conflict,
            (SELECT count(*) FROM approvals a WHERE a.withdrawal = w.id) AS approvals,
            EXISTS (SELECT 1 FROM approvals a WHERE a.withdrawal = w.id AND a.account = $1) AS approved_by_me
        FROM withdrawals w LEFT JOIN merchants m ON m.id = w.merchant
        WHERE w.status = 'pending_approval'
            AND ($2::timestamptz IS NULL OR (w.created_at, w.id) {comparison} ($2::timestamptz, $3::text))
        ORDER BY w.created_at {order}, w.id {order} LIMIT $4
        """,
        operator_id,
        *(place.key if place else (None, None)),
        limit + 1,
    )
    return page_of(rows, limit, place, key=("created_at", "id"), made=lambda row: WaitingWithdrawal(**dict(row)))
