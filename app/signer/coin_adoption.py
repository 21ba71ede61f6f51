"""What a transaction of ours on a chain of coins was signed from, when the books of a restored backup lack it."""

from collections.abc import Sequence
from typing import Protocol, cast

from app.networks.bitcoin.coins import Coin
from app.networks.config import NetworkConfig
from app.networks.port import NotATransfer
from app.networks.sending import Draft, OnChain, Sender
from app.signer import coin_funds_repository, coins_repository


class _CoinSender(Sender, Protocol):
    def as_drafted(self, on_chain: OnChain, spent: Sequence[Coin], change_index: int | None) -> Draft: ...


async def draft_of(network: NetworkConfig, sender: Sender, on_chain: OnChain) -> Draft:
    """The draft of a transaction that `look_up` has found: with the coins that it spends by the book of coins, and
    without its change, which the watcher has found among the next addresses.

    Nothing of it is trusted: `parse` holds the bytes against it. Raises NotATransfer where the book has not all coins.
    """
    claims = on_chain.draft.claims
    spent = await coins_repository.by_claims(network.key, claims)
    if len(spent) != len(claims):
        raise NotATransfer("it spends coins that the books don't have")
    last = on_chain.draft.payments[-1]
    change_index = await coin_funds_repository.change_index(network.key, last.to_address)
    return cast("_CoinSender", sender).as_drafted(on_chain, spent, change_index)
