"""Which of our coins may be spent now, and what will be spendable once more blocks are there.

1. A coin from somebody else may be spent once its block counts as final: what a reorganisation removes would take our
   payments with it.
2. Our own change may be spent at once, so that one payment does not wait for another, but only while its transaction
   has a single attempt, which the node has in its pool. Of several attempts any may be mined; what spends the change of
   another one then falls for good.
"""

from collections.abc import Sequence

import msgspec

from app.networks.bitcoin.coins import Coin
from app.networks.bitcoin.sending import BitcoinSender
from app.signer import coins_repository
from app.signer.repository import Stored


class SpendableCoins(msgspec.Struct):
    """What a round can spend, in minor units. `coming_raw` is ours too, and can be spent after more blocks.
    `fees_left_raw` is the treasury's: fees are never paid out of merchants' money. `change_index` is the next unused
    address of the change branch."""

    coins: tuple[Coin, ...]
    coming_raw: int
    fees_left_raw: int
    change_index: int

    @property
    def free_raw(self) -> int:
        """All that can be spent now."""
        return sum(coin.amount_raw for coin in self.coins)

    @property
    def waits_for_block(self) -> bool:
        """Whether more can be spent after a block: payments to us count as final then, and our change has no
        ancestors."""
        return self.coming_raw > 0 or len(self.mined) < len(self.coins)

    @property
    def mined(self) -> tuple[Coin, ...]:
        """Those that are in blocks."""
        return tuple(coin for coin in self.coins if coin.height is not None)

    def reserve(self, claims: Sequence[str], change_raw: int, fee_raw: int) -> None:
        """Count coins as spent; their change can be spent in a later round."""
        self.coins = tuple(coin for coin in self.coins if coin.claim not in claims)
        self.coming_raw += change_raw
        self.fees_left_raw -= fee_raw
        self.change_index += 1


async def read(
    network: str,
    sender: BitcoinSender,
    lineages: Sequence[Sequence[Stored]],
    *,
    scanned_height: int,
    final_height: int,
    fees_left_raw: int,
) -> SpendableCoins:
    """What can be spent after block `scanned_height`. `lineages` are our transactions under way; blocks up to
    `final_height` count as final. Calls a node for our own unmined change."""
    attempts = {stored.txid: len(lineage) for lineage in lineages for stored in lineage}
    usable: list[Coin] = []
    unmined: list[Coin] = []
    coming_raw = 0
    for coin in await coins_repository.spendable(network, scanned_height):
        if attempts.get(coin.txid, 1) > 1:
            continue  # counted below
        if coin.height is None:
            unmined.append(coin)
        elif coin.is_change or coin.height <= final_height:
            usable.append(coin)
        else:
            coming_raw += coin.amount_raw
    usable += await with_ancestors(sender, unmined)
    return SpendableCoins(
        coins=tuple(usable),
        coming_raw=coming_raw + _change_raw(sender, lineages, usable),
        fees_left_raw=fees_left_raw,
        change_index=await coins_repository.next_change_index(network),
    )


async def with_ancestors(sender: BitcoinSender, coins: Sequence[Coin]) -> list[Coin]:
    """Those of these unmined coins whose transactions are in the node's pool, with what they come from there."""
    pool = await sender.in_pool(sorted({coin.txid for coin in coins})) if coins else {}
    return [
        msgspec.structs.replace(
            coin,
            ancestors=entry.ancestors,
            ancestors_vsize=entry.ancestors_vsize,
            ancestors_fee_raw=entry.ancestors_fee_raw,
        )
        for coin in coins
        if (entry := pool.get(coin.txid)) is not None
    ]


def _change_raw(sender: BitcoinSender, lineages: Sequence[Sequence[Stored]], usable: Sequence[Coin]) -> int:
    """The change of our transactions under way that can't be spent yet, and that none of them spends."""
    spent = {claim for lineage in lineages for claim in lineage[-1].claims} | {coin.claim for coin in usable}
    changes = [sender.change_of(lineage[-1].draft, lineage[-1].txid) for lineage in lineages]
    return sum(coin.amount_raw for coin in changes if coin is not None and coin.claim not in spent)
