"""Manual review of every deposit that neither pays nor is dust, and the decisions of operators on it.

A review is opened with its deposit and shown to the merchant in the invoice. It ends in one of three ways: the deposit
is credited, or sent back (refunds/returns.py makes the refund, which needs its own approval), or the review is closed
and the money stays in suspense. Each needs a reason and goes to the audit log. An operator who belongs to the merchant
decides none of its reviews; Postgres refuses it too.

The fee of a credit is the invoice's service fee in the proportion of the deposit to the invoice's amount, so that a
late payment of the exact amount costs exactly the invoice's fee. In another asset than the invoice's, it is the fee's
rate in basis points of the deposit. Both are rounded up to the minor unit.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Literal

from app.audit import service as audit
from app.core import database
from app.core.clock import rfc3339
from app.core.errors import ApiError
from app.deposits import late_quotes, repository, reviews_repository
from app.deposits.bookings import booking_reference, deposit_chains
from app.deposits.late_quotes import Worths
from app.deposits.matching import Verdict
from app.deposits.reviews_repository import DepositReview, Division, Facts, OpenReview
from app.invoices import repository as invoice_repository
from app.invoices.pricing import Share, share, share_of_other_asset
from app.invoices.quoting import format_price
from app.invoices.repository import Terms
from app.invoices.service import InvoiceService
from app.invoices.service import announce as announce_invoices
from app.invoices.states import Status
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import Posting
from app.merchants.members import belonged_since
from app.worth import service as worth

GATEWAY = "gateway"
"""Stored as `decided_by` of a review that the gateway closed itself."""


class ReviewRefused(Exception):
    """The review does not allow the decision; the message is for the operator."""


class ReviewService:
    """Carries out operators' decisions on reviews. The caller has made sure who the operator is."""

    def __init__(self, invoices: InvoiceService) -> None:
        self._invoices = invoices

    async def credit(
        self, deposit_id: str, operator_id: str, reason: str, now: datetime, *, address: str | None = None
    ) -> None:
        """Credit the deposit to the invoice's merchant; the invoice becomes `paid` where its states allow.

        Raises ReviewRefused.
        """
        review = await _known(deposit_id)
        _refuse_uncreditable(review)
        await _refuse_insider(review, operator_id)
        async with database.transaction():
            await ledger.lock(_chains(review))
            await self._credit(review, operator_id, reason, now, address)
        await announce_invoices(str(review.invoice_id))

    async def close(
        self, deposit_id: str, operator_id: str, reason: str, now: datetime, *, address: str | None = None
    ) -> None:
        """End a review without moving money: it stays in suspense. Raises ReviewRefused."""
        review = await _known(deposit_id)
        await _refuse_insider(review, operator_id)
        async with database.transaction():
            await self._close(review, operator_id, reason, now, address)
        if review.invoice_id is not None:
            await announce_invoices(review.invoice_id)

    async def settle_all(
        self,
        invoice_id: str,
        how: Literal["credit", "close"],
        deposit_ids: Collection[str],
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
    ) -> None:
        """Credit or close every open review of an invoice: all of them or none. `deposit_ids` are those that the
        operator has seen.

        Raises ReviewRefused, also where other reviews are open by now.
        """
        seen = await open_of_invoice(invoice_id)
        refuse_changed(seen, deposit_ids)
        for review in seen:
            if how == "credit":
                _refuse_uncreditable(review)
            await _refuse_insider(review, operator_id)
        async with database.transaction():
            if how == "credit":
                await ledger.lock({chain for review in seen for chain in _chains(review)})
            await invoice_repository.lock(invoice_id)
            refuse_changed(await open_of_invoice(invoice_id), deposit_ids)
            for review in seen:
                settle = self._credit if how == "credit" else self._close
                await settle(review, operator_id, reason, now, address)
        await announce_invoices(invoice_id)

    async def _credit(
        self, review: DepositReview, operator_id: str, reason: str, now: datetime, address: str | None
    ) -> None:
        """Credit one, in the caller's transaction, which holds the heads of its ledgers."""
        assert review.invoice_id is not None, "checked by the caller"
        earnings, fees, suspense = _chains(review)
        deposit_id = review.deposit_id
        invoice = await invoice_repository.lock_terms(review.invoice_id, review.deposit_address)
        deposit = await _lock_open_review(deposit_id, reason)
        _refuse_unbooked(deposit)
        amount_raw = deposit.amount_raw
        due = _share(review.asset, amount_raw, invoice)
        reference = booking_reference(deposit_id, deposit.times_reversed)
        postings = [Posting(suspense, "suspense_released", -amount_raw, 0, reference)]
        if due.net_raw:
            postings.append(Posting(earnings, "invoice_credit", due.net_raw, 0, reference))
        if due.service_fee_raw:
            postings.append(Posting(fees, "service_fee", due.service_fee_raw, 0, reference))
        try:
            await worth.post(postings, now)
        except ApiError:
            raise ReviewRefused("suspense holds too little: a reorganisation has removed money from it") from None
        await repository.credit(deposit_id)
        await reviews_repository.decide(
            deposit_id,
            status="closed",
            outcome="credited",
            reason=reason,
            by=_actor(operator_id),
            refund_id=None,
            now=now,
        )
        # A price that nothing has paid yet is paid by the quote that the credited deposit came for.
        is_first = invoice.status == Status.MANUAL_REVIEW and invoice.credited_raw is None
        counts = review.asset == invoice.asset and (invoice.is_current or is_first)
        await self._invoices.credit_reviewed(
            review.invoice_id,
            due.net_raw if counts else 0,
            await reviews_left(review.invoice_id),
            now,
            quote_id=invoice.quote if counts and is_first else None,
        )
        await _audit(review, "credited", operator_id, reason, now, address)

    async def _close(
        self, review: DepositReview, operator_id: str, reason: str, now: datetime, address: str | None
    ) -> None:
        """Close one, in the caller's transaction."""
        if review.invoice_id is not None:
            await invoice_repository.lock(review.invoice_id)
        await _lock_open_review(review.deposit_id, reason)
        await reviews_repository.decide(
            review.deposit_id,
            status="closed",
            outcome="closed",
            reason=reason,
            by=_actor(operator_id),
            refund_id=None,
            now=now,
        )
        await self._end(review.invoice_id, now)
        await _audit(review, "closed", operator_id, reason, now, address)

    async def begin_return(
        self,
        deposit_id: str,
        refund_id: str,
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
    ) -> None:
        """Record that a refund returns the deposit (refunds/returns.py), in the caller's transaction.

        The caller holds the locks of the suspense ledger's head and of the invoice. Raises ReviewRefused.
        """
        review = await _known(deposit_id)
        await _refuse_insider(review, operator_id)
        _refuse_unbooked(await _lock_open_review(deposit_id, reason))
        await reviews_repository.decide(
            deposit_id,
            status="returning",
            outcome="returned",
            reason=reason,
            by=_actor(operator_id),
            refund_id=refund_id,
            now=now,
        )
        if review.invoice_id is not None:
            await self._invoices.note_review(review.invoice_id, await reviews_left(review.invoice_id), now)
        await _audit(review, "returning", operator_id, reason, now, address)

    async def return_confirmed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """Close the review: the refund is final. The caller holds the invoice's lock and the transaction."""
        invoice_id = await reviews_repository.close_returning(deposit_id, refund_id)
        await self._end(invoice_id, now)

    async def return_failed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """Open the review again: the refund failed. The caller holds the invoice's lock."""
        invoice_id = await reviews_repository.reopen_returning(deposit_id, refund_id)
        if invoice_id is not None:
            await self._invoices.note_review(invoice_id, await reviews_left(invoice_id), now)

    async def _end(self, invoice_id: str | None, now: datetime) -> None:
        if invoice_id is not None:
            await self._invoices.end_review(invoice_id, await reviews_left(invoice_id), now)


