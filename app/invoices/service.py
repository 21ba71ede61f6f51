"""Every change of an invoice after its creation (invoices/creation.py). Nothing else writes `invoices`; each step goes
through `_move`, under the row's lock, with its event.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from app.addresses import service as addresses
from app.core import database
from app.core.errors import ApiError, Code
from app.events import service as events
from app.invoices import quotes_repository, repository
from app.invoices.presentation import InvoiceBody, event_data
from app.invoices.pricing import Share
from app.invoices.quotes_repository import NOTHING_CHOSEN, Lapsed
from app.invoices.reader import InvoiceReader
from app.invoices.repository import Sums
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
        """Set `paid`: the payment is final and booked. The caller holds the row's lock and the transaction.

        An invoice that is past `paid` keeps its state: its deposit is back after a deep reorganisation.
        """
        row = await repository.sums(invoice_id)
        target = Status.PAID if Status.PAID in TRANSITIONS[current] else current
        changes = {**_credited(row, due), "paid_at": row.paid_at or now}
        await self._move(invoice_id, current, target, now, changes, event="invoice.paid")

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
        """Move an invoice from `current` to `target`, set other columns to `changes`, and write the event.

        The event is `invoice.<target>` unless named; None writes none. `take` is the quote that the invoice asks for
        from now on. Leaving the states with an address ends its lease.
        """
        if target != current:
            check_transition(current, target)
        assignments: dict[str, object] = {"status": target.value}
        if take is not None:
            assignments |= await self._taken(invoice_id, take, now)
        assignments |= changes or {}
        if target in GIVES_UP_ORDER_ID:
            assignments["holds_order_id"] = False
        row = await repository.change(invoice_id, current, assignments)
        if row is None:
            raise RuntimeError(f"{invoice_id} is not {current} although it is locked")
        if current in KEEPS_ADDRESS and target not in KEEPS_ADDRESS and row.network and row.deposit_address:
            await addresses.release(row.deposit_address, invoice_id, self._networks.get(row.network), now)
        invoice = await self._reader.get_any(invoice_id)
        if event is not None:
            await self._record_event(invoice, event or f"invoice.{target}", now)
        return invoice

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

    async def _record_event(self, invoice: InvoiceBody, event: str, now: datetime) -> None:
        merchant_id = await repository.merchant_of(invoice.id)
        await events.record(
            merchant_id=merchant_id,
            mode=invoice.mode,
            type=event,
            subject_id=invoice.id,
            data=event_data(invoice.id, msgspec.json.encode(invoice)),
            override_url=invoice.webhook_url,
            now=now,
        )


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
