"""Every change of an invoice after its creation (invoices/creation.py). Nothing else writes `invoices`; each step goes
through `_move`, under the row's lock, with its event.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from app.addresses import service as addresses
from app.core import database
from app.core.errors import ApiError, Code
from app.events import service as events
from app.events.service import NewEvent
from app.invoices import quotes_repository, repository
from app.invoices.presentation import InvoiceBody, event_data
from app.invoices.pricing import Share
from app.invoices.quotes_repository import NOTHING_CHOSEN, Lapsed
from app.invoices.reader import InvoiceReader
from app.invoices.repository import Change, Sums
from app.invoices.states import (
    GIVES_UP_ORDER_ID,
    GOES_TO_REVIEW,
    KEEPS_ADDRESS,
    TRANSITIONS,
    Status,
    can_cancel,
    check_transition,
)
from app.live import topics
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.merchants.terms import Mode
from app.networks.registry import Networks

EXPIRE_AT_ONCE = 200
"""Invoices that one transaction expires."""

REORG_PATIENCE = timedelta(hours=3)
"""How long an invoice does not expire although its payment, which was in a block in time, is in none any more. Nodes
keep such a transaction for this time (geth's --txpool.lifetime); after that it is unlikely to come back."""


class Step(msgspec.Struct, frozen=True):
    """One change of an invoice, from `current` to `target`, which may be the same; other columns are set to `changes`.

    The event is `invoice.<target>` unless named; None writes none. `take` is the quote that the invoice asks for from
    now on. `trace` is the context of the trace that the event belongs to, where that is not the current one.
    """

    invoice_id: str
    current: Status
    target: Status
    changes: Mapping[str, object]
    event: str | None = ""
    take: str | None = None
    trace: str | None = None

    @property
    def gives_back_address(self) -> bool:
        """Whether the invoice needs its address no more."""
        return self.current in KEEPS_ADDRESS and self.target not in KEEPS_ADDRESS


class FirstPayment(msgspec.Struct, frozen=True):
    """The exact payment of an invoice that waits for it, seen in a block or in the pool. `received_raw` is what came in
    all; `quote_id` is the quote that it pays, `trace` the context of the trace in which it was seen."""

    invoice_id: str
    current: Status
    received_raw: int
    quote_id: str | None
    trace: str | None = None


class Payment(msgspec.Struct, frozen=True):
    """A payment that is final and booked: `due` is how it was divided, `trace` the context of its trace."""

    invoice_id: str
    current: Status
    due: Share
    trace: str | None = None


class InvoiceService:
    """Changes the state and the sums of invoices."""

    def __init__(self, networks: Networks, reader: InvoiceReader) -> None:
        self._networks = networks
        self._reader = reader

    async def cancel_by(self, by: Member, mode: Mode, invoice_id: str, now: datetime) -> InvoiceBody:
        """Cancel in the cabinet. Raises Forbidden, and what `cancel` raises."""
        by.require(Permission.INVOICES_WRITE, mode)
        return await self.cancel(by.merchant_id, mode, invoice_id, now, by)

    async def cancel(
        self, merchant_id: str, mode: str, invoice_id: str, now: datetime, by: Member | None = None
    ) -> InvoiceBody:
        """Cancel for the merchant. `by` is the member who cancels, if not a key.

        Raises INVOICE_NOT_FOUND, INVOICE_NOT_CANCELLABLE.
        """
        async with database.transaction():
            status = await repository.lock_of_merchant(merchant_id, mode, invoice_id)
            if status is None:
                raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
            if not can_cancel(status):
                raise ApiError(Code.INVOICE_NOT_CANCELLABLE, f"the invoice is {status}")
            invoice = await self._move(invoice_id, status, Status.CANCELLED, now)
            if by is not None:
                await by.record("invoice.cancelled", invoice_id, now)
        await events.announce()
        return invoice

    async def choose(self, invoice_id: str, current: Status, quote_id: str, now: datetime) -> InvoiceBody:
        """Make an open quote the one that the invoice asks for. The caller holds the row's lock and the transaction."""
        return await self._move(
            invoice_id, current, Status.AWAITING_DEPOSIT, now, take=quote_id, event="invoice.quoted"
        )

    async def begin_confirming(
        self,
        invoice_id: str,
        current: Status,
        received_raw: int,
        reviews_left: int,
        now: datetime,
        *,
        quote_id: str | None = None,
    ) -> None:
        """Set `confirming`: the exact payment is in a block. Another deposit may be in review at the same time.

        `quote_id` is the quote that it pays. The caller holds the row's lock and the transaction.
        """
        changes = {"received_raw": received_raw, "needs_review": reviews_left > 0}
        await self._move(invoice_id, current, Status.CONFIRMING, now, changes, take=quote_id)

    async def begin_confirming_each(self, payments: Sequence[FirstPayment], now: datetime) -> None:
        """`begin_confirming` of invoices that wait for a payment, without reviews, each of another one."""
        steps = [
            Step(
                each.invoice_id,
                each.current,
                Status.CONFIRMING,
                {"received_raw": each.received_raw, "needs_review": False},
                take=each.quote_id,
                trace=each.trace,
            )
            for each in payments
        ]
        await self._move_each(steps, now)

    async def await_again(self, invoice_id: str, received_raw: int, reviews_left: int, now: datetime) -> None:
        """A reorganisation has removed the payment. The invoice becomes `paid` if an operator has credited a deposit
        meanwhile, else `manual_review` if deposits are in review, else it waits as before.

        The caller holds the row's lock and the transaction.
        """
        changes: dict[str, object] = {"received_raw": received_raw}
        if (await repository.sums(invoice_id)).credited_raw is not None:
            await self._move(invoice_id, Status.CONFIRMING, Status.PAID, now, {**changes, "paid_at": now})
        elif reviews_left:
            await self._move(invoice_id, Status.CONFIRMING, Status.MANUAL_REVIEW, now, changes)
        else:
            await self._move(invoice_id, Status.CONFIRMING, Status.AWAITING_DEPOSIT, now, changes, event=None)

    async def pay(self, invoice_id: str, current: Status, due: Share, now: datetime) -> None:
        """`pay_each` of one invoice."""
        await self.pay_each([Payment(invoice_id, current, due)], now)

    async def pay_each(self, payments: Sequence[Payment], now: datetime) -> None:
        """Set `paid`: the payments are final and booked, each of another invoice. The caller holds the rows' locks and
        the transaction.

        An invoice that is past `paid` keeps its state: its deposit is back after a deep reorganisation.
        """
        sums = await repository.sums_of([each.invoice_id for each in payments])
        steps = []
        for each in payments:
            row = sums[each.invoice_id]
            target = Status.PAID if Status.PAID in TRANSITIONS[each.current] else each.current
            changes = {**_credited(row, each.due), "paid_at": row.paid_at or now}
            steps.append(Step(each.invoice_id, each.current, target, changes, event="invoice.paid", trace=each.trace))
        await self._move_each(steps, now)

    async def reverse(self, invoice_id: str, undone: Share, received_raw: int, now: datetime) -> None:
        """Subtract a booked deposit that has left the chain. The caller holds the row's lock and the transaction.

        The state stays, since the merchant may have delivered. `credited` becomes false.
        """
        row = await repository.sums(invoice_id)
        changes = {**_credited(row, Share(-undone.service_fee_raw, -undone.net_raw)), "received_raw": received_raw}
        if not changes["credited_raw"]:
            changes |= {"credited_raw": None, "service_fee_charged_raw": None}
        current = Status(row.status)
        await self._move(invoice_id, current, current, now, changes, event="invoice.reversed")

    async def note_received(self, invoice_id: str, now: datetime) -> None:
        """Store the sum received for what the invoice asks for, without an event. The caller holds the row's lock and
        the transaction."""
        row = await repository.sums(invoice_id)
        if row.deposit_address is None:
            return
        changes = {"received_raw": await quotes_repository.received_raw(invoice_id, row.deposit_address)}
        await self._move(invoice_id, Status(row.status), Status(row.status), now, changes, event=None)

    async def note_part(self, invoice_id: str, quote_id: str | None, now: datetime) -> None:
        """A part of the payment has come, for this quote where there is one: the choice is over, if it wasn't before.

        The caller holds the row's lock and the transaction.
        """
        current = Status((await repository.sums(invoice_id)).status)
        take = quote_id if await self._may_take(invoice_id, current) else None
        if take is not None:
            target = Status.AWAITING_DEPOSIT if current == Status.AWAITING_CHOICE else current
            await self._move(invoice_id, current, target, now, take=take, event=None)
        await self.note_received(invoice_id, now)

    async def review(self, invoice_id: str, current: Status, now: datetime, *, quote_id: str | None = None) -> None:
        """A deposit needs an operator's review. The caller holds the row's lock and the transaction.

        The status changes only in GOES_TO_REVIEW. Elsewhere the invoice's own payment is confirming or done, and only
        `needs_review` is set. `quote_id` is the quote that the deposit came for: the invoice takes it unless another
        one has a deposit.
        """
        take = quote_id if await self._may_take(invoice_id, current) else None
        changes: dict[str, object] = {"needs_review": True}
        address = (await repository.sums(invoice_id)).deposit_address
        if take is None and address is not None:
            changes["received_raw"] = await quotes_repository.received_raw(invoice_id, address)
        target = Status.MANUAL_REVIEW if current in GOES_TO_REVIEW else current
        await self._move(invoice_id, current, target, now, changes, take=take, event="invoice.manual_review")

    async def credit_reviewed(
        self, invoice_id: str, due: Share, reviews_left: int, now: datetime, *, quote_id: str | None = None
    ) -> None:
        """An operator has credited a deposit in review. The caller holds the row's lock and the transaction.

        `due` is NOTHING for another asset than the invoice's. An invoice in `manual_review` becomes `paid`, by
        `quote_id` if it is given; else its state stays.
        """
        row = await repository.sums(invoice_id)
        current = Status(row.status)
        changes = {**_credited(row, due), "needs_review": reviews_left > 0}
        if current == Status.MANUAL_REVIEW:
            await self._move(invoice_id, current, Status.PAID, now, {**changes, "paid_at": now}, take=quote_id)
        else:
            await self._move(invoice_id, current, current, now, changes, event="invoice.manual_review")

    async def end_review(self, invoice_id: str, reviews_left: int, now: datetime) -> None:
        """A review has ended without a credit. The last one closes an invoice in `manual_review`.

        The caller holds the row's lock and the transaction.
        """
        current = Status((await repository.sums(invoice_id)).status)
        if current == Status.MANUAL_REVIEW and not reviews_left:
            await self._move(invoice_id, current, Status.CLOSED, now, {"needs_review": False})
        else:
            await self.note_review(invoice_id, reviews_left, now)

    async def note_review(self, invoice_id: str, reviews_left: int, now: datetime) -> None:
        """A review of the invoice has changed: write the event. The caller holds the row's lock."""
        current = Status((await repository.sums(invoice_id)).status)
        changes = {"needs_review": reviews_left > 0}
        await self._move(invoice_id, current, current, now, changes, event="invoice.manual_review")

    async def refund(self, invoice_id: str, refunded_raw: int, now: datetime) -> None:
        """A refund is final; `refunded_raw` is the sum of all. The caller holds the row's lock and the transaction.

        The invoice becomes `refunded` when the sum reaches the credited net, else `partially_refunded`. Where a deep
        reorganisation has removed the credit, the sum is compared with the invoice's own net: the payment may come
        back. A `refunded` invoice stays so, whatever is credited later.
        """
        row = await repository.sums(invoice_id)
        current = Status(row.status)
        net_raw = row.net_raw if row.credited_raw is None else row.credited_raw
        assert net_raw is not None, "what was paid has its figures"
        whole = refunded_raw >= net_raw or current == Status.REFUNDED
        target = Status.REFUNDED if whole else Status.PARTIALLY_REFUNDED
        await self._move(invoice_id, current, target, now, {"refunded_raw": refunded_raw})

    async def expire_due(self, network_key: str, covered_until: datetime, now: datetime) -> list[str]:
        """Expire invoices that were not paid in time, end quotes, and return the ids of the invoices changed.

        `covered_until`: every block up to this moment has been scanned. An invoice does not expire, and a quote does
        not end, before its last moment is covered, so that a payment made in time but seen late is not called late. Nor
        does it for REORG_PATIENCE after a reorganisation has removed its payment or a part of it. One with an open
        review becomes `manual_review` instead.
        """
        due_until, away_since = min(covered_until, now), now - REORG_PATIENCE
        async with database.transaction():
            rows = await repository.lock_due(network_key, due_until, away_since, EXPIRE_AT_ONCE)
            for row in rows:
                target = Status.MANUAL_REVIEW if row.needs_review else Status.EXPIRED
                await self._move(row.id, Status.AWAITING_DEPOSIT, target, now)
        async with database.transaction():
            lapsed = await quotes_repository.lock_lapsed(network_key, due_until, away_since, EXPIRE_AT_ONCE)
            for each in lapsed:
                await self._lapse(each, now)
        async with database.transaction():
            for ended in await quotes_repository.end_due(network_key, due_until, away_since, EXPIRE_AT_ONCE):
                if not ended.is_held:
                    network = self._networks.get(ended.network)
                    await addresses.release(ended.deposit_address, ended.invoice, network, now)
        async with database.transaction():
            unchosen = await quotes_repository.lock_unchosen(now, EXPIRE_AT_ONCE)
            for invoice_id in unchosen:
                await self._move(invoice_id, Status.AWAITING_CHOICE, Status.EXPIRED, now)
        changed = list(dict.fromkeys([*(row.id for row in rows), *(each.id for each in lapsed), *unchosen]))
        await announce(*changed)
        return changed

    async def _lapse(self, invoice: Lapsed, now: datetime) -> None:
        """The quote of an invoice was not paid in time: another one that lives takes its place, else the customer
        chooses again. An invoice whose own time is up has nothing left to choose, and expires in the same round."""
        waits = Status.AWAITING_DEPOSIT
        if invoice.needs_review:
            await self._move(invoice.id, waits, Status.MANUAL_REVIEW, now)
            return
        others = [each for each in await quotes_repository.living(invoice.id, now) if each.id != invoice.quote]
        if others:
            await self._move(invoice.id, waits, waits, now, take=others[0].id, event="invoice.quoted")
        else:
            await self._move(
                invoice.id, waits, Status.AWAITING_CHOICE, now, {**NOTHING_CHOSEN, "received_raw": 0}, event=None
            )
        await addresses.release(invoice.deposit_address, invoice.id, self._networks.get(invoice.network), now)

    async def expire_early(self, invoice_id: str, expires_at: datetime) -> None:
        """End the time to pay earlier. Only the sandbox uses it, to show a late payment without an hour's wait.

        In the caller's transaction where there is one; does nothing to an invoice that isn't waiting.
        """
        await repository.bring_expiry_forward(invoice_id, expires_at)

    async def _move(
        self,
        invoice_id: str,
        current: Status,
        target: Status,
        now: datetime,
        changes: Mapping[str, object] | None = None,
        event: str | None = "",
        take: str | None = None,
    ) -> InvoiceBody:
        """`_move_each` of one invoice."""
        return (await self._move_each([Step(invoice_id, current, target, changes or {}, event, take)], now))[0]

    async def _move_each(self, steps: Sequence[Step], now: datetime) -> list[InvoiceBody]:
        """Take a step with each of these invoices: change its state and other columns, and write the event. Leaving the
        states with an address ends its lease. Some statements for all, however many they are."""
        changed = await repository.change([await self._change(step, now) for step in steps])
        leases: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for step in steps:
            if (row := changed.get(step.invoice_id)) is None:
                raise RuntimeError(f"{step.invoice_id} is not {step.current} although it is locked")
            if step.gives_back_address and row.network and row.deposit_address:
                leases[row.network].append((row.deposit_address, step.invoice_id))
        for network in sorted(leases):
            await addresses.release_all(leases[network], self._networks.get(network), now)
        invoices = await self._reader.get_each([step.invoice_id for step in steps])
        new = [
            NewEvent(
                merchant_id=changed[step.invoice_id].merchant,
                mode=invoice.mode,
                type=step.event or f"invoice.{step.target}",
                subject_id=invoice.id,
                data=event_data(invoice.id, msgspec.json.encode(invoice)),
                override_url=invoice.webhook_url,
                trace=step.trace,
            )
            for step, invoice in zip(steps, invoices, strict=True)
            if step.event is not None
        ]
        await events.record_all(new, now)
        return invoices

    async def _change(self, step: Step, now: datetime) -> Change:
        """What a step changes. Raises IllegalTransition."""
        if step.target != step.current:
            check_transition(step.current, step.target)
        values: dict[str, object] = {"status": step.target.value}
        if step.take is not None:
            values |= await self._taken(step.invoice_id, step.take, now)
        values |= step.changes
        if step.target in GIVES_UP_ORDER_ID:
            values["holds_order_id"] = False
        return Change(step.invoice_id, step.current, values)

    async def _may_take(self, invoice_id: str, current: Status) -> bool:
        """Whether the invoice may take another quote: it has one, was not credited, and no deposit for it is there."""
        if current not in (*GOES_TO_REVIEW, Status.MANUAL_REVIEW):
            return False
        row = await repository.sums(invoice_id)
        return row.credited_raw is None and (
            row.quote is None or not await quotes_repository.has_deposits_for(row.quote)
        )

    async def _taken(self, invoice_id: str, quote_id: str, now: datetime) -> Mapping[str, object]:
        """The columns of an invoice that takes a quote, with the sum received for it. The address of an earlier one
        that has ended is given back."""
        before = (await repository.sums(invoice_id)).quote
        quote = await quotes_repository.get(quote_id)
        if before is not None and before != quote_id:
            earlier = await quotes_repository.get(before)
            if earlier.state == "ended":
                network = self._networks.get(earlier.network)
                await addresses.release(earlier.deposit_address, invoice_id, network, now)
        received_raw = await quotes_repository.received_raw(invoice_id, quote.deposit_address)
        return {**quote.mirrored, "received_raw": received_raw}


def _credited(row: Sums, more: Share) -> dict[str, object]:
    """The columns of what was credited, and of the fee that was taken, with one more credit."""
    return {
        "credited_raw": (row.credited_raw or 0) + more.net_raw,
        "service_fee_charged_raw": (row.service_fee_charged_raw or 0) + more.service_fee_raw,
    }


async def announce(*invoice_ids: str) -> None:
    """After a commit: wake the event sequencer and every open page of these invoices, where something other than their
    state may have changed, such as confirmations."""
    if invoice_ids:
        await events.announce(*topics.of_invoices(*invoice_ids))
