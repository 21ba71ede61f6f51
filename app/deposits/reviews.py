"""Manual review of every deposit that neither pays nor is dust, and the decisions of operators on it.

A review is opened with its deposit and shown to the merchant in the invoice. It ends in one of three ways: the deposit
is credited, or sent back (refunds/returns.py makes the refund, which needs its own approval), or the review is closed
and the money stays in suspense. Of a deposit that is too large, what was asked can be credited and the rest sent back.
Each needs a reason, which goes to the audit log, and takes a message, which is all that the merchant reads. An operator
who belongs to the merchant decides none of its reviews; Postgres refuses it too.

The fee of a credit is the invoice's service fee in the proportion of the deposit to the invoice's amount, so that a
late payment of the exact amount costs exactly the invoice's fee. In another asset than the invoice's, it is the fee's
rate in basis points of the deposit. Both are rounded up to the minor unit.
"""

import json
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from app.audit import service as audit
from app.core import database
from app.core.clock import rfc3339
from app.core.errors import ApiError
from app.deposits import late_quotes, repository, reviews_repository
from app.deposits.bookings import DEPOSIT_KINDS, booking_reference, deposit_chains
from app.deposits.late_quotes import Worths
from app.deposits.matching import Verdict
from app.deposits.reviews_repository import DepositReview, Division, Facts, OpenReview, Outcome
from app.invoices import repository as invoice_repository
from app.invoices.pricing import NOTHING, Share, share, share_of_other_asset
from app.invoices.quoting import format_price
from app.invoices.repository import Terms
from app.invoices.service import InvoiceService
from app.invoices.service import announce as announce_invoices
from app.invoices.states import Status
from app.ledger import repository as ledger_repository
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import SUSPENSE, Posting
from app.merchants.members import belonged_since
from app.worth import service as worth

GATEWAY = "gateway"
"""Stored as `decided_by` of a review that the gateway closed itself."""


DURATION_WINDOW = timedelta(days=90)
DURATION_SAMPLE, FEW_REVIEWS = 100, 5
"""The newest decisions that tell how long a review usually takes, and how many there must be."""

MAX_MESSAGE_CHARS = 500
"""The longest message to a merchant."""


class ReviewRefused(Exception):
    """The review does not allow the decision; the message is for the operator."""


class Decision(msgspec.Struct, frozen=True):
    """Who decides, and why. `reason` is for the audit log, `message` for the merchant; `address` is the operator's."""

    operator_id: str
    reason: str
    message: str | None
    now: datetime
    address: str | None

    @property
    def told(self) -> str | None:
        """The message without blanks around it; None where there is none."""
        return (self.message or "").strip() or None

    async def store(
        self, deposit_id: str, status: Literal["returning", "closed"], outcome: Outcome, *, refund_id: str | None = None
    ) -> None:
        """Store the decision. Raises ReviewRefused for a message that is too long."""
        if self.told is not None and len(self.told) > MAX_MESSAGE_CHARS:
            raise ReviewRefused(f"the message to the merchant has more than {MAX_MESSAGE_CHARS} characters")
        await reviews_repository.decide(
            deposit_id,
            status=status,
            outcome=outcome,
            reason=self.reason,
            message=self.told,
            by=_actor(self.operator_id),
            refund_id=refund_id,
            now=self.now,
        )


