"""Invoices that are paid by several deposits, or by one that did not pay when it was seen (contract, section 3).

Parts wait in suspense for each other. When they add up to the exact amount the invoice is `confirming`; once all of
them are booked they are credited to the merchant together. Parts that are left when the invoice has ended, or when its
time is up, get reviews, so that none waits for ever.
"""

from collections.abc import Sequence
from datetime import datetime

from app.core import database
from app.core.errors import ApiError
from app.core.logging import get_logger
from app.deposits import parts_repository, reviews
from app.deposits.bookings import booking_reference, deposit_chains
from app.deposits.matching import Candidate, TimelyDeposit, Verdict, is_dust, overshoots, payment
from app.deposits.parts_repository import PayableInvoice, UndecidedDeposit
from app.invoices import repository as invoice_repository
from app.invoices.pricing import Share, shares
from app.invoices.quotes_repository import received_raw
from app.invoices.service import REORG_PATIENCE, InvoiceService
from app.invoices.states import Status
from app.ledger import service as ledger
from app.ledger.service import Posting
from app.networks.registry import Networks
from app.worth import service as worth

log = get_logger(__name__)

PROMOTABLE = frozenset({Verdict.PART, Verdict.DUST, Verdict.SECOND, Verdict.UNDERPAID, Verdict.OVERPAID})
"""Deposits with these verdicts may become the payment, or a part of it, when another deposit appears or disappears."""


