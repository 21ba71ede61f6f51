"""Customers who pay, a hot wallet that pays out, and the rows that the signer would write."""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self, cast

from eth_utils.address import to_checksum_address

from app.core import clock, database, ids
from app.deposits.watcher import Watcher
from app.events import sequencer
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import TREASURY, Posting
from app.merchants.terms import Terms
from app.reconciliation import repository
from app.reconciliation.repository import RecordedFinding, Run
from app.sandbox.chain_driver import AnvilDriver, token_transfer_data
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from tests.factories import outgoing
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms

NETWORK = "ethereum:test"
HOT_COINS_RAW = 10**18
HOT_TOKENS_RAW = 50_000_000


@dataclass
class World:
    """One merchant, its customers, and a hot wallet that an operator has topped up."""

    services: Services
    driver: AnvilDriver
    token: str
    watcher: Watcher
    terms: Terms
    hot: str
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    """The node counts nonces of mined transactions only, so one sender at a time."""

    @classmethod
    async def begin(cls, services: Services, driver: AnvilDriver, token: str) -> Self:
        (watcher,) = services.watchers()
        await watcher.tick()
        hot = services.networks.get(NETWORK).hot_wallet_address
        assert hot is not None
        await driver.call("anvil_impersonateAccount", hot)
        world = cls(services, driver, token, watcher, await terms(service_fee_bps=80), hot)
        await world.send("ETH", hot, HOT_COINS_RAW)
        await world.send("USDT", hot, HOT_TOKENS_RAW)
        return world

    async def book(self, owner: str, asset: str, kind: str, available_raw: int, fact: str, locked_raw: int = 0) -> None:
        chain = ChainId(owner=owner, network=NETWORK, asset=asset)
        reference = Reference("payout" if kind.startswith("payout") else "transaction", fact)
        posting = Posting(chain, cast(Any, kind), available_raw, locked_raw, reference)
        if database.engine.current_transaction.get() is None:
            async with database.transaction():
                await ledger.post([posting], clock.now())
        else:
            await ledger.post([posting], clock.now())

    async def pay(self, asset: str, amount: str, extra_raw: int = 0) -> AskedInvoice:
        """A customer pays a new invoice, overpaid by this amount. The invoice has a long expiry: other tests of the run
        have advanced the node's clock."""
        new = await invoice(self.services, self.terms, amount=amount, currency=asset, expires_in=timedelta(days=6))
        await self.send(asset, new.pay_in.address, int(new.pay_in.amount_raw) + extra_raw)
        return new

    async def send(self, asset: str, to: str, amount_raw: int, sender: str | None = None) -> dict[str, Any]:
        """Send a transfer on chain. Returns its receipt."""
        async with self.sending:
            if asset == "ETH":
                return await self.driver.transfer_native(to, amount_raw, sender=sender)
            return await self.driver.transfer_token(self.token, to, amount_raw, sender=sender)

    async def settle(self) -> None:
        """Mine enough confirmations for everything that was sent, and number the events."""
        await self.driver.mine(3)
        await self.watcher.tick()
        await sequencer.number_events(fan_out_with(self.services.settings.data_keys))

    async def payout(self, amount_raw: int, *, sent: bool = True, booked: bool = True) -> str:
        """A payout in USDT from the merchant's balance, on chain or not, booked or not."""
        payout_id, now = ids.new_id(ids.PAYOUT), clock.now()
        destination = to_checksum_address(os.urandom(20))
        async with database.transaction():
            await unguarded(
                """
                INSERT INTO withdrawals (id, kind, merchant, mode, network, asset, source, amount_raw, fee_raw,
                    destination, status, held, requested_by, digest, approvals_required, created_at)
                VALUES ($1, 'payout', $2, 'test', $3, 'USDT', $2, $4, 0, $5, 'submitted', false, 'test', '', 1, $6)
                """,
                payout_id,
                self.terms.merchant_id,
                NETWORK,
                amount_raw,
                destination,
                now,
            )
            await self.book(self.terms.merchant_id, "USDT", "payout_locked", -amount_raw, payout_id, amount_raw)
        if sent:
            async with self.sending:
                await self._broadcast(payout_id, destination, amount_raw)
        if booked:
            async with database.transaction():
                await self.book(self.terms.merchant_id, "USDT", "payout_settled", 0, payout_id, -amount_raw)
                if sent:
                    await self._settle_transaction(payout_id)
                await unguarded(
                    "UPDATE withdrawals SET status = 'confirmed', settled_at = $2 WHERE id = $1", payout_id, clock.now()
                )
        return payout_id

    async def _broadcast(self, payout_id: str, destination: str, amount_raw: int) -> None:
        """Add the row before the transaction is sent, as the signer does."""
        nonce = int(await self.driver.call("eth_getTransactionCount", self.hot, "latest"), 16)
        async with database.transaction():
            await database.execute("SET LOCAL session_replication_role = replica")
            row = await outgoing.store(
                network=NETWORK,
                withdrawal=payout_id,
                from_address=self.hot,
                to_address=destination,
                asset="USDT",
                amount_raw=amount_raw,
                nonce=nonce,
                txid="0x" + os.urandom(32).hex(),
            )
            await database.execute(
                "UPDATE outgoing_transactions SET status = 'submitted', submitted_at = created_at WHERE id = $1", row
            )
        data = token_transfer_data(destination, amount_raw)
        await self.driver.call("evm_setAutomine", False)  # the id is known before the transaction is in a block
        try:
            txid = await self.driver.submit({"from": self.hot, "to": self.token, "data": "0x" + data.hex()})
            async with database.transaction():
                await unguarded("UPDATE outgoing_transactions SET txid = $2 WHERE id = $1", row, txid)
            await self.driver.mine(1)
        finally:
            await self.driver.call("evm_setAutomine", True)

    async def _settle_transaction(self, payout_id: str) -> None:
        """Record the block and book the gas to the treasury, as the signer does when it sees the receipt."""
        txid = await database.fetch_value(
            "SELECT t.txid FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction"
            " WHERE p.withdrawal = $1",
            payout_id,
        )
        receipt = await self.driver.call("eth_getTransactionReceipt", txid)
        gas_raw = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
        await unguarded(
            """
            UPDATE outgoing_transactions SET status = 'confirmed', block_height = $2, block_hash = $3,
                fee_raw = $4, fee_booked_raw = $4, settled_at = $5 WHERE txid = $1
            """,
            txid,
            int(receipt["blockNumber"], 16),
            receipt["blockHash"],
            gas_raw,
            clock.now(),
        )
        await self.book(TREASURY, "ETH", "network_fee", -gas_raw, str(txid)[:40])

    async def reconcile(self, *, full: bool = True) -> tuple[Run, list[RecordedFinding]]:
        """Run reconciliation. Returns its findings."""
        run_id = await self.services.reconciliation.run(clock.now(), full=full)
        run = await repository.run(run_id)
        assert run is not None
        return run, await repository.findings(run_id)


async def unguarded(statement: str, *args: object) -> None:
    """Inside, triggers don't fire, so that a row can be written in its final state. Needs a transaction."""
    await database.execute("SET LOCAL session_replication_role = replica")
    await database.execute(statement, *args)
    await database.execute("SET LOCAL session_replication_role = origin")
