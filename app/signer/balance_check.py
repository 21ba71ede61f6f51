"""Money that came in unseen: balances are held against what was seen to come in.

A contract that passes coins on leaves nothing to be found in a block but by tracing. So where the node can't trace,
the balance of each address that a customer may be paying to is read at a confirmed block; what it holds beyond the
transfers that were seen and our own moves becomes a deposit for a human to look at, booked like any other.

The hot wallet is looked at everywhere and in every asset: operators fill it before the gateway has scanned its first
block, or from wallets that are contracts. What it holds beyond the books is a top-up like any other. Nothing is ever
guessed from a balance that one of our own transactions is just changing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.alerts.service import raise_alert
from app.core import database
from app.core.database import Row
from app.networks.config import NetworkConfig
from app.networks.port import UNKNOWN_SENDER, BlockRef, Chain, Transfer

INTERVAL = timedelta(seconds=60)
ADDRESSES_PER_QUERY = 1_000
STILL_WATCHED = timedelta(days=1)
"""How long after its release an address is still looked at: late payments come within hours."""

INFERRED_INDEX = -1


class BalanceChecker:
    """Looks at one network's addresses, for the watcher."""

    def __init__(self, network: NetworkConfig, chain: Chain) -> None:
        self._network = network
        self._chain = chain
        self._looked_at: datetime | None = None

    async def look(self, scanned_height: int, now: datetime) -> Sequence[Transfer]:
        """Once a minute: what addresses hold beyond what was seen, as inferred transfers of a confirmed block."""
        height = scanned_height - self._network.confirmations + 1
        if height < 0 or (self._looked_at is not None and now - self._looked_at < INTERVAL):
            return []
        self._looked_at = now
        block = await self._chain.block_ref(height)
        if block is None:
            return []
        unseen = await self._in_hot_wallet(block)
        native = self._network.native
        if native is not None and not await self._chain.traces_native():
            unseen += await self._at_addresses(native.symbol, block, now)
        for transfer in unseen:
            await self._tell(transfer, now)
        return unseen

    async def _in_hot_wallet(self, block: BlockRef) -> list[Transfer]:
        hot = self._network.hot_wallet_address
        if hot is None:
            return []
        unseen = []
        for asset in self._network.assets:
            row = await self._hot_wallet(hot, asset.symbol, block.height)
            held_raw = (await self._chain.balances_raw([hot], asset.symbol, block.height))[hot]
            if not row["moving"] and held_raw > row["expected_raw"]:
                unseen.append(_inferred(hot, asset.symbol, held_raw - row["expected_raw"], block))
        return unseen

    async def _at_addresses(self, symbol: str, block: BlockRef, now: datetime) -> list[Transfer]:
        unseen: list[Transfer] = []
        after_id = 0
        while rows := await self._expected(symbol, block.height, after_id, now):
            after_id = rows[-1]["id"]
            held = await self._chain.balances_raw([row["address"] for row in rows], symbol, block.height)
            for row in rows:
                held_raw = held[row["address"]]
                if not row["moving"] and held_raw > row["expected_raw"]:
                    unseen.append(_inferred(row["address"], symbol, held_raw - row["expected_raw"], block))
        return unseen

    async def _hot_wallet(self, address: str, symbol: str, height: int) -> Row:
        """What the hot wallet should hold of an asset at a height: top-ups and sweeps, less all that it sent."""
        assert self._network.native is not None, "a network with a hot wallet has its native coin"
        row = await database.fetch_one(
            """
            SELECT
                (SELECT coalesce(sum(amount_raw), 0) FROM hot_wallet_receipts
                    WHERE network = $1 AND asset = $3 AND status IN ('seen', 'booked'))
                + (SELECT coalesce(sum(amount_raw), 0) FROM outgoing_transactions
                    WHERE network = $1 AND to_address = $2 AND asset = $3 AND status = 'confirmed')
                - (SELECT coalesce(sum(CASE WHEN $5 THEN coalesce(gas_cost_raw, 0) ELSE 0 END
                        + CASE WHEN asset = $3 AND status = 'confirmed' THEN amount_raw ELSE 0 END), 0)
                    FROM outgoing_transactions WHERE network = $1 AND from_address = $2)
                AS expected_raw,
                EXISTS (SELECT 1 FROM hot_wallet_receipts WHERE network = $1 AND asset = $3
                    AND status IN ('seen', 'booked') AND block_height > $4)
                OR EXISTS (SELECT 1 FROM outgoing_transactions
                    WHERE network = $1 AND (from_address = $2 OR to_address = $2)
                        AND (status IN ('signed', 'submitted') OR block_height > $4)) AS moving
            """,
            self._network.key,
            address,
            symbol,
            height,
            symbol == self._network.native.symbol,
        )
        assert row is not None
        return row

    async def _expected(self, symbol: str, height: int, after_id: int, now: datetime) -> Sequence[Row]:
        """Addresses that may be paid to, and what each should hold at a height by what was seen and sent.

        `moving`: something of ours is under way there, or final only above the height.
        """
        return await database.fetch_all(
            """
            SELECT a.id, a.address,
                (SELECT coalesce(sum(d.amount_raw), 0) FROM deposits d
                    WHERE d.deposit_address = a.id AND d.asset = $2 AND d.status <> 'orphaned')
                + (SELECT coalesce(sum(t.amount_raw), 0) FROM outgoing_transactions t
                    WHERE t.network = $1 AND t.to_address = a.address AND t.purpose = 'gas' AND t.status = 'confirmed')
                - (SELECT coalesce(sum(coalesce(t.gas_cost_raw, 0)
                        + CASE WHEN t.asset = $2 AND t.status = 'confirmed' THEN t.amount_raw ELSE 0 END), 0)
                    FROM outgoing_transactions t WHERE t.network = $1 AND t.from_address = a.address)
                AS expected_raw,
                EXISTS (SELECT 1 FROM deposits d WHERE d.deposit_address = a.id AND d.asset = $2
                    AND d.status <> 'orphaned' AND d.block_height > $3)
                OR EXISTS (SELECT 1 FROM outgoing_transactions t
                    WHERE t.network = $1 AND (t.from_address = a.address OR t.to_address = a.address)
                        AND (t.status IN ('signed', 'submitted') OR t.block_height > $3)) AS moving
            FROM deposit_addresses a
            WHERE a.network = $1 AND a.id > $4
                AND (a.invoice_id IS NOT NULL OR (a.lease_count > 0 AND a.available_at > $5))
            ORDER BY a.id LIMIT $6
            """,
            self._network.key,
            symbol,
            height,
            after_id,
            now - STILL_WATCHED,
            ADDRESSES_PER_QUERY,
        )

    async def _tell(self, transfer: Transfer, now: datetime) -> None:
        await raise_alert(
            severity="warning",
            kind="unseen_deposit",
            dedupe_key=f"unseen_deposit:{self._network.key}:{transfer.txid}",
            message=f"{self._network.key}: an address holds more {transfer.asset_symbol} than was seen to come in",
            details={
                "network": self._network.key,
                "address": transfer.to_address,
                "amount_raw": str(transfer.amount_raw),
            },
            now=now,
        )


def _inferred(address: str, symbol: str, amount_raw: int, block: BlockRef) -> Transfer:
    return Transfer(
        txid=f"balance:{symbol}:{address}:{block.height}",
        index=INFERRED_INDEX,
        asset_symbol=symbol,
        to_address=address,
        from_address=UNKNOWN_SENDER,
        amount_raw=amount_raw,
        block=block,
        inferred=True,
    )
