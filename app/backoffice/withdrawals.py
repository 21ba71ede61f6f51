"""What an operator must see to approve or reject a payout or refund: the payment, its destination, its merchant.

The digest is recomputed from the row here too, so that the page shows an edited row as such before the operator
enters a code.
"""

from datetime import datetime, timedelta

import msgspec

from app.backoffice.case_filters import EVERY_CASE, CaseFilters, of_merchant
from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, Total
from app.core.statement import Listing, Param, Statement, select
from app.deposits import repository as deposits
from app.invoices.quoting import PriceOf
from app.ledger import repository as ledger
from app.ledger.hashchain import ChainId, State
from app.networks.lookalikes import LOOKALIKE_HEAD, LOOKALIKE_TAIL, look_alike
from app.withdrawals import limits
from app.withdrawals.digest import Intent, digest
from app.withdrawals.limits import CapUse
from app.withdrawals.tables import Approval, OutgoingPayment, Withdrawal, WithdrawalPreview

MOST_LISTED = 5

MONTH = timedelta(days=30)


class GivenApproval(msgspec.Struct, frozen=True, kw_only=True):
    """One operator's approval. `fits`: its digest is the digest of the current fields."""

    account_id: str
    name: str
    at: datetime
    fits: bool


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """One of the withdrawal's transactions. `nonce` is None on chains without accounts."""

    txid: str
    nonce: int | None
    status: str
    block_height: int | None
    created_at: datetime
    submitted_at: datetime | None


class DestinationHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Earlier payments to an address in the same asset; `other_merchants` counts other merchants that paid it.

    `lookalikes` are addresses that the same merchant has paid and that begin and end like this one. `paid_from_here`:
    the invoice that is refunded was paid from this address, and not only with dust. `payer_lookalikes` are addresses
    that paid it and that begin and end like this one.
    """

    confirmed: int
    confirmed_raw: int
    first_at: datetime | None
    last_at: datetime | None
    last_raw: int | None
    other_merchants: int
    rejected: int
    lookalikes: tuple[str, ...]
    paid_from_here: bool
    payer_lookalikes: tuple[str, ...] = ()


class MerchantHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The balance of the ledger that pays, and what it has paid in this asset before."""

    confirmed: int
    last_month: int
    last_month_raw: int
    largest_raw: int | None
    balance: State
    cap: CapUse | None


class SimilarWithdrawal(msgspec.Struct, frozen=True, kw_only=True):
    """Another waiting withdrawal with the same amount or the same destination: easy to confuse with this one."""

    id: str
    amount_raw: int
    asset: str
    destination: str
    created_at: datetime


class ShownPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What it would cost, and what the chain says of it, when the signer looked last (`app.signer.funds.Preview`).
    `cost_raw` is in the native coin, None where it is not known."""

    cost_in_words: str
    cost_raw: int | None = None
    is_contract: bool
    is_new_account: bool
    is_frozen: bool
    is_paused: bool
    fee_bps: int
    looked_at: datetime


class WithdrawalDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One withdrawal with all its details. `digest` is recomputed; `intact`: the stored one is the same. `preview` is
    None where the signer has not looked yet."""

    intent: Intent
    digest: bytes
    intact: bool
    kind: str
    mode: str
    status: str
    source: str
    fee_raw: int
    held: bool
    hold_reason: str | None
    waiting_reason: str | None
    decision_reason: str | None
    merchant_id: str | None
    merchant_name: str | None
    merchant_status: str | None
    merchant_since: datetime | None
    requested_by: str
    created_at: datetime
    approved_at: datetime | None
    submitted_at: datetime | None
    settled_at: datetime | None
    approvals_required: int
    description: str | None
    invoice_id: str | None
    deposit_id: str | None
    reason: str | None
    customer_visible_reason: str | None
    approvals: tuple[GivenApproval, ...]
    transactions: tuple[Transaction, ...]
    destination_history: DestinationHistory
    merchant_history: MerchantHistory
    similar: tuple[SimilarWithdrawal, ...]
    preview: ShownPreview | None = None
    price: PriceOf | None = None
    """Of a refund's invoice, in a national currency."""
    reporting_currency: str | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether operators may still decide."""
        return self.status == "pending_approval"

    @property
    def can_be_rejected(self) -> bool:
        """Whether operators may reject it: it waits, or it is approved and nothing is signed."""
        return self.is_waiting or (self.status == "approved" and not self.transactions)


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A payout or refund that has ended, as a list shows it."""

    id: str
    kind: str
    mode: str
    merchant_id: str | None
    merchant_name: str | None
    network: str
    asset: str
    amount_raw: int
    destination: str
    status: str
    decision_reason: str | None
    created_at: datetime
    settled_at: datetime | None


async def decided(place: Place | None, limit: int, filters: CaseFilters = EVERY_CASE) -> Page[Decided]:
    """A page of those that have ended by (created_at, id), newest first."""
    return await _DECIDED.page(place, limit, **filters.values(""))