async def open_review(deposit_id: str, verdict: Verdict, invoice_id: str | None, now: datetime) -> bool:
    """Open the review of a deposit in the transaction that stores it; return whether it is open now.

    The review of a deposit that is back after a deep reorganisation is opened again; one that an operator has closed
    without moving money stays closed, unless it was closed while the deposit was off the chain: then there was
    nothing to decide.
    """
    database.in_transaction()
    facts = await reviews_repository.facts(deposit_id, invoice_id)
    worths = None
    if facts.quote_id is not None and facts.asset == facts.invoice_asset:
        worths = await late_quotes.worths(facts.quote_id, facts.amount_raw, facts.received_at)
    return await reviews_repository.open_or_reopen(
        deposit_id,
        invoice_id=invoice_id,
        merchant_id=facts.merchant,
        verdict=verdict.value,
        facts=_as_json(facts, worths),
        now=now,
    )


async def end_reviews_of_payment(deposit_ids: Collection[str], now: datetime) -> None:
    """Close the open reviews of deposits that pay their invoice after all, in the caller's transaction."""
    database.in_transaction()
    await reviews_repository.close_paid(
        deposit_ids, by=GATEWAY, reason="it is the exact payment, or a part of it, after all", now=now
    )


async def reviews_left(invoice_id: str) -> int:
    """Reviews of an invoice that have not come to an end, returns under way among them."""
    return await reviews_repository.unfinished(invoice_id)


async def list_reviews(*, open_only: bool = True, deposit_id: str | None = None) -> list[DepositReview]:
    """Reviews, oldest first: those that wait for a decision, or all; or the one of a deposit."""
    if deposit_id is not None:
        found = await reviews_repository.find(deposit_id)
        return [] if found is None or (open_only and found.status != "open") else [found]
    return await reviews_repository.every_open() if open_only else await reviews_repository.every()


