"""Record transfers as deposits, and credit them. See `reversals.py` for reorganisations, `reviews.py` for operators'
decisions, and `sightings.py` for storing them.

`record` runs in the watcher's transaction, which also stores the blocks of the transfers, so that a crash leaves both
or neither.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from app.addresses import repository as address_repository
from app.core import carried_traces, database, tracing
from app.deposits import late_quotes, parts_repository, repository, reviews, sightings, sightings_repository
from app.deposits.bookings import booking_reference
from app.deposits.matching import NEEDS_NO_REVIEW, Candidate, Match, Verdict, match
from app.deposits.payments import PaymentService
from app.deposits.repository import DueDeposit
from app.deposits.sightings import Sighting
from app.deposits.sightings_repository import KnownDeposit
from app.invoices import repository as invoice_repository
from app.invoices.pricing import Share, share
from app.invoices.quotes_repository import received_raw
from app.invoices.service import InvoiceService
from app.invoices.states import AWAITS_PAYMENT, Status
from app.ledger import repository as ledger_repository
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import FEES, SUSPENSE, Posting
from app.worth import service as worth

SETTLE_AT_ONCE = 500
"""Deposits read in one round of settling."""


class DepositService:
    """Records deposits, and credits them or books them to suspense."""

    def __init__(self, invoices: InvoiceService, payments: PaymentService) -> None:
        self._invoices = invoices
        self._payments = payments

    async def record(self, network: str, seen: Iterable[Sighting], now: datetime) -> set[str]:
        """Store transfers of a range of new blocks or of the pool, match each to an invoice, and return the ids of
        invoices changed.

        Needs the caller's transaction. A transfer that was in the pool, or that a reorganisation had removed, and that
        is in a block now is the same deposit.
        """
        database.in_transaction()
        seen = list(seen)
        served = await _lock_served(network, {sighting.to_address for sighting in seen}, now)
        txids = {sighting.txid for sighting in seen}
        without_block = await sightings.known_deposits(network, txids)
        stored = await sightings_repository.stored_txids(network, txids)
        to_come = Counter(sighting.to_address for sighting in seen)
        touched: set[str] = set()
        for sighting in seen:
            to_come[sighting.to_address] -= 1
            address_id, candidates = served[sighting.to_address]
            known = without_block.get((sighting.txid, address_id), [])
            paid_at = sightings.first_made_at(sighting, known, now)
            same = sightings.same_transfer(sighting, known)
            if same is not None:
                known.remove(same)
            found = await self._found(network, sighting, paid_at, address_id, candidates, same)
            has_others = sighting.txid in stored
            with tracing.part("deposit", network=network, verdict=found.verdict):
                deposit_id = await sightings.store(
                    network, sighting, address_id, found, same, paid_at, now, has_others=has_others
                )
                if deposit_id is None:
                    continue
                await carried_traces.keep("deposit", deposit_id)
                if same is not None and same.is_in_pool and found.verdict != same.verdict:
                    await reviews.end_reviews_of_payment([deposit_id], now)
                opened = found.verdict not in NEEDS_NO_REVIEW and await reviews.open_review(
                    deposit_id, found.verdict, found.invoice_id, now
                )
                if found.invoice_id is not None:
                    await self._update_invoice(found, address_id, opened, now)
                    if found.verdict is not Verdict.EXACT:
                        await self._payments.reconsider(found.invoice_id, now)
                    touched.add(found.invoice_id)
                    if to_come[sighting.to_address]:
                        candidates[:] = [
                            invoice.candidate for invoice in await parts_repository.served(address_id, now)
                        ]
        return touched

    async def settle(
        self, network: str, head_height: int, confirmations: int, final_height: int | None, now: datetime
    ) -> set[str]:
        """Book the deposits that have enough confirmations, and return the ids of invoices changed.

        Exact ones are credited and pay their invoice. The others are booked to suspense, where they wait for an
        operator or for the other parts of a payment; dust stays there. `confirmations` is for deposits without an
        invoice; `final_height` is the last block whose deposits may be booked, None where confirmations alone count.
        One transaction for the deposits of each ledger.
        """
        due = await repository.due(network, head_height, confirmations, final_height, SETTLE_AT_ONCE)
        carried = await carried_traces.kept("deposit", [row.id for row in due])
        touched: set[str] = set()
        for (asset, exact, merchant), group in groupby(
            due, key=lambda row: (row.asset, row.verdict == Verdict.EXACT, row.merchant)
        ):
            rows = list(group)
            async with database.transaction():
                if exact:
                    await self._credit(network, asset, merchant, rows, carried, now)
                else:
                    await _suspend(network, asset, rows, now)
            touched.update(row.invoice for row in rows if row.invoice)
        return touched | await self._payments.credit_complete(network, now)

    async def is_any_due(self, network: str, head_height: int, confirmations: int) -> bool:
        """Whether a deposit has enough confirmations, so that it is booked once its block is final."""
        return bool(await repository.due(network, head_height, confirmations, None, 1))

    async def _found(
        self,
        network: str,
        sighting: Sighting,
        paid_at: datetime,
        address_id: int,
        candidates: Sequence[Candidate],
        known: KnownDeposit | None,
    ) -> Match:
        """The invoice and verdict of a transfer. A deposit that was in the pool keeps both, unless it came there late
        and its block's time is in time."""
        if known is not None and known.is_in_pool:
            verdict = Verdict(known.verdict)
            own = _own(known, candidates)
            if verdict is Verdict.LATE and paid_at < known.made_at and own and own[0].can_be_paid_at(paid_at):
                return match(sighting.asset_symbol, sighting.amount_raw, paid_at, own)
            return Match(known.invoice, verdict, own[0].quote_id if own else None)
        dust_limit_raw = self._payments.dust_limit_raw(network, sighting.asset_symbol)
        found = _match(sighting, paid_at, candidates, known, dust_limit_raw)
        if found.verdict is Verdict.LATE and await _counts_though_late(sighting, paid_at, candidates, known, found):
            return replace(found, verdict=Verdict.EXACT)
        if sighting.inferred and found.verdict in (Verdict.EXACT, Verdict.PART):
            return replace(found, verdict=Verdict.IN_REVIEW)
        if found.verdict is Verdict.PART and await self._payments.overshoots(
            str(found.invoice_id), address_id, sighting.amount_raw
        ):
            return replace(found, verdict=Verdict.OVERPAID)
        return found

    async def _credit(
        self,
        network: str,
        asset: str,
        merchant: str,
        rows: Sequence[DueDeposit],
        carried: Mapping[object, str],
        now: datetime,
    ) -> None:
        """Credit exact deposits of one merchant in one asset, in the caller's transaction. `carried`: the contexts of
        the traces in which they were seen."""
        earnings = ChainId(owner=merchant, network=network, asset=asset)
        fees = ChainId(owner=FEES, network=network, asset=asset)
        await ledger.lock([earnings, fees])
        postings, paid = [], []
        for row in rows:
            assert row.invoice is not None, "what pays has an invoice"
            invoice = await invoice_repository.lock_terms(row.invoice, row.deposit_address)
            amount_raw = await repository.settle(row.id, "credited", now)
            if not amount_raw:
                continue  # orphaned or settled meanwhile
            reference = booking_reference(row.id, row.times_reversed)
            due = share(amount_raw, invoice.pay_in_raw, invoice.service_fee_raw)
            if row.times_reversed:
                due = await _share_before(row, earnings, amount_raw)
            postings.append(Posting(earnings, "invoice_credit", due.net_raw, 0, reference))
            if due.service_fee_raw:
                postings.append(Posting(fees, "service_fee", due.service_fee_raw, 0, reference))
            paid.append((row.id, row.invoice, Status(invoice.status), due))
        await worth.post(postings, now)
        for deposit_id, invoice_id, status, due in paid:  # its event tells what the credit is worth
            with tracing.continued("credit", carried.get(deposit_id), network=network):
                await self._invoices.pay(invoice_id, status, due, now)

    async def _update_invoice(self, found: Match, address_id: int, opened: bool, now: datetime) -> None:
        assert found.invoice_id is not None
        invoice_id, quote_id = found.invoice_id, found.quote_id
        status = await invoice_repository.lock(invoice_id)
        if opened:
            await self._invoices.review(invoice_id, status, now, quote_id=quote_id)
        elif found.verdict == Verdict.EXACT and status in (*AWAITS_PAYMENT, Status.MANUAL_REVIEW):
            reviews_left = await reviews.reviews_left(invoice_id) if status == Status.MANUAL_REVIEW else 0
            total_raw = await received_raw(invoice_id, address_id)
            await self._invoices.begin_confirming(invoice_id, status, total_raw, reviews_left, now, quote_id=quote_id)
        elif found.verdict == Verdict.PART:
            await self._invoices.note_part(invoice_id, quote_id, now)
        else:
            await self._invoices.note_received(invoice_id, now)


