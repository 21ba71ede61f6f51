"""Every change of an invoice after its creation (invoices/creation.py). Nothing else writes `invoices`; each step goes
through `_move`, under the row's lock, with its event.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from app.addresses import service as addresses
from app.core import database, redis
from app.core.errors import ApiError, Code
from app.events import service as events
from app.invoices import repository
from app.invoices.presentation import InvoiceBody, event_data
from app.invoices.reader import InvoiceReader
from app.invoices.states import (
    GIVES_UP_ORDER_ID,
    GOES_TO_REVIEW,
    KEEPS_ADDRESS,
    TRANSITIONS,
    Status,
    can_cancel,
    check_transition,
)
from app.merchants.members import Member
from app.merchants.roles import Permission
from app.networks.registry import Networks

LIVE_CHANNEL = "live:"
"""Prefix of the Redis channel of one invoice; open checkout pages listen there."""

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

    async def cancel_by(self, by: Member, mode: str, invoice_id: str, now: datetime) -> InvoiceBody:
        """Cancel in the cabinet. Raises Forbidden, and what `cancel` raises."""
        by.require(Permission.INVOICES_WRITE)
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
        await announce(invoice_id)
        return invoice

    async def begin_confirming(
        self, invoice_id: str, current: Status, received_raw: int, reviews_left: int, now: datetime
    ) -> None:
        """Set `confirming`: the exact payment is in a block. Another deposit may be in review at the same time.

        The caller holds the row's lock and the transaction.
        """
        changes = {"received_raw": received_raw, "needs_review": reviews_left > 0}
        await self._move(invoice_id, current, Status.CONFIRMING, now, changes)

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

    async def pay(self, invoice_id: str, current: Status, net_raw: int, now: datetime) -> None:
        """Set `paid`: the payment is final and booked. The caller holds the row's lock and the transaction.

        An invoice that is past `paid` keeps its state: its deposit is back after a deep reorganisation.
        """
        row = await repository.sums(invoice_id)
        target = Status.PAID if Status.PAID in TRANSITIONS[current] else current
        changes = {"credited_raw": (row.credited_raw or 0) + net_raw, "paid_at": row.paid_at or now}
        await self._move(invoice_id, current, target, now, changes, event="invoice.paid")

    async def reverse(self, invoice_id: str, net_raw: int, received_raw: int, now: datetime) -> None:
        """Subtract a booked deposit that has left the chain. The caller holds the row's lock and the transaction.

        The state stays, since the merchant may have delivered. `credited` becomes false.
        """
        row = await repository.sums(invoice_id)
        left_raw = (row.credited_raw or 0) - net_raw
        changes = {"credited_raw": left_raw or None, "received_raw": received_raw}
        current = Status(row.status)
        await self._move(invoice_id, current, current, now, changes, event="invoice.reversed")

    async def note_received(self, invoice_id: str, received_raw: int, now: datetime) -> None:
        """Store the sum received, without an event. The caller holds the row's lock and the transaction."""
        current = Status((await repository.sums(invoice_id)).status)
        await self._move(invoice_id, current, current, now, {"received_raw": received_raw}, event=None)

    async def review(self, invoice_id: str, current: Status, received_raw: int, now: datetime) -> None:
        """A deposit needs an operator's review. The caller holds the row's lock and the transaction.

        The status changes only in GOES_TO_REVIEW. Elsewhere the invoice's own payment is confirming or done, and only
        `needs_review` is set.
        """
        changes = {"received_raw": received_raw, "needs_review": True}
        target = current
        if current in GOES_TO_REVIEW:
            target = Status.MANUAL_REVIEW
        await self._move(invoice_id, current, target, now, changes, event="invoice.manual_review")

    async def credit_reviewed(self, invoice_id: str, net_raw: int, reviews_left: int, now: datetime) -> None:
        """An operator has credited a deposit in review. The caller holds the row's lock and the transaction.

        `net_raw` is 0 for another asset than the invoice's. An invoice in `manual_review` becomes `paid`; else its
        state stays.
        """
        row = await repository.sums(invoice_id)
        current = Status(row.status)
        changes = {"credited_raw": (row.credited_raw or 0) + net_raw, "needs_review": reviews_left > 0}
        if current == Status.MANUAL_REVIEW:
            await self._move(invoice_id, current, Status.PAID, now, {**changes, "paid_at": now})
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
        whole = refunded_raw >= net_raw or current == Status.REFUNDED
        target = Status.REFUNDED if whole else Status.PARTIALLY_REFUNDED
        await self._move(invoice_id, current, target, now, {"refunded_raw": refunded_raw})

    async def expire_due(self, network_key: str, covered_until: datetime, now: datetime) -> list[str]:
        """Expire invoices that were not paid in time, and return their ids.

        `covered_until`: every block up to this moment has been scanned. An invoice does not expire before its last
        moment is covered, so that a payment made in time but seen late is not called late. Nor does it expire for
        REORG_PATIENCE after a reorganisation has removed its payment or a part of it. One with an open review becomes
        `manual_review` instead.
        """
        async with database.transaction():
            rows = await repository.lock_due(network_key, min(covered_until, now), now - REORG_PATIENCE, EXPIRE_AT_ONCE)
            for row in rows:
                target = Status.MANUAL_REVIEW if row.needs_review else Status.EXPIRED
                await self._move(row.id, Status.AWAITING_DEPOSIT, target, now)
        expired = [row.id for row in rows]
        await announce(*expired)
        return expired

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
    ) -> InvoiceBody:
        """Move an invoice from `current` to `target`, set other columns to `changes`, and write the event.

        The event is `invoice.<target>` unless named; None writes none. Leaving the states with an address
        ends its lease.
        """
        if target != current:
            check_transition(current, target)
        assignments = {"status": target.value, **(changes or {})}
        if target in GIVES_UP_ORDER_ID:
            assignments["holds_order_id"] = False
        row = await repository.change(invoice_id, current, assignments)
        if row is None:
            raise RuntimeError(f"{invoice_id} is not {current} although it is locked")
        if current in KEEPS_ADDRESS and target not in KEEPS_ADDRESS:
            network = self._networks.get(row.network)
            await addresses.release(row.deposit_address, invoice_id, network, now)
        invoice = await self._reader.get_any(invoice_id)
        if event is not None:
            await self._record_event(invoice, event or f"invoice.{target}", now)
        return invoice

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


async def announce(*invoice_ids: str) -> None:
    """After a commit: wake the event sequencer and every open checkout page of these invoices."""
    if invoice_ids:
        await events.announce()
        await redis.publish(*(LIVE_CHANNEL + invoice_id for invoice_id in invoice_ids))
