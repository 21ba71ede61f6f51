"""The book of our coins, on chains of coins: the watcher keeps it, in the transaction that stores the blocks.

So at each moment it has the coins that the scanned blocks have made for us, and which transaction has spent each. The
signer stores every transaction before it is sent. A coin that another transaction spends was spent with our key by
somebody else: operators are told within a block.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence, Set
from datetime import datetime

from app.alerts.service import raise_alert
from app.core import database
from app.networks.config import NetworkConfig
from app.networks.port import Block
from app.signer import coin_book_repository as repository
from app.signer import coins_repository
from app.signer.coin_book_repository import Spent

MAX_COINS_TOLD = 20
"""Coins that one alert lists."""

LOOK_AHEAD = 50
"""So many addresses of change beyond the last known one are looked for."""


class CoinBook:
    """The coins of one network, for the watcher."""

    def __init__(self, network: NetworkConfig) -> None:
        self._network = network

    async def ours(self, claims: Collection[str]) -> Set[str]:
        """Those of these claims that are of coins of ours."""
        return await repository.coins_among(self._network.key, claims) if claims else frozenset()

    async def change_among(self, addresses: Collection[str]) -> Set[str]:
        """Those of these addresses that are of our change.

        After a restored backup the chain has change at addresses that the books don't have yet: the next LOOK_AHEAD are
        looked for too, and stored where one is found.
        """
        if not addresses:
            return frozenset()
        network = self._network
        following = await coins_repository.next_change_index(network.key)
        ahead = {network.change_address(index): index for index in range(following, following + LOOK_AHEAD)}
        if found := ahead.keys() & set(addresses):
            last = max(ahead[address] for address in found)
            new = {index: address for address, index in ahead.items() if address is not None and index <= last}
            await repository.add_change_addresses(network.key, new)
        return await repository.change_among(network.key, addresses)

    async def record(self, blocks: Sequence[Block], now: datetime) -> None:
        """Store what blocks make and spend of our coins, in the watcher's transaction."""
        database.in_transaction()
        if made := [transfer for block in blocks for transfer in block.transfers]:
            await repository.make(self._network.key, self._network.hot_wallet_address, made, now)
        if spends := [(spend, block.ref) for block in blocks for spend in block.spends]:
            unknown = defaultdict[str, list[Spent]](list)
            for spent in await repository.spend(self._network.key, spends):
                if not spent.is_known:
                    unknown[spent.spent_by].append(spent)
            for txid, coins in unknown.items():
                await self._alert(txid, coins, now)

    async def reverse_above(self, above_height: int) -> None:
        """Take back what dead blocks have made and spent, in the watcher's transaction."""
        await repository.take_back(self._network.key, above_height)

    async def _alert(self, txid: str, coins: Sequence[Spent], now: datetime) -> None:
        await raise_alert(
            severity="critical",
            kind="unknown_spend",
            dedupe_key=f"unknown_spend:{self._network.key}:{txid}",
            message=f"{self._network.key}: coins of ours were spent by a transaction that we did not sign",
            details={
                "network": self._network.key,
                "txid": txid,
                "amount_raw": str(sum(coin.amount_raw for coin in coins)),
                "coins": [f"{coin.txid}:{coin.vout}" for coin in coins[:MAX_COINS_TOLD]],
            },
            now=now,
        )
