"""Deposits that wait for a block: seen in the pool, replaced there, or forgotten by the nodes.

Nothing is credited from the pool. A payment that is seen there makes its invoice `confirming`, with 0 confirmations,
and counts as made at that moment. When its transaction is gone without a block, the invoice waits again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.core import database
from app.core.logging import get_logger
from app.deposits import pool_repository, repository, sightings
from app.deposits.payments import PaymentService
from app.deposits.pool_repository import Waiting
from app.deposits.service import DepositService
from app.invoices import repository as invoice_repository
from app.networks.port import PoolTransaction

log = get_logger(__name__)


class PoolService:
    """Keeps the deposits without a block as the pool has them. Each method runs a transaction of its own."""

    def __init__(self, deposits: DepositService, payments: PaymentService) -> None:
        self._deposits = deposits
        self._payments = payments

    async def came(self, network: str, transactions: Sequence[PoolTransaction], now: datetime) -> set[str]:
        """Store transactions that are new in the pool, and return the ids of invoices changed."""
        async with database.transaction():
            await pool_repository.add(network, transactions, now)
            seen = [sighting for transaction in transactions for sighting in sightings.in_pool(transaction)]
            return await self._deposits.record(network, seen, now)

    async def gone(
        self, network: str, missing: Sequence[Waiting], replaced: Mapping[str, str | None], now: datetime
    ) -> set[str]:
        """Store that transactions have left the pool without a block, and return the ids of invoices changed.

        `replaced` has those that another transaction excludes, by that one's id where it is known. The others were
        dropped. Each is the same deposit again if it comes back.
        """
        async with database.transaction():
            txids = [transaction.txid for transaction in missing]
            await pool_repository.mark_gone(network, txids)
            waiting = await pool_repository.deposits_of(network, txids)
            touched = {deposit.invoice for deposit in waiting if deposit.invoice is not None}
            await invoice_repository.lock_all(sorted(touched))
            for deposit in await pool_repository.lock_deposits_of(network, txids):
                because: repository.GoneBecause = "replaced" if deposit.txid in replaced else "dropped"
                await repository.orphan(deposit.id, because, now, replaced_by=replaced.get(deposit.txid))
                log.info("pool_deposit_gone", network=network, deposit=deposit.id, because=because)
            for invoice_id in sorted(touched):  # after all of its deposits that are gone are marked
                await self._payments.undo_payment(invoice_id, now)
                await self._payments.reconsider(invoice_id, now)
        return touched
