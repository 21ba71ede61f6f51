"""Find incoming transfers that the block scan can't see: compare balances with the transfers that were seen.

A transfer of coins inside a contract call is found in a block only by tracing. So where the node can't trace, the
balance of each address that a customer may be paying to is read at a confirmed block; what it holds beyond the
transfers that were seen and our own moves becomes a deposit for an operator to review, booked like any other.

The hot wallet is checked on every network and in every asset: operators fill it before the gateway has scanned its
first block, or from wallets that are contracts. What it holds beyond the books is a top-up like any other. Nothing is
inferred from a balance while one of our own transactions is changing it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.alerts.service import raise_alert
from app.networks.config import NetworkConfig
from app.networks.port import BlockRef, Chain, Transfer
from app.signer import balances_repository

ADDRESSES_PER_QUERY = 1_000
STILL_WATCHED = timedelta(days=1)
"""How long after its release an address is still checked: late payments come within hours."""

INFERRED_INDEX = -1


class BalanceChecker:
    """Checks the balances of one network's addresses, for the watcher."""

    def __init__(self, network: NetworkConfig, chain: Chain) -> None:
        self._network = network
        self._chain = chain
        self._interval = timedelta(seconds=network.balance_check_s)
        self._checked_at: datetime | None = None

    async def unseen_transfers(self, scanned_height: int, now: datetime) -> Sequence[Transfer]:
        """What addresses hold beyond what was seen, as inferred transfers. Balances are read every `balance_check_s`
        seconds."""
        height = scanned_height - self._network.confirmations + 1
        if height < 0 or (self._checked_at is not None and now - self._checked_at < self._interval):
            return []
        self._checked_at = now
        if self._network.require_finality and (height := min(height, await self._chain.finality())) < 0:
            return []
        block = await self._chain.block_ref(height)
        if block is None:
            return []
        unseen = await self._in_hot_wallet(block)
        native = self._network.native
        if native is not None and not await self._chain.traces_native():
            unseen += await self._at_addresses(native.symbol, block, now)
        for transfer in unseen:
            await self._alert(transfer, now)
        return unseen

    async def _in_hot_wallet(self, block: BlockRef) -> list[Transfer]:
        hot = self._network.hot_wallet_address
        if hot is None:
            return []
        unseen = []
        for asset in self._network.assets:
            expected = await balances_repository.expected_in_hot_wallet(
                self._network.key, hot, asset.symbol, block.height, is_native=asset.contract is None
            )
            held_raw = (await self._chain.balances_raw([hot], asset.symbol, block.height))[hot]
            if not expected.moving and held_raw > expected.expected_raw:
                unseen.append(_inferred(hot, asset.symbol, held_raw - expected.expected_raw, block))
        return unseen

    async def _at_addresses(self, symbol: str, block: BlockRef, now: datetime) -> list[Transfer]:
        unseen: list[Transfer] = []
        after_id = 0
        while rows := await balances_repository.expected_at_addresses(
            self._network.key,
            symbol,
            block.height,
            after_id=after_id,
            released_after=now - STILL_WATCHED,
            limit=ADDRESSES_PER_QUERY,
        ):
            after_id = rows[-1].id
            held = await self._chain.balances_raw([row.address for row in rows], symbol, block.height)
            for row in rows:
                held_raw = held[row.address]
                if not row.moving and held_raw > row.expected_raw:
                    unseen.append(_inferred(row.address, symbol, held_raw - row.expected_raw, block))
        return unseen

    async def _alert(self, transfer: Transfer, now: datetime) -> None:
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
        from_address=None,
        amount_raw=amount_raw,
        block=block,
        inferred=True,
    )
