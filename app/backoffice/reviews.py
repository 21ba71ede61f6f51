"""Deposits in review as operators read them: lists by page, and one review with all its facts."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, get_args

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.querystring import QueryString

from app.backoffice.case_filters import EVERY_CASE, AssetSum, CaseFilters, Sums, of_merchant
from app.core import database
from app.core.keyset import Page, Place, Total
from app.core.statement import Condition, Listing, Param, Statement, select
from app.deposits import repository, reviews
from app.deposits.reviews import Split
from app.deposits.reviews_repository import DepositReview
from app.deposits.tables import Deposit, Review
from app.invoices.pricing import Share
from app.invoices.tables import Invoice
from app.networks.lookalikes import look_alike

Which = Literal["open", "returning", "closed"]

MOST_LISTED = 10


class ListedReview(msgspec.Struct, frozen=True, kw_only=True):
    """A review in a list. `can_be_decided`: its money is booked, or it is no longer on chain and can only be closed.
    `is_mine`: the operator who reads the list belongs to the merchant, or did, and so may not decide it."""

    deposit_id: str
    deposit_status: str
    network: str
    asset: str
    amount_raw: int
    invoice_id: str | None
    merchant_id: str | None
    merchant_name: str | None
    verdict: str
    status: str
    outcome: str | None
    opened_at: datetime
    decided_at: datetime | None
    is_mine: bool

    @property
    def can_be_decided(self) -> bool:
        """Whether an operator can decide it now."""
        return self.status == "open" and self.deposit_status != "seen"


class InvoiceNow(msgspec.Struct, frozen=True, kw_only=True):
    """The review's invoice as it is now; the review's `facts` have its state when the review was opened."""

    id: str
    mode: str
    status: str
    network: str
    asset: str
    pay_in_raw: int
    received_raw: int
    credited_raw: int | None
    description: str | None
    order_id: str | None
    created_at: datetime
    expires_at: datetime


class OtherDeposit(msgspec.Struct, frozen=True, kw_only=True):
    """Another transfer to the same invoice, dust left out."""

    id: str
    network: str
    asset: str
    amount_raw: int
    verdict: str
    status: str
    seen_at: datetime


class ReviewDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One review with all facts that its decision needs. `share` is how a credit would divide the deposit.

    `requested` is what the invoice requested when the review was opened, None where there was none. `worth` is what the
    deposit was worth then, in the currency of the invoice's price: by its quote, and by the rate of its minute.
    `sender_lookalikes` are other senders to the invoice whose addresses begin and end like this one's: one of them may
    be an attacker's.
    `held_raw` is what suspense holds of the deposit: all of it, or the rest that was not credited. `split` is how what
    was asked would be credited and the rest returned, None where that can't be done.
    `may_still_be_paid`: the invoice has time left, and closing its last review would end it.
    """

    review: DepositReview
    merchant_name: str | None
    merchant_status: str | None
    requested: dict[str, Any] | None
    worth: dict[str, Any] | None
    due_at: datetime | None
    received_at: datetime
    to_address: str
    block_height: int | None
    confirmations: int
    times_reversed: int
    invoice: InvoiceNow | None
    others: tuple[OtherDeposit, ...]
    share: Share | None
    held_raw: int
    split: Split | None
    sender_lookalikes: tuple[str, ...]
    may_still_be_paid: bool

    @property
    def can_be_credited(self) -> bool:
        """Whether its money is booked to suspense, nothing of it was credited before, and it has an invoice."""
        is_whole = self.review.deposit_status == "suspended"
        return self.can_be_returned and is_whole and self.invoice is not None

    @property
    def can_be_returned(self) -> bool:
        """Whether it is open and suspense holds its money, or a rest of it."""
        return self.review.status == "open" and self.held_raw > 0


async def page(
    which: Which, place: Place | None, limit: int, operator_id: str = "", filters: CaseFilters = EVERY_CASE
) -> Page[ListedReview]:
    """A page of the reviews of one state by (opened_at, deposit_id): open: oldest first; others: newest first."""
    return await _LISTS[which].page(place, limit, **filters.values(operator_id))


async def total(which: Which, operator_id: str, filters: CaseFilters) -> Total:
    """How many reviews of one state there are."""
    return await _LISTS[which].total(**filters.values(operator_id))


async def sums(which: Which, operator_id: str, filters: CaseFilters) -> list[AssetSum]:
    """How many reviews of one state there are of each asset, and the sums of their deposits."""
    return await _SUMS[which].of(filters.values(operator_id))


async def next_to_decide(operator_id: str, filters: CaseFilters, after: Place, *, but: str) -> str | None:
    """The deposit of the next open review that this operator may decide, in the order of the list with these filters,
    the oldest again after the last. `but` is left out. None where there is no other one."""
    values = filters.values(operator_id) | {"mine": True, "not_mine": None, "but": but}
    for place in (after, None):
        if found := await _LISTS["open"].page(place, 1, **values):
            return found[0].deposit_id
    return None


_BELONGS = "belonged_since({}, {}, {})"
_MAY_DECIDE = f"({{}} <> 'seen' AND NOT {_BELONGS})"
_MINE = (Review.deposit.status, Review.merchant, Param("operator"), Review.opened_at)

