"""Reading payouts and refunds. Everything a merchant may reach is scoped to the merchant and the mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of
from app.withdrawals.digest import Intent, digest
from app.withdrawals.presentation import Body, PayoutBody, RefundBody, WithdrawalPresenter
from app.withdrawals.states import Status

# A transaction is shown once it was sent; the confirmed one of a bumped series before the others.
_SELECT = """
    SELECT w.*, p.description, p.metadata, r.invoice, r.deposit, r.reason, r.customer_visible_reason,
        (SELECT t.txid FROM outgoing_transactions t
            WHERE t.withdrawal = w.id AND t.status IN ('submitted', 'confirmed', 'reverted')
            ORDER BY t.status = 'confirmed' DESC, t.id DESC LIMIT 1) AS txid
    FROM withdrawals w LEFT JOIN payouts p ON p.id = w.id LEFT JOIN refunds r ON r.id = w.id
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Exact filters of a list; None leaves one out. `created_from` is inclusive, `created_to` exclusive."""

    status: str | None = None
    network: str | None = None
    asset: str | None = None
    invoice_id: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToSign:
    """An approved withdrawal as the database has it. The signer recomputes the digest before it believes it."""

    id: str
    kind: Literal["payout", "refund"]
    network: str
    asset: str
    amount_raw: int
    destination: str
    destination_memo: str | None
    digest: bytes
    approvals_required: int
    waiting_reason: str | None
    approved_at: datetime

    @property
    def is_whole(self) -> bool:
        """Whether the row is what its digest says."""
        intent = Intent(self.id, self.asset, self.network, self.amount_raw, self.destination, self.destination_memo)
        return digest(intent) == self.digest


async def withdrawals_to_sign(network: str, limit: int = 1_000) -> list[ToSign]:
    """Approved withdrawals of a network that nobody holds, oldest approval first."""
    rows = await database.fetch_all(
        """
        SELECT id, kind, network, asset, amount_raw, destination, destination_memo, digest, approvals_required,
            waiting_reason, approved_at
        FROM withdrawals WHERE network = $1 AND status = 'approved' AND NOT held
        ORDER BY approved_at, id LIMIT $2
        """,
        network,
        limit,
    )
    return [ToSign(**dict(row)) for row in rows]


class WithdrawalReader:
    """Reads payouts and refunds in their outside form."""

    def __init__(self, presenter: WithdrawalPresenter) -> None:
        self._presenter = presenter

    async def payout(self, merchant_id: str, mode: str, payout_id: str) -> PayoutBody | None:
        """One payout of a merchant, or None: another's looks like none."""
        row = await self._row("payout", merchant_id, mode, payout_id)
        return None if row is None else self._presenter.payout(row)

    async def refund(self, merchant_id: str, mode: str, refund_id: str) -> RefundBody | None:
        """One refund of a merchant, or None: another's looks like none."""
        row = await self._row("refund", merchant_id, mode, refund_id)
        return None if row is None else self._presenter.refund(row)

    async def get_any(self, withdrawal_id: str) -> Body:
        """One payout or refund, whoever's: for our own use cases, inside their transaction."""
        row = await database.fetch_one(f"{_SELECT} WHERE w.id = $1", withdrawal_id)
        if row is None:
            raise LookupError(withdrawal_id)
        return self._presenter.payout(row) if row["kind"] == "payout" else self._presenter.refund(row)

    async def payouts(
        self, merchant_id: str, mode: str, filters: Filters, place: Place | None, limit: int
    ) -> Page[PayoutBody]:
        """A page by (created_at, id), newest first."""
        rows = await _rows("payout", merchant_id, mode, filters, place, limit)
        return page_of(rows, limit, place, key=("created_at", "id"), made=self._presenter.payout)

    async def refunds(
        self, merchant_id: str, mode: str, filters: Filters, place: Place | None, limit: int
    ) -> Page[RefundBody]:
        """A page by (created_at, id), newest first."""
        rows = await _rows("refund", merchant_id, mode, filters, place, limit)
        return page_of(rows, limit, place, key=("created_at", "id"), made=self._presenter.refund)

    async def _row(self, kind: str, merchant_id: str, mode: str, withdrawal_id: str) -> Row | None:
        return await database.fetch_one(
            f"{_SELECT} WHERE w.id = $1 AND w.kind = $2 AND w.merchant = $3 AND w.mode = $4",
            withdrawal_id,
            kind,
            merchant_id,
            mode,
        )


async def live_refunds_raw(invoice_id: str) -> int:
    """What refunds of an invoice's own credit have locked or sent."""
    return await _refunds_raw(invoice_id, "pending_approval", "approved", "submitted", "confirmed")


async def confirmed_refunds_raw(invoice_id: str) -> int:
    """What has been refunded of an invoice's own credit."""
    return await _refunds_raw(invoice_id, Status.CONFIRMED.value)


async def _refunds_raw(invoice_id: str, *statuses: str) -> int:
    """Returns of deposits in review are left out: that money was never credited."""
    total: int = await database.fetch_value(
        """
        SELECT coalesce(sum(w.amount_raw), 0) FROM refunds r JOIN withdrawals w ON w.id = r.id
        WHERE r.invoice = $1 AND r.deposit IS NULL AND w.status = ANY($2)
        """,
        invoice_id,
        list(statuses),
    )
    return total


async def _rows(
    kind: str, merchant_id: str, mode: str, filters: Filters, place: Place | None, limit: int
) -> Sequence[Row]:
    """The rows of a page and one more, if there is one."""
    conditions = ["w.merchant = $1", "w.mode = $2", "w.kind = $3"]
    args: list[object] = [merchant_id, mode, kind]
    wanted = {
        "w.status = {}": filters.status,
        "w.network = {}": filters.network,
        "w.asset = {}": filters.asset,
        "r.invoice = {}": filters.invoice_id,
        "w.created_at >= {}": filters.created_from,
        "w.created_at < {}": filters.created_to,
    }
    for condition, value in wanted.items():
        if value is not None:
            args.append(value)
            conditions.append(condition.format(f"${len(args)}"))
    comparison, order = direction(place)
    if place is not None:
        args.extend(place.key)
        conditions.append(f"(w.created_at, w.id) {comparison} (${len(args) - 1}, ${len(args)})")
    return await database.fetch_all(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY w.created_at {order}, w.id {order} LIMIT {limit + 1:d}",
        *args,
    )
