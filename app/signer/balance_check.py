"""Find incoming transfers that the block scan can't see: compare balances with the transfers that were seen.

A transfer of coins inside a contract call is found in a block only by tracing. So where the node can't trace, the
balance of each address that a customer may be paying to is read at a confirmed block; what it holds beyond the
transfers that were seen and our own moves becomes a deposit for an operator to review, booked like any other.

The hot wallet is checked on every network and in every asset: operators fill it before the gateway has scanned its
first block, or from wallets that are contracts. What it holds beyond the books is a top-up like any other. Nothing is
inferred from a balance while one of our own transactions is changing it.

A check of thousands of addresses is spread over several looks of the watcher, so that no payment waits for it. Each
address is judged within one look: by its balance at a confirmed block, and by what was seen and sent up to there.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from app.alerts.service import raise_alert
from app.networks.config import NetworkConfig
from app.networks.port import BlockRef, Chain, Transfer
from app.signer import balances_repository

FEWEST_PER_LOOK = 100
"""Addresses that a look checks at least: the balances that an EVM node is asked for in one request."""

STILL_WATCHED = timedelta(days=1)
"""How long after its release an address is still checked: late payments come within hours."""

INFERRED_INDEX = -1


class BalanceChecker:
    """Checks the balances of one network's addresses, for the watcher."""

    def __init__(self, network: NetworkConfig, chain: Chain) -> None:
        self._network = network
        self._chain = chain
        self._interval = timedelta(seconds=network.balance_check_s)
        self._began_at: datetime | None = None
        self._left: Sequence[int] = ()
        self._per_look = FEWEST_PER_LOOK

    async def unseen_transfers(self, scanned_height: int, now: datetime) -> Sequence[Transfer]:
        """What some addresses hold beyond what was seen, as inferred transfers.

        A check begins every `balance_check_s` seconds, with the hot wallet. Each look goes on with the next addresses,
        so many that all are checked in half of that time. After an error the check is over until the next one is due.
        """
        height = scanned_height - self._network.confirmations + 1
        is_due = self._began_at is None or now - self._began_at >= self._interval
        if height < 0 or not (self._left or is_due):
            return []
        left, self._left = self._left, ()
        begins = not left
        if begins:
            self._began_at = now
        if self._network.require_finality and (height := min(height, await self._chain.finality())) < 0:
            return []
        block = await self._chain.block_ref(height)
        if block is None:
            return []
        unseen = []
        if begins:
            unseen += await self._in_hot_wallet(block)
            left = await self._addresses(now)
        if left:
            unseen += await self._at_addresses(left[: self._per_look], block)
        for transfer in unseen:
            await self._alert(transfer, now)
        self._left = left[self._per_look :]
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

    async def _addresses(self, now: datetime) -> Sequence[int]:
        """The rows of the addresses to check: none where the node shows every transfer."""
        if self._network.native is None or await self._chain.traces_native():
            return ()
        rows = await balances_repository.watched_addresses(self._network.key, released_after=now - STILL_WATCHED)
        looks = self._interval.total_seconds() * 1000 / 2 / self._network.poll_interval_ms
        self._per_look = max(FEWEST_PER_LOOK, math.ceil(len(rows) / max(looks, 1)))
        return rows

    async def _at_addresses(self, ids: Sequence[int], block: BlockRef) -> list[Transfer]:
        assert self._network.native is not None
        symbol = self._network.native.symbol
        rows = await balances_repository.expected_at_addresses(self._network.key, symbol, block.height, ids)
        held = await self._chain.balances_raw([row.address for row in rows], symbol, block.height)
        return [
            _inferred(row.address, symbol, held[row.address] - row.expected_raw, block)
            for row in rows
            if not row.moving and held[row.address] > row.expected_raw
        ]

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