async def total_decided(filters: CaseFilters) -> Total:
    """How many have ended."""
    return await _DECIDED.total(**filters.values(""))


_DECIDED = Listing(
    lambda: Withdrawal.select(
        Withdrawal.id,
        Withdrawal.kind,
        Withdrawal.mode,
        Withdrawal.merchant.as_alias("merchant_id"),
        Withdrawal.merchant.name.as_alias("merchant_name"),
        Withdrawal.network,
        Withdrawal.asset,
        Withdrawal.amount_raw,
        Withdrawal.destination,
        Withdrawal.status,
        Withdrawal.decision_reason,
        Withdrawal.created_at,
        Withdrawal.settled_at,
    ).where(Withdrawal.status.is_in(["confirmed", "rejected", "failed", "cancelled"])),
    Decided,
    key=(Withdrawal.created_at, Withdrawal.id),
    filters={
        "kind": Withdrawal.kind == Param("kind"),
        "status": Withdrawal.status == Param("status"),
        "network": Withdrawal.network == Param("network"),
        "asset": Withdrawal.asset == Param("asset"),
        "merchant": of_merchant(Withdrawal.merchant),
    },
)


async def details_of(withdrawal_id: str, now: datetime) -> WithdrawalDetails | None:
    """One payout or refund of any merchant."""
    # SQL: a payout and a refund are joined by their id, which is no foreign key.
    row = await database.fetch_one(
        """
        SELECT w.*, m.name AS merchant_name, m.status AS merchant_status, m.created_at AS merchant_since,
            m.reporting_currency, i.price_raw, i.price_currency,
            p.description, r.invoice, r.deposit, r.reason, r.customer_visible_reason,
            (SELECT h.reason FROM withdrawal_holds h WHERE h.released_at IS NULL
                AND (h.source, h.network, h.asset) = (w.source, w.network, w.asset)) AS hold_reason
        FROM withdrawals w LEFT JOIN merchants m ON m.id = w.merchant
        LEFT JOIN payouts p ON p.id = w.id LEFT JOIN refunds r ON r.id = w.id
        LEFT JOIN invoices i ON i.id = r.invoice
        WHERE w.id = $1
        """,
        withdrawal_id,
    )
    if row is None:
        return None
    intent = Intent(
        row["id"], row["asset"], row["network"], row["amount_raw"], row["destination"], row["destination_memo"]
    )
    recomputed = digest(intent)
    return WithdrawalDetails(
        intent=intent,
        digest=recomputed,
        intact=recomputed == row["digest"],
        kind=row["kind"],
        mode=row["mode"],
        status=row["status"],
        source=row["source"],
        fee_raw=row["fee_raw"],
        held=row["held"],
        hold_reason=row["hold_reason"],
        waiting_reason=row["waiting_reason"],
        decision_reason=row["decision_reason"],
        merchant_id=row["merchant"],
        merchant_name=row["merchant_name"],
        merchant_status=row["merchant_status"],
        merchant_since=row["merchant_since"],
        requested_by=row["requested_by"],
        created_at=row["created_at"],
        approved_at=row["approved_at"],
        submitted_at=row["submitted_at"],
        settled_at=row["settled_at"],
        approvals_required=row["approvals_required"],
        description=row["description"],
        invoice_id=row["invoice"],
        deposit_id=row["deposit"],
        reason=row["reason"],
        customer_visible_reason=row["customer_visible_reason"],
        approvals=await _approvals(withdrawal_id, recomputed),
        transactions=await _transactions(withdrawal_id),
        destination_history=await _destination_history(row),
        merchant_history=await _merchant_history(row, now),
        similar=await _similar(row) if row["status"] == "pending_approval" else (),
        preview=await _PREVIEW.first(withdrawal=withdrawal_id),
        price=None if row["price_raw"] is None else PriceOf(row["price_raw"], row["price_currency"]),
        reporting_currency=row["reporting_currency"],
    )


_PREVIEW = Statement(
    select(WithdrawalPreview, ShownPreview).where(WithdrawalPreview.withdrawal == Param("withdrawal")), ShownPreview
)


async def _approvals(withdrawal_id: str, recomputed: bytes) -> tuple[GivenApproval, ...]:
    return tuple(
        GivenApproval(account_id=row.account, name=row.name, at=row.created_at, fits=row.digest == recomputed)
        for row in await _APPROVALS.all(withdrawal=withdrawal_id)
    )


class _Approval(msgspec.Struct, frozen=True):
    account: str
    name: str
    created_at: datetime
    digest: bytes


_APPROVALS = Statement(
    Approval.select(Approval.account, Approval.account.name.as_alias("name"), Approval.created_at, Approval.digest)
    .where(Approval.withdrawal == Param("withdrawal"))
    .order_by(Approval.id),
    _Approval,
)