class ReviewService:
    """Carries out operators' decisions on reviews. The caller has made sure who the operator is."""

    def __init__(self, invoices: InvoiceService) -> None:
        self._invoices = invoices

    async def credit(
        self,
        deposit_id: str,
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
        message: str | None = None,
    ) -> None:
        """Credit the deposit to the invoice's merchant; the invoice becomes `paid` where its states allow.

        `reason` is for the audit log, `message` for the merchant. Raises ReviewRefused.
        """
        decision = Decision(operator_id, reason, message, now, address)
        review = await _known(deposit_id)
        _refuse_uncreditable(review)
        await _refuse_insider(review, operator_id)
        async with database.transaction():
            await ledger.lock(_chains(review))
            await self._credit(review, decision)
        await announce_invoices(str(review.invoice_id))

    async def close(
        self,
        deposit_id: str,
        operator_id: str,
        reason: str,
        now: datetime,
        *,
        address: str | None = None,
        message: str | None = None,
    ) -> None:
        """End a review without moving money: it stays in suspense. `message` is for the merchant. Raises
        ReviewRefused."""
        decision = Decision(operator_id, reason, message, now, address)
        review = await _known(deposit_id)
        await _refuse_insider(review, operator_id)
        async with database.transaction():
            await self._close(review, decision)
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
        message: str | None = None,
    ) -> None:
        """Credit or close every open review of an invoice: all of them or none. `deposit_ids` are those that the
        operator has seen.

        Raises ReviewRefused, also where other reviews are open by now.
        """
        decision = Decision(operator_id, reason, message, now, address)
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
                await settle(review, decision)
        await announce_invoices(invoice_id)

    async def credit_asked(self, deposit_id: str, refund_id: str, decision: Decision) -> int:
        """Credit what the invoice asked for, record that a refund returns the rest, and return the rest in minor units.

        In the transaction of refunds/returns.py, which holds the locks of the ledgers' heads and of the invoice. Raises
        ReviewRefused, also where no more came than was asked.
        """
        database.in_transaction()
        review = await _known(deposit_id)
        _refuse_uncreditable(review)
        await _refuse_insider(review, decision.operator_id)
        invoice = await invoice_repository.lock_terms(str(review.invoice_id), review.deposit_address)
        deposit = await _lock_open_review(deposit_id, decision.reason)
        held_raw = await _held_raw(review, deposit)
        rest_raw = rest_of(review.asset, held_raw, invoice)
        if not rest_raw:
            raise ReviewRefused("no more came than was asked, or it is paid already: credit the deposit, or return it")
        await self._book(review, deposit, invoice, held_raw - rest_raw, decision, refund_id)
        await _audit(review, "credited", decision, returned_raw=str(rest_raw), refund=refund_id)
        return rest_raw

    async def _credit(self, review: DepositReview, decision: Decision) -> None:
        """Credit one, in the caller's transaction, which holds the heads of its ledgers."""
        assert review.invoice_id is not None, "checked by the caller"
        invoice = await invoice_repository.lock_terms(review.invoice_id, review.deposit_address)
        deposit = await _lock_open_review(review.deposit_id, decision.reason)
        await self._book(review, deposit, invoice, await _held_raw(review, deposit), decision, None)
        await _audit(review, "credited", decision)

    async def _book(
        self,
        review: DepositReview,
        deposit: OpenReview,
        invoice: Terms,
        amount_raw: int,
        decision: Decision,
        refund_id: str | None,
    ) -> None:
        """Move an amount of a deposit from suspense to the merchant, less the fee. `refund_id` returns the rest."""
        assert review.invoice_id is not None, "checked by the caller"
        _refuse_uncredited(deposit)
        earnings, fees, suspense = _chains(review)
        due = _share(review.asset, amount_raw, invoice)
        reference = booking_reference(review.deposit_id, deposit.times_reversed)
        postings = [Posting(suspense, "suspense_released", -amount_raw, 0, reference)]
        if due.net_raw:
            postings.append(Posting(earnings, "invoice_credit", due.net_raw, 0, reference))
        if due.service_fee_raw:
            postings.append(Posting(fees, "service_fee", due.service_fee_raw, 0, reference))
        try:
            await worth.post(postings, decision.now)
        except ApiError:
            raise ReviewRefused("suspense holds too little: a reorganisation has removed money from it") from None
        await repository.credit(review.deposit_id)
        await decision.store(
            review.deposit_id, "closed" if refund_id is None else "returning", "credited", refund_id=refund_id
        )
        # A price that nothing has paid yet is paid by the quote that the credited deposit came for.
        is_first = invoice.status == Status.MANUAL_REVIEW and invoice.credited_raw is None
        counts = review.asset == invoice.asset and (invoice.is_current or is_first)
        await self._invoices.credit_reviewed(
            review.invoice_id,
            due if counts else NOTHING,
            await reviews_left(review.invoice_id),
            decision.now,
            quote_id=invoice.quote if counts and is_first else None,
        )

    async def _close(self, review: DepositReview, decision: Decision) -> None:
        """Close one, in the caller's transaction. What was credited before, and only had a rest to return, stays so."""
        if review.invoice_id is not None:
            await invoice_repository.lock(review.invoice_id)
        deposit = await _lock_open_review(review.deposit_id, decision.reason)
        await decision.store(review.deposit_id, "closed", "credited" if deposit.status == "credited" else "closed")
        await self._end(review.invoice_id, decision.now)
        await _audit(review, "closed", decision)

    async def begin_return(self, deposit_id: str, refund_id: str, decision: Decision) -> int:
        """Record that a refund returns the deposit (refunds/returns.py), in the caller's transaction. Returns what
        suspense holds of it, in minor units, which is what the refund sends.

        The caller holds the locks of the suspense ledger's head and of the invoice. Raises ReviewRefused.
        """
        review = await _known(deposit_id)
        await _refuse_insider(review, decision.operator_id)
        deposit = await _lock_open_review(deposit_id, decision.reason)
        held_raw = await _held_raw(review, deposit)
        outcome: Outcome = "credited" if deposit.status == "credited" else "returned"
        await decision.store(deposit_id, "returning", outcome, refund_id=refund_id)
        if review.invoice_id is not None:
            await self._invoices.note_review(review.invoice_id, await reviews_left(review.invoice_id), decision.now)
        await _audit(review, "returning", decision)
        return held_raw

    async def return_confirmed(self, deposit_id: str, refund_id: str, now: datetime) -> None:
        """Close the review: the refund is final. The caller holds the invoice's lock and the transaction.

        Where what was asked was credited, and a reorganisation has undone that since, the review is open again for it.
        """
        review = await reviews_repository.lock(deposit_id)
        if review.outcome == "credited" and review.status == "suspended":
            await self.return_failed(deposit_id, refund_id, now)
            return
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