async def open_of_invoice(invoice_id: str) -> list[DepositReview]:
    """The reviews of an invoice that wait for a decision, oldest first."""
    return await reviews_repository.open_of_invoice(invoice_id)


def refuse_changed(now_open: Collection[DepositReview], deposit_ids: Collection[str]) -> None:
    """Raise ReviewRefused unless exactly these reviews, which the operator has seen, wait for a decision."""
    if not now_open:
        raise ReviewRefused("no review of the invoice waits for a decision")
    if {review.deposit_id for review in now_open} != set(deposit_ids):
        raise ReviewRefused("other reviews are open by now: look at them first")


async def why_not(review: DepositReview, operator_id: str) -> str | None:
    """Why this operator may not decide a review, as a message to them; None where they may."""
    if await belonged_since(operator_id, review.merchant_id, review.opened_at):
        return "you belong to the merchant, or did when the deposit was made: another operator must decide"
    return None


async def would_credit(deposit_id: str) -> Share | None:
    """How a credit would divide the amount; None for a deposit that has no invoice."""
    division = await reviews_repository.division(deposit_id)
    return None if division is None else _share(division.deposit_asset, division.deposit_raw, division)


async def _known(deposit_id: str) -> DepositReview:
    found = await reviews_repository.find(deposit_id)
    if found is None:
        raise ReviewRefused(f"there is no review of {deposit_id}")
    return found


def _chains(review: DepositReview) -> tuple[ChainId, ChainId, ChainId]:
    """The ledgers of a review that has an invoice: the merchant's, fees, suspense."""
    return deposit_chains(str(review.merchant_id), review.network, review.asset)


def _refuse_uncreditable(review: DepositReview) -> None:
    if review.invoice_id is None or review.merchant_id is None:
        raise ReviewRefused("the deposit has no invoice, so nobody to credit: return it, or close the review")


async def _refuse_insider(review: DepositReview, operator_id: str) -> None:
    if (reason := await why_not(review, operator_id)) is not None:
        raise ReviewRefused(reason)


async def _lock_open_review(deposit_id: str, reason: str) -> OpenReview:
    """Lock a review and its deposit. Raises ReviewRefused unless the review waits for a decision."""
    if not reason.strip():
        raise ReviewRefused("a reason is required")
    review = await reviews_repository.lock(deposit_id)
    if review.review_status != "open":
        raise ReviewRefused(f"the review is {review.review_status} already: {review.outcome}")
    return review


def _refuse_unbooked(deposit: OpenReview) -> None:
    if deposit.status == "orphaned":
        raise ReviewRefused("the deposit is not on the chain any more: there is nothing to credit or return")
    if deposit.status != "suspended":
        raise ReviewRefused("the deposit still lacks confirmations")


def _share(asset: str, amount_raw: int, invoice: Terms | Division) -> Share:
    if asset == invoice.asset:
        return share(amount_raw, invoice.pay_in_raw, invoice.service_fee_raw)
    return share_of_other_asset(amount_raw, invoice.service_fee_bps)


def _actor(operator_id: str) -> str:
    return f"account:{operator_id}"


async def _audit(
    review: DepositReview, action: str, operator_id: str, reason: str, now: datetime, address: str | None
) -> None:
    await audit.record(
        actor=_actor(operator_id),
        action=f"review.{action}",
        subject=review.deposit_id,
        merchant_id=review.merchant_id,
        address=address,
        details={
            "invoice": review.invoice_id,
            "verdict": review.verdict,
            "asset": review.asset,
            "network": review.network,
            "amount_raw": str(review.amount_raw),
            "reason": reason,
        },
        now=now,
    )


def _as_json(row: Facts, worths: Worths | None) -> str:
    """What the invoice asked for and what was received, as JSON: a snapshot at the opening of the review. Of a deposit
    for a quote also what it is worth: at the quote's rate, and at the rate of its minute, null where there was none."""
    requested = None
    if row.merchant is not None:
        assert row.expires_at is not None, "an invoice has a merchant and a last moment"
        requested = {
            "asset": row.invoice_asset,
            "amount_raw": str(row.pay_in_raw),
            "before": rfc3339(row.expires_at),
            "invoice_status": row.status,
        }
    received = {
        "asset": row.asset,
        "amount_raw": str(row.amount_raw),
        "at": rfc3339(row.received_at),
        "from_address": row.from_address,
        "txid": row.txid,
    }
    facts: dict[str, object] = {"asked": requested, "came": received}
    if worths is not None:
        facts["worth"] = {
            "currency": worths.currency,
            "price": format_price(worths.price_raw, worths.currency),
            "by_quote": format_price(worths.by_quote_raw, worths.currency),
            "by_its_minute": None
            if worths.by_its_minute_raw is None
            else format_price(worths.by_its_minute_raw, worths.currency),
        }
    return json.dumps(facts, sort_keys=True)