async def _transactions(withdrawal_id: str) -> tuple[Transaction, ...]:
    return tuple(await _TRANSACTIONS.all(withdrawal=withdrawal_id))


_TRANSACTIONS = Statement(
    OutgoingPayment.select(
        *(getattr(OutgoingPayment.transaction, name).as_alias(name) for name in Transaction.__struct_fields__)
    )
    .where(OutgoingPayment.withdrawal == Param("withdrawal"))
    .order_by(OutgoingPayment.transaction, ascending=False),
    Transaction,
)


async def _destination_history(row: Row) -> DestinationHistory:
    """Lookalikes are searched only among addresses that the same ledger has paid."""
    # SQL: aggregates with FILTER.
    before = await database.fetch_one(
        """
        SELECT count(*) FILTER (WHERE status = 'confirmed' AND source = $4) AS confirmed,
            coalesce(sum(amount_raw) FILTER (WHERE status = 'confirmed' AND source = $4), 0) AS confirmed_raw,
            min(settled_at) FILTER (WHERE status = 'confirmed' AND source = $4) AS first_at,
            max(settled_at) FILTER (WHERE status = 'confirmed' AND source = $4) AS last_at,
            (array_agg(amount_raw ORDER BY settled_at DESC) FILTER (WHERE status = 'confirmed' AND source = $4))[1]
                AS last_raw,
            count(DISTINCT source) FILTER (WHERE status = 'confirmed' AND source <> $4) AS other_merchants,
            count(*) FILTER (WHERE status = 'rejected') AS rejected
        FROM withdrawals WHERE network = $1 AND destination = $2 AND asset = $3 AND id <> $5
        """,
        row["network"],
        row["destination"],
        row["asset"],
        row["source"],
        row["id"],
    )
    assert before is not None
    # SQL: SELECT DISTINCT over functions of a parameter.
    lookalikes = await database.fetch_all(
        """
        SELECT DISTINCT destination FROM withdrawals
        WHERE source = $1 AND network = $2 AND destination <> $3 AND status = 'confirmed'
            AND lower(left(destination, $4)) = lower(left($3, $4))
            AND lower(right(destination, $5)) = lower(right($3, $5))
        LIMIT $6
        """,
        row["source"],
        row["network"],
        row["destination"],
        LOOKALIKE_HEAD,
        LOOKALIKE_TAIL,
        MOST_LISTED,
    )
    senders = [] if row["invoice"] is None else await deposits.senders(row["invoice"])
    payers = [sender.address for sender in senders if not sender.only_dust]
    payer_lookalikes = tuple(payer for payer in payers if look_alike(payer, row["destination"]))
    return DestinationHistory(
        **dict(before),
        lookalikes=tuple(found["destination"] for found in lookalikes),
        paid_from_here=row["destination"] in payers and not payer_lookalikes,
        payer_lookalikes=payer_lookalikes,
    )


async def _merchant_history(row: Row, now: datetime) -> MerchantHistory:
    # SQL: aggregates with FILTER.
    before = await database.fetch_one(
        """
        SELECT count(*) AS confirmed, max(amount_raw) AS largest_raw,
            count(*) FILTER (WHERE created_at > $4) AS last_month,
            coalesce(sum(amount_raw) FILTER (WHERE created_at > $4), 0) AS last_month_raw
        FROM withdrawals WHERE source = $1 AND network = $2 AND asset = $3 AND status = 'confirmed' AND id <> $5
        """,
        row["source"],
        row["network"],
        row["asset"],
        now - MONTH,
        row["id"],
    )
    assert before is not None
    head = await ledger.head(ChainId(owner=row["source"], network=row["network"], asset=row["asset"]))
    of_merchant = row["merchant"] is not None and row["source"] == row["merchant"]
    return MerchantHistory(
        **dict(before),
        balance=head.state if head is not None else State(),
        cap=await limits.cap_use(row["merchant"], row["network"], row["asset"], now) if of_merchant else None,
    )


async def _similar(row: Row) -> tuple[SimilarWithdrawal, ...]:
    found = await _SIMILAR.all(
        network=row["network"],
        id=row["id"],
        asset=row["asset"],
        amount_raw=row["amount_raw"],
        destination=row["destination"],
        limit=MOST_LISTED,
    )
    return tuple(found)


_SIMILAR = Statement(
    select(Withdrawal, SimilarWithdrawal)
    .where(
        Withdrawal.status == "pending_approval",
        Withdrawal.network == Param("network"),
        Withdrawal.id != Param("id"),
        ((Withdrawal.asset == Param("asset")) & (Withdrawal.amount_raw == Param("amount_raw")))
        | (Withdrawal.destination == Param("destination")),
    )
    .order_by(Withdrawal.created_at, Withdrawal.id),
    SimilarWithdrawal,
    limited=True,
)
