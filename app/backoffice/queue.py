"""What waits for operators: counts for the navigation, and the oldest of each kind for the first page."""

from dataclasses import dataclass
from datetime import datetime

from piccolo.querystring import QueryString

from app.core import database
from app.core.keyset import Page, Place
from app.core.statement import Listing, Param
from app.withdrawals.conflicts import Conflict
from app.withdrawals.tables import Withdrawal

SHOWN_OF_EACH = 8
"""Rows of each kind on the first page; each kind has a page of its own for the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of each kind wait. `reviews` are those that can be decided now; others still lack confirmations.

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
        """The sum of all kinds."""
        return self.applications + self.approvals + self.reviews + self.holds + self.alerts


NOTHING_WAITS = Counts(applications=0, approvals=0, reviews=0, holds=0, alerts=0, critical_alerts=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingWithdrawal:
    """A payout or refund that waits for approval, as a list shows it. `approved_by_me`: the
    operator who reads the list has approved it; `my_conflict` is the reason why they may not approve it."""

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
    # SQL: counts of several tables in one statement.
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
    return await _WAITING.page(place, limit, operator=operator_id)


_WAITING = Listing(
    lambda: Withdrawal.select(
        Withdrawal.id,
        Withdrawal.kind,
        Withdrawal.mode,
        Withdrawal.merchant.as_alias("merchant_id"),
        Withdrawal.merchant.name.as_alias("merchant_name"),
        Withdrawal.merchant.status.as_alias("merchant_status"),
        Withdrawal.network,
        Withdrawal.asset,
        Withdrawal.amount_raw,
        Withdrawal.destination,
        Withdrawal.requested_by,
        Withdrawal.held,
        Withdrawal.approvals_required,
        Withdrawal.created_at,
        QueryString("withdrawal_conflict(withdrawals, {})", Param("operator"), alias="my_conflict"),
        QueryString("(SELECT count(*) FROM approvals a WHERE a.withdrawal = {})", Withdrawal.id, alias="approvals"),
        QueryString(
            "EXISTS (SELECT 1 FROM approvals a WHERE a.withdrawal = {} AND a.account = {})",
            Withdrawal.id,
            Param("operator"),
            alias="approved_by_me",
        ),
    ).where(Withdrawal.status == "pending_approval"),
    WaitingWithdrawal,
    key=(Withdrawal.created_at, Withdrawal.id),
    oldest_first=True,
)