def _own(known: KnownDeposit, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The invoice that a deposit was for before, among those of its address."""
    return [candidate for candidate in candidates if candidate.id == known.invoice]


async def _counts_though_late(
    sighting: Sighting,
    paid_at: datetime,
    candidates: Sequence[Candidate],
    known: KnownDeposit | None,
    found: Match,
) -> bool:
    """Whether a payment of the exact amount, made after its quote's end, counts all the same: the invoice waits, and
    the rate has moved against the merchant by no more than it allows (late_quotes.py). What counted once still does."""
    candidate = next((one for one in candidates if (one.id, one.quote_id) == (found.invoice_id, found.quote_id)), None)
    if candidate is None or candidate.quote_id is None or sighting.inferred or not candidate.is_open:
        return False
    if sighting.asset_symbol != candidate.asset or not candidate.tolerates(sighting.amount_raw):
        return False
    if known is not None and known.verdict == Verdict.EXACT:
        return True
    return await late_quotes.counts(candidate.quote_id, sighting.amount_raw, paid_at)


def _match(
    sighting: Sighting,
    paid_at: datetime,
    candidates: Sequence[Candidate],
    known: KnownDeposit | None,
    dust_limit_raw: int,
) -> Match:
    """The invoice and verdict of a transfer. A deposit that is back still belongs to its old invoice. It keeps its
    verdict if it has a review or was credited; any other is judged again, since its invoice may have been cancelled or
    paid meanwhile."""
    asset, amount_raw = sighting.asset_symbol, sighting.amount_raw
    if known is None:
        return match(asset, amount_raw, paid_at, candidates, dust_limit_raw)
    verdict = Verdict(known.verdict)
    was_credited = verdict is Verdict.EXACT and known.times_reversed
    own = _own(known, candidates)
    if was_credited or verdict not in NEEDS_NO_REVIEW:
        return Match(known.invoice, verdict, own[0].quote_id if own else None)
    return match(asset, amount_raw, paid_at, own, dust_limit_raw)


async def _lock_served(
    network: str, addresses: Collection[str], now: datetime
) -> dict[str, tuple[int, list[Candidate]]]:
    """Lock every invoice that these addresses served lately, in order of id; return address id and invoices by
    address."""
    rows = await address_repository.among(network, addresses)
    locked = await parts_repository.lock_served([row.id for row in rows], now)
    served: defaultdict[int, list[Candidate]] = defaultdict(list)
    for invoice in sorted(locked, key=lambda row: row.created_at, reverse=True):
        served[invoice.deposit_address].append(invoice.candidate)
    return {row.address: (row.id, served[row.id]) for row in rows}


async def _share_before(row: DueDeposit, earnings: ChainId, amount_raw: int) -> Share:
    """How a deposit was divided when it was credited before a reorganisation. It can't be computed again: in a payment
    of parts, its share of the fee depends on the other parts."""
    before = booking_reference(row.id, row.times_reversed - 1)
    booked = await ledger_repository.booked([earnings], before, ["invoice_credit"])
    net_raw = booked.get(earnings, 0)
    return Share(amount_raw - net_raw, net_raw)


async def _suspend(network: str, asset: str, rows: Sequence[DueDeposit], now: datetime) -> None:
    """Book deposits that are not credited to suspense, in the caller's transaction."""
    suspense = ChainId(owner=SUSPENSE, network=network, asset=asset)
    await ledger.lock([suspense])
    postings = []
    for row in rows:
        amount_raw = await repository.settle(row.id, "suspended", now)
        if amount_raw:
            reference = booking_reference(row.id, row.times_reversed)
            postings.append(Posting(suspense, "deposit_suspended", amount_raw, 0, reference))
    await ledger.post(postings, now)