async def usual_duration(now: datetime) -> timedelta | None:
    """How long operators usually took for a review in the last weeks; None where they have decided too few to say."""
    since = now - DURATION_WINDOW
    durations = sorted(await reviews_repository.durations(since, DURATION_SAMPLE))
    return durations[len(durations) // 2] if len(durations) >= FEW_REVIEWS else None


async def why_not(review: DepositReview, operator_id: str) -> str | None:
    """Why this operator may not decide a review, as a message to them; None where they may."""
    if await belonged_since(operator_id, review.merchant_id, review.opened_at):
        return "you belong to the merchant, or did when the deposit was made: another operator must decide"
    return None


async def would_credit(deposit_id: str) -> Share | None:
    """How a credit would divide the amount; None for a deposit that has no invoice."""
    division = await reviews_repository.division(deposit_id)
    return None if division is None else _share(division.deposit_asset, division.deposit_raw, division)


class Split(msgspec.Struct, frozen=True):
    """How a deposit that is too large would be divided: `share` of what was asked, and the rest that would be returned,
    in minor units."""

    share: Share
    rest_raw: int


async def would_split(deposit_id: str) -> Split | None:
    """What crediting what was asked and returning the rest would do; None where that can't be done."""
    review, division = await reviews_repository.find(deposit_id), await reviews_repository.division(deposit_id)
    if review is None or division is None or (review.status, review.deposit_status) != ("open", "suspended"):
        return None
    held_raw = await held_in_suspense_raw(deposit_id)
    rest_raw = rest_of(review.asset, held_raw, division)
    return Split(_share(review.asset, held_raw - rest_raw, division), rest_raw) if rest_raw else None


async def held_in_suspense_raw(deposit_id: str) -> int:
    """What suspense holds of a deposit in review, in minor units: all of it, or the rest that was not credited. 0 until
    it is booked."""
    review = await reviews_repository.find(deposit_id)
    if review is None or review.deposit_status not in ("suspended", "credited"):
        return 0
    return await _in_suspense_raw(review, review.times_reversed)


def rest_of(asset: str, held_raw: int, invoice: Terms | Division) -> int:
    """How much more than the invoice asked for is held of a deposit; 0 where that is nothing, where another asset came,
    or where the invoice was credited before."""
    if asset != invoice.asset or invoice.credited_raw is not None:
        return 0
    return max(0, held_raw - invoice.pay_in_raw)


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


def _refuse_uncredited(deposit: OpenReview) -> None:
    if deposit.status == "credited":
        raise ReviewRefused("what was asked is credited already: return the rest, or close the review")


async def _held_raw(review: DepositReview, deposit: OpenReview) -> int:
    """What suspense holds of a deposit, in minor units. Raises ReviewRefused where that is nothing."""
    if deposit.status == "orphaned":
        raise ReviewRefused("the deposit is not on the chain any more: there is nothing to credit or return")
    if deposit.status == "seen":
        raise ReviewRefused("the deposit still lacks confirmations")
    held_raw = await _in_suspense_raw(review, deposit.times_reversed)
    if held_raw <= 0:
        raise ReviewRefused("suspense holds nothing of the deposit any more: it was credited or sent back before")
    return held_raw


async def _in_suspense_raw(review: DepositReview, times_reversed: int) -> int:
    """What was booked to suspense for a deposit, less what was credited or sent back of it, or is about to be."""
    suspense = ChainId(owner=SUSPENSE, network=review.network, asset=review.asset)
    reference = booking_reference(review.deposit_id, times_reversed)
    booked = await ledger_repository.booked([suspense], reference, DEPOSIT_KINDS)
    return booked.get(suspense, 0) - await reviews_repository.sent_back_raw(review.deposit_id)


def _share(asset: str, amount_raw: int, invoice: Terms | Division) -> Share:
    if asset == invoice.asset:
        return share(amount_raw, invoice.pay_in_raw, invoice.service_fee_raw)
    return share_of_other_asset(amount_raw, invoice.service_fee_bps)


def _actor(operator_id: str) -> str:
    return f"account:{operator_id}"


async def _audit(review: DepositReview, action: str, decision: Decision, **more: str) -> None:
    await audit.record(
        actor=_actor(decision.operator_id),
        action=f"review.{action}",
        subject=review.deposit_id,
        merchant_id=review.merchant_id,
        address=decision.address,
        details={
            "invoice": review.invoice_id,
            "verdict": review.verdict,
            "asset": review.asset,
            "network": review.network,
            "amount_raw": str(review.amount_raw),
            "reason": decision.reason,
            **({"message": decision.told} if decision.told else {}),
            **more,
        },
        now=decision.now,
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