_FILTERS: dict[str, Condition] = {
    "verdict": Review.verdict == Param("verdict"),
    "network": Review.deposit.network == Param("network"),
    "asset": Review.deposit.asset == Param("asset"),
    "merchant": of_merchant(Review.merchant),
    "before": Review.opened_at < Param("before"),
    "mine": WhereRaw(_MAY_DECIDE, *_MINE),
    "not_mine": WhereRaw(f"NOT {_MAY_DECIDE}", *_MINE),
    "but": Review.deposit != Param("but"),
}


def _list(which: Which) -> Listing[ListedReview]:
    return Listing(
        lambda: Review.select(
            Review.deposit.as_alias("deposit_id"),
            Review.deposit.status.as_alias("deposit_status"),
            Review.deposit.network.as_alias("network"),
            Review.deposit.asset.as_alias("asset"),
            Review.deposit.amount_raw.as_alias("amount_raw"),
            Review.invoice.as_alias("invoice_id"),
            Review.merchant.as_alias("merchant_id"),
            Review.merchant.name.as_alias("merchant_name"),
            Review.verdict,
            Review.status,
            Review.outcome,
            Review.opened_at,
            Review.decided_at,
            QueryString(_BELONGS, Review.merchant, Param("operator"), Review.opened_at, alias="is_mine"),
        ).where(Review.status == which),
        ListedReview,
        key=(Review.opened_at, Review.deposit.as_alias("deposit_id")),
        filters=_FILTERS,
        oldest_first=which == "open",
    )


_LISTS: Mapping[Which, Listing[ListedReview]] = {which: _list(which) for which in get_args(Which)}


def _sums(which: Which) -> Sums:
    return Sums(
        lambda columns: Review.select(*columns).where(Review.status == which),
        _FILTERS,
        network=Review.deposit.network.as_alias("network"),
        asset=Review.deposit.asset.as_alias("asset"),
        amount_raw=Review.deposit.amount_raw,
    )


_SUMS: Mapping[Which, Sums] = {which: _sums(which) for which in get_args(Which)}


async def details_of(deposit_id: str, now: datetime) -> ReviewDetails | None:
    """One review of any merchant, as it is at `now`."""
    found = await reviews.list_reviews(open_only=False, deposit_id=deposit_id)
    if not found:
        return None
    review = found[0]
    # SQL: the merchant and the cursor are no foreign keys of a deposit.
    row = await database.fetch_one(
        """
        SELECT a.address, d.block_height, d.times_reversed, m.name AS merchant_name, m.status AS merchant_status,
            coalesce(greatest((SELECT head_height FROM network_cursors c WHERE c.network = d.network)
                - d.block_height + 1, 0), 0) AS confirmations
        FROM deposits d JOIN deposit_addresses a ON a.id = d.deposit_address
        LEFT JOIN merchants m ON m.id = $2 WHERE d.id = $1
        """,
        deposit_id,
        review.merchant_id,
    )
    assert row is not None
    facts = json.loads(review.facts)
    invoice = await _invoice(review.invoice_id)
    senders = [] if review.invoice_id is None else await repository.senders(review.invoice_id)
    return ReviewDetails(
        review=review,
        merchant_name=row["merchant_name"],
        merchant_status=row["merchant_status"],
        requested=facts["asked"],
        worth=facts.get("worth"),
        due_at=None if facts["asked"] is None else datetime.fromisoformat(facts["asked"]["before"]),
        received_at=datetime.fromisoformat(facts["came"]["at"]),
        to_address=row["address"],
        block_height=row["block_height"],
        confirmations=0 if review.deposit_status == "orphaned" else row["confirmations"],
        times_reversed=row["times_reversed"],
        invoice=invoice,
        others=await _others(review),
        share=await reviews.would_credit(deposit_id),
        held_raw=await reviews.held_in_suspense_raw(deposit_id),
        split=await reviews.would_split(deposit_id),
        sender_lookalikes=tuple(
            sender.address
            for sender in senders
            if review.from_address is not None and look_alike(sender.address, review.from_address)
        ),
        may_still_be_paid=invoice is not None
        and invoice.status == "manual_review"
        and review.verdict != "cancelled"
        and now < invoice.expires_at,
    )


async def _invoice(invoice_id: str | None) -> InvoiceNow | None:
    return None if invoice_id is None else await _INVOICE.first(id=invoice_id)


_INVOICE = Statement(select(Invoice, InvoiceNow).where(Invoice.id == Param("id")), InvoiceNow)


async def _others(review: DepositReview) -> tuple[OtherDeposit, ...]:
    if review.invoice_id is None:
        return ()
    return tuple(await _OTHERS.all(invoice=review.invoice_id, deposit=review.deposit_id, limit=MOST_LISTED))


_OTHERS = Statement(
    select(Deposit, OtherDeposit)
    .where(Deposit.invoice == Param("invoice"), Deposit.id != Param("deposit"), Deposit.verdict != "dust")
    .order_by(Deposit.seen_at, Deposit.id),
    OtherDeposit,
    limited=True,
)
