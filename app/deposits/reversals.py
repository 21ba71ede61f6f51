"""Deposits whose blocks a reorganisation removes (contract, sections 3 and 5).

A deposit that is not booked yet is only orphaned, and its invoice waits for it again. A booked one is reversed in the
ledgers, even below zero where the money has left; operators get a critical alert, and the ledger's withdrawals are
held.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from app.alerts import service as alerts
from app.core import database
from app.deposits import repository
from app.deposits.bookings import DEPOSIT_KINDS, booking_reference, deposit_chains
from app.deposits.payments import PaymentService
from app.deposits.repository import DeadDeposit
from app.invoices import repository as invoice_repository
from app.invoices.pricing import NOTHING, Share
from app.invoices.quotes_repository import received_raw
from app.invoices.service import InvoiceService
from app.ledger import repository as ledger_repository
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId
from app.ledger.service import FEES, SUSPENSE, Posting

PlaceHold = Callable[[ChainId, str, datetime], Awaitable[None]]
"""Holds the withdrawals of a ledger until an operator releases the hold; runs in the caller's transaction."""


class ReversalService:
    """Reverses deposits, in the watcher's transaction, which also deletes the rows of the dead blocks."""

    def __init__(self, invoices: InvoiceService, payments: PaymentService, place_hold: PlaceHold) -> None:
        self._invoices = invoices
        self._payments = payments
        self._place_hold = place_hold

    async def reverse_above(self, network: str, above_height: int, now: datetime) -> set[str]:
        """Orphan the deposits of dead blocks, and return the ids of invoices changed. Needs the caller's transaction.

        Booked ones are reversed in the ledgers, even below zero, with a critical alert; nothing that the ledger pays
        in the asset is sent until an operator releases the hold.
        """
        database.in_transaction()
        touched: set[str] = set()
        for row in await _lock_dead(network, above_height):
            if row.status != "seen":
                await self._reverse(network, row, now)
            await repository.orphan(row.id, "reorganised", now)
            if row.invoice is not None:
                touched.add(row.invoice)
        for invoice_id in sorted(touched):  # after all of its dead deposits are marked
            await self._payments.undo_payment(invoice_id, now)
        return touched

    async def _reverse(self, network: str, row: DeadDeposit, now: datetime) -> None:
        """Reverse the bookings of a deposit, hold its ledger's withdrawals, and raise an alert."""
        reference = booking_reference(row.id, row.times_reversed)
        owner = SUSPENSE
        if row.status == "credited":
            assert row.merchant is not None, "what is credited has an invoice"
            owner = row.merchant
        payer = ChainId(owner=owner, network=network, asset=row.asset)
        booked = await ledger_repository.booked(_chains_of(network, row), reference, DEPOSIT_KINDS)
        await ledger.post(
            [Posting(chain, "deposit_reversal", -booked_raw, 0, reference) for chain, booked_raw in booked.items()], now
        )
        if row.status == "credited":
            assert row.invoice is not None, "what is credited has an invoice"
            fees = ChainId(owner=FEES, network=network, asset=row.asset)
            undone = Share(booked.get(fees, 0), booked.get(payer, 0)) if row.is_asked else NOTHING
            assert row.invoice_address is not None, "what was credited has its figures"
            left_raw = await received_raw(row.invoice, row.invoice_address) - row.counts_raw
            await self._invoices.reverse(row.invoice, undone, left_raw, now)
        message = f"{row.id} was booked and is no longer on the chain: {row.asset} of {payer.owner} are on hold"
        suspense = ChainId(owner=SUSPENSE, network=network, asset=row.asset)
        for chain in {payer, suspense} if suspense in booked else {payer}:  # a rest that is returned is in suspense
            await self._place_hold(chain, message, now)
        await alerts.raise_alert(
            severity="critical",
            kind="deep_reorg",
            dedupe_key=f"deep_reorg:{reference.id}",
            message=message,
            details={
                "deposit": row.id,
                "invoice": row.invoice,
                "merchant": row.merchant,
                "network": network,
                "asset": row.asset,
                "amount_raw": str(row.amount_raw),
                "txid": row.txid,
            },
            now=now,
        )


async def _lock_dead(network: str, above_height: int) -> Sequence[DeadDeposit]:
    """Lock the deposits of dead blocks, after their ledgers and their invoices. Orphaned ones are left out."""
    rows = await repository.dead(network, above_height)
    booked = [row for row in rows if row.status != "seen"]
    await ledger.lock({chain for row in booked for chain in _chains_of(network, row)})
    await invoice_repository.lock_all([row.invoice for row in rows if row.invoice is not None])
    # An operator may have credited one of them until its ledger was locked: read again.
    return await repository.lock_dead(network, above_height)


def _chains_of(network: str, row: DeadDeposit) -> list[ChainId]:
    """The ledgers that a deposit's money can be in."""
    earnings, fees, suspense = deposit_chains(row.merchant or "", network, row.asset)
    return [earnings, fees, suspense] if row.merchant is not None else [suspense]