class PaymentService:
    """Judges the deposits of an invoice together. All methods but `credit_complete` and `end` need a caller's
    transaction that holds the invoice's lock."""

    def __init__(self, networks: Networks, invoices: InvoiceService) -> None:
        self._networks = networks
        self._invoices = invoices

    def dust_limit_raw(self, network: str, asset: str) -> int:
        """The limit below which a deposit of the asset is dust, in minor units."""
        known = self._networks.get(network).asset(asset)
        assert known is not None, "assets are never removed from a network that has deposits"
        return known.dust_limit_raw

    async def overshoots(self, invoice_id: str, deposit_address: int, amount_raw: int) -> bool:
        """Whether one more part is larger than what is missing at this address of the invoice."""
        for invoice in await parts_repository.lock_payable(invoice_id):
            if invoice.deposit_address == deposit_address:
                candidate = invoice.candidate
                return overshoots(candidate, self._timely(invoice, candidate, await _undecided(invoice)), amount_raw)
        terms = await invoice_repository.lock_terms(invoice_id, deposit_address)  # a quote's first part
        return amount_raw > terms.pay_in_raw

    async def reconsider(self, invoice_id: str, now: datetime) -> None:
        """Begin confirming an invoice that waits for its payment, if its deposits pay it now: those of one quote, where
        it has a price."""
        for invoice in await parts_repository.lock_payable(invoice_id):
            candidate = invoice.candidate
            if not candidate.is_open:
                continue
            paying = payment(candidate, self._timely(invoice, candidate, await _undecided(invoice)))
            if not paying:
                continue
            deposit_ids = [deposit.id for deposit in paying]
            await parts_repository.make_parts(deposit_ids)
            await reviews.end_reviews_of_payment(deposit_ids, now)
            reviews_left = await reviews.reviews_left(invoice_id)
            total_raw = await received_raw(invoice_id, invoice.deposit_address)
            await self._invoices.begin_confirming(
                invoice_id, candidate.status, total_raw, reviews_left, now, quote_id=invoice.quote_id
            )
            return

    async def undo_payment(self, invoice_id: str, now: datetime) -> None:
        """After deposits of an invoice have left the chain: let it wait again if they were its payment or a part of it.

        No other deposit can pay it then: the remaining ones are in older blocks, and were judged before the payment.
        """
        payable = await parts_repository.lock_payable(invoice_id)
        invoice = next((each for each in payable if each.is_current), None)
        if invoice is not None and invoice.status == Status.CONFIRMING and not await self._is_paid(invoice):
            total_raw = await received_raw(invoice_id, invoice.deposit_address)
            await self._invoices.await_again(invoice_id, total_raw, await reviews.reviews_left(invoice_id), now)
        else:
            await self._invoices.note_received(invoice_id, now)

    async def credit_complete(self, network: str, now: datetime) -> set[str]:
        """Credit invoices whose parts are all booked to suspense, and return their ids. One transaction each."""
        credited = set()
        for invoice_id in await parts_repository.complete(network):
            try:
                if await self._credit(invoice_id, now):
                    credited.add(invoice_id)
            except ApiError:
                # Suspense is short after a reorganisation, of which operators got an alert. Try again later.
                log.warning("parts_wait_for_suspense", invoice=invoice_id)
        return credited

    async def end(self, network: str, covered_until: datetime, now: datetime) -> set[str]:
        """Open the reviews of parts whose invoice has ended without them, or whose time is up; return the invoices'
        ids.

        `covered_until`: every block up to this moment has been scanned. One transaction for each invoice.
        """
        ended = await parts_repository.left_behind(network, min(covered_until, now), now - REORG_PATIENCE)
        for invoice_id, deposit_address in ended:
            async with database.transaction():
                await self._end(invoice_id, deposit_address, now)
        return {each.invoice for each in ended}

    async def _credit(self, invoice_id: str, now: datetime) -> bool:
        """Move the parts of an invoice from suspense to its merchant, and the fee to the platform."""
        ledgers = await invoice_repository.ledgers_of(invoice_id)
        if ledgers is None:
            return False  # the payment has left the chain meanwhile, and nothing is chosen
        earnings, fees, suspense = deposit_chains(*ledgers)
        async with database.transaction():
            await ledger.lock([earnings, fees, suspense])
            payable = await parts_repository.lock_payable(invoice_id)
            invoice = next((each for each in payable if each.is_current), None)
            if invoice is None or (invoice.merchant, invoice.network, invoice.asset) != ledgers:
                return False
            rows = await self._paying_parts(invoice)
            booked = rows and all(row.status == "suspended" for row in rows)
            if invoice.status != Status.CONFIRMING or not booked:
                return False
            due = shares([row.amount_raw for row in rows], invoice.pay_in_raw, invoice.service_fee_raw)
            postings = []
            for row, share in zip(rows, due, strict=True):
                reference = booking_reference(row.id, row.times_reversed)
                postings.append(Posting(suspense, "suspense_released", -row.amount_raw, 0, reference))
                if share.net_raw:
                    postings.append(Posting(earnings, "invoice_credit", share.net_raw, 0, reference))
                if share.service_fee_raw:
                    postings.append(Posting(fees, "service_fee", share.service_fee_raw, 0, reference))
            await worth.post(postings, now)
            await parts_repository.credit_parts([row.id for row in rows])
            total = Share(sum(share.service_fee_raw for share in due), sum(share.net_raw for share in due))
            await self._invoices.pay(invoice_id, Status.CONFIRMING, total, now)
        return True

    async def _end(self, invoice_id: str, deposit_address: int, now: datetime) -> None:
        payable = await parts_repository.lock_payable(invoice_id)
        invoice = next(each for each in payable if each.deposit_address == deposit_address)
        candidate = invoice.candidate
        if candidate.status == Status.CONFIRMING:
            return  # the last part came meanwhile
        verdict = _left_behind(candidate)
        opened = 0
        for part in self._timely(invoice, candidate, await _parts(invoice)):
            await parts_repository.set_verdict(part.id, Verdict.DUST if part.is_dust else verdict)
            opened += not part.is_dust and await reviews.open_review(part.id, verdict, invoice_id, now)
        if opened:
            await self._invoices.review(invoice_id, candidate.status, now, quote_id=invoice.quote_id)

    async def _is_paid(self, invoice: PayableInvoice) -> bool:
        """Whether the chain still has the payment of an invoice that is confirming."""
        return await parts_repository.has_exact(invoice.id, invoice.deposit_address) or bool(
            await self._paying_parts(invoice)
        )

    async def _paying_parts(self, invoice: PayableInvoice) -> list[UndecidedDeposit]:
        """The parts that are the payment together; empty where they are not."""
        rows, candidate = await _parts(invoice), invoice.candidate
        paying = {deposit.id for deposit in payment(candidate, self._timely(invoice, candidate, rows))}
        return [row for row in rows if row.id in paying]

    def _timely(
        self, invoice: PayableInvoice, candidate: Candidate, rows: Sequence[UndecidedDeposit]
    ) -> list[TimelyDeposit]:
        limit_raw = self.dust_limit_raw(invoice.network, invoice.asset)
        return [
            TimelyDeposit(row.id, row.amount_raw, is_dust(invoice.asset, row.amount_raw, candidate, limit_raw))
            for row in rows
        ]


async def _undecided(invoice: PayableInvoice) -> list[UndecidedDeposit]:
    rows = await parts_repository.undecided(invoice)
    return [row for row in rows if row.verdict in PROMOTABLE]


async def _parts(invoice: PayableInvoice) -> list[UndecidedDeposit]:
    rows = await parts_repository.undecided(invoice)
    return [row for row in rows if row.verdict == Verdict.PART]


def _left_behind(invoice: Candidate) -> Verdict:
    """Why parts did not become the payment."""
    if invoice.status == Status.CANCELLED or (invoice.status == Status.MANUAL_REVIEW and invoice.was_cancelled):
        return Verdict.CANCELLED
    if invoice.status in (Status.AWAITING_DEPOSIT, Status.MANUAL_REVIEW, Status.EXPIRED):
        return Verdict.UNDERPAID
    return Verdict.SECOND
