"""What waits for operators: counts for the navigation, and the oldest of each kind for the first page."""

from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.backoffice.case_filters import EVERY_CASE, AssetSum, CaseFilters, Sums, of_merchant
from app.core import database
from app.core.keyset import Page, Place, Total
from app.core.statement import Condition, Listing, Param
from app.withdrawals.conflicts import Conflict
from app.withdrawals.tables import Withdrawal

SHOWN_OF_EACH = 8
"""Rows of each kind on the first page; each kind has a page of its own for the rest."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
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


class WaitingWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """A payout or refund that waits for approval, as a list shows it. `approvals` are those who have approved it, by
    name, `signatures` how many of them with a passkey; `approved_by_me`: the operator who reads the list is one of
    them; `my_conflict` is the reason why they may not approve it."""

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
    approved_by: str | None
    signatures: int
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


async def waiting_withdrawals(
    operator_id: str, place: Place | None, limit: int, filters: CaseFilters = EVERY_CASE
) -> Page[WaitingWithdrawal]:
    """A page of what waits for approval by (created_at, id), oldest first."""
    return await _WAITING.page(place, limit, **filters.values(operator_id))


async def total_waiting(operator_id: str, filters: CaseFilters) -> Total:
    """How many wait for approval."""
    return await _WAITING.total(**filters.values(operator_id))


async def waiting_sums(operator_id: str, filters: CaseFilters) -> list[AssetSum]:
    """How many wait of each asset, and their sums."""
    return await _SUMS.of(filters.values(operator_id))


async def next_to_approve(operator_id: str, filters: CaseFilters, after: Place, *, but: str) -> str | None:
    """The id of the next one that this operator may approve, in the order of the list with these filters, the oldest
    again after the last. `but` is left out. None where there is no other one."""
    values = filters.values(operator_id) | {"mine": True, "not_mine": None, "but": but}
    for place in (after, None):
        if found := await _WAITING.page(place, 1, **values):
            return found[0].id
    return None


_NOT_APPROVED_BY_ME = "NOT EXISTS (SELECT 1 FROM approvals a WHERE a.withdrawal = {} AND a.account = {})"
_MAY_APPROVE = f"(withdrawal_conflict(withdrawals, {{}}) IS NULL AND NOT {{}} AND {_NOT_APPROVED_BY_ME})"

_FILTERS: dict[str, Condition] = {
    "kind": Withdrawal.kind == Param("kind"),
    "network": Withdrawal.network == Param("network"),
    "asset": Withdrawal.asset == Param("asset"),
    "merchant": of_merchant(Withdrawal.merchant),
    "before": Withdrawal.created_at < Param("before"),
    "mine": WhereRaw(_MAY_APPROVE, Param("operator"), Withdrawal.held, Withdrawal.id, Param("operator")),
    "not_mine": WhereRaw(f"NOT {_MAY_APPROVE}", Param("operator"), Withdrawal.held, Withdrawal.id, Param("operator")),
    "second": WhereRaw("EXISTS (SELECT 1 FROM approvals a WHERE a.withdrawal = {})", Withdrawal.id),
    "but": Withdrawal.id != Param("but"),
}

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
            "(SELECT count(*) FROM approval_signatures s WHERE s.withdrawal = {})", Withdrawal.id, alias="signatures"
        ),
        QueryString(
            "(SELECT string_agg(p.name, ', ' ORDER BY a.id) FROM approvals a JOIN accounts p ON p.id = a.account"
            " WHERE a.withdrawal = {})",
            Withdrawal.id,
            alias="approved_by",
        ),
        QueryString(
            "EXISTS (SELECT 1 FROM approvals a WHERE a.withdrawal = {} AND a.account = {})",
            Withdrawal.id,
            Param("operator"),
            alias="approved_by_me",
        ),
    ).where(Withdrawal.status == "pending_approval"),
    WaitingWithdrawal,
    key=(Withdrawal.created_at, Withdrawal.id),
    filters=_FILTERS,
    oldest_first=True,
)

_SUMS = Sums(
    lambda columns: Withdrawal.select(*columns).where(Withdrawal.status == "pending_approval"),
    _FILTERS,
    network=Withdrawal.network,
    asset=Withdrawal.asset,
    amount_raw=Withdrawal.amount_raw,
)
