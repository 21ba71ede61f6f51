"""Record transfers as deposits. See `settling.py` for crediting them, `reversals.py` for reorganisations, `reviews.py`
for operators' decisions, and `sightings.py` for storing them.

`record` runs in the watcher's transaction, which also stores the blocks of the transfers, so that a crash leaves both
or neither.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from app.addresses import repository as address_repository
from app.core import carried_traces, database, tracing
from app.deposits import late_quotes, parts_repository, reviews, sightings, sightings_repository
from app.deposits.matching import NEEDS_NO_REVIEW, Candidate, Match, Verdict, match
from app.deposits.payments import PaymentService
from app.deposits.sightings import Sighting
from app.deposits.sightings_repository import KnownDeposit
from app.invoices import repository as invoice_repository
from app.invoices.quotes_repository import received_raw, received_raw_of
from app.invoices.service import FirstPayment, InvoiceService
from app.invoices.states import AWAITS_PAYMENT, Status


class Served(msgspec.Struct, frozen=True):
    """An address of ours, and the invoices that it has served lately, the newest first."""

    address_id: int
    candidates: list[Candidate]


class Plain(msgspec.Struct, frozen=True):
    """A transfer that pays its invoice, and has nothing to do with any other one."""

    sighting: Sighting
    found: Match
    address_id: int
    current: Status


class DepositService:
    """Records deposits."""

    def __init__(self, invoices: InvoiceService, payments: PaymentService) -> None:
        self._invoices = invoices
        self._payments = payments

    async def record(self, network: str, seen: Iterable[Sighting], now: datetime) -> set[str]:
        """Store transfers of a range of new blocks or of the pool, match each to an invoice, and return the ids of
        invoices changed.

        Needs the caller's transaction. A transfer that was in the pool, or that a reorganisation had removed, and that
        is in a block now is the same deposit. Transfers to one address are taken in their order. Those that have
        nothing to do with any other one, as most of an exchange's batch, are stored together and first.
        """
        database.in_transaction()
        seen = list(seen)
        served = await _lock_served(network, {sighting.to_address for sighting in seen}, now)
        txids = {sighting.txid for sighting in seen}
        without_block = await sightings.known_deposits(network, txids)
        stored = await sightings_repository.stored_txids(network, txids)
        plain = self._plain(network, seen, served, stored | {txid for txid, _ in without_block}, now)
        touched = await self._record_plain(network, list(plain.values()), now) if plain else set()
        others = [sighting for place, sighting in enumerate(seen) if place not in plain]
        to_come = Counter(sighting.to_address for sighting in others)
        for sighting in others:
            to_come[sighting.to_address] -= 1
            address_id, candidates = served[sighting.to_address].address_id, served[sighting.to_address].candidates
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

    def _plain(
        self,
        network: str,
        seen: Sequence[Sighting],
        served: Mapping[str, Served],
        familiar: Collection[str],
        now: datetime,
    ) -> dict[int, Plain]:
        """The transfers, by their place among those seen, that pay an invoice which waits for its payment, where
        nothing else is seen or known that may touch the invoice, the address or the transaction (`familiar`: those of
        which something is stored)."""
        to_address = Counter(sighting.to_address for sighting in seen)
        at_address = Counter(candidate.id for each in served.values() for candidate in each.candidates)
        plain = {}
        for place, sighting in enumerate(seen):
            if to_address[sighting.to_address] > 1 or sighting.txid in familiar or sighting.inferred:
                continue
            asset, amount_raw = sighting.asset_symbol, sighting.amount_raw
            address = served[sighting.to_address]
            found = match(asset, amount_raw, sighting.made_at(now), address.candidates)
            paid = [one for one in address.candidates if (one.id, one.quote_id) == (found.invoice_id, found.quote_id)]
            if found.verdict is Verdict.EXACT and at_address[paid[0].id] == 1 and paid[0].status in AWAITS_PAYMENT:
                plain[place] = Plain(sighting, found, address.address_id, paid[0].status)
        return plain

    async def _record_plain(self, network: str, plain: Sequence[Plain], now: datetime) -> set[str]:
        """Store these transfers, and begin confirming their invoices."""
        deposits, traces = [], []
        for one in plain:
            made_at = one.sighting.made_at(now)
            deposit = sightings.new_deposit(one.sighting, one.address_id, one.found, made_at)
            with tracing.part("deposit", network=network, verdict=one.found.verdict):
                await carried_traces.keep("deposit", deposit.id)
                traces.append(tracing.context())
            deposits.append(deposit)
        await sightings_repository.add(network, deposits, now)
        received = await received_raw_of([(str(one.found.invoice_id), one.address_id) for one in plain])
        payments = [
            FirstPayment(
                str(one.found.invoice_id), one.current, received[str(one.found.invoice_id)], one.found.quote_id, trace
            )
            for one, trace in zip(plain, traces, strict=True)
        ]
        await self._invoices.begin_confirming_each(payments, now)
        return {each.invoice_id for each in payments}

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


async def _lock_served(network: str, addresses: Collection[str], now: datetime) -> dict[str, Served]:
    """Lock every invoice that these addresses served lately, in order of id; return what each has served."""
    rows = await address_repository.among(network, addresses)
    locked = await parts_repository.lock_served([row.id for row in rows], now)
    served: defaultdict[int, list[Candidate]] = defaultdict(list)
    for invoice in sorted(locked, key=lambda row: row.created_at, reverse=True):
        served[invoice.deposit_address].append(invoice.candidate)
    return {row.address: Served(row.id, served[row.id]) for row in rows}
