"""What a transaction of ours on a chain of coins was signed from, when the books of a restored backup lack it.

One that pays somebody is attached to its withdrawals (adoption.py). A consolidation pays nobody: it is stored here as
the move that it was, so that the coin it has made is spent again, and its fee is booked.
"""

from collections.abc import Sequence
from typing import Protocol, cast

from app.audit import service as audit
from app.core import clock, database
from app.networks.bitcoin.coins import Coin
from app.networks.config import NetworkConfig
from app.networks.port import NotATransfer
from app.networks.sending import Draft, OnChain, Sender
from app.signer import coin_funds_repository, coins_repository, repository
from app.signer.refusal import NothingToAccountFor


class _CoinSender(Sender, Protocol):
    def as_drafted(self, on_chain: OnChain, spent: Sequence[Coin], change_index: int | None) -> Draft: ...


async def draft_of(network: NetworkConfig, sender: Sender, on_chain: OnChain) -> Draft:
    """The draft of a transaction that `look_up` has found: with the coins that it spends by the book of coins, and
    without its change, which the watcher has found among the next addresses.

    Nothing of it is trusted: `parse` holds the bytes against it. Raises NotATransfer where the book has not all coins.
    """
    spent = await _spent(network, on_chain)
    last = on_chain.draft.payments[-1]
    change_index = await coin_funds_repository.change_index(network.key, last.to_address)
    return cast("_CoinSender", sender).as_drafted(on_chain, spent, change_index)


async def account_for_move(network: NetworkConfig, sender: Sender, txid: str, operator_id: str, reason: str) -> None:
    """Store a final transaction that only moved coins of ours to our change branch, with an audit record.

    The caller has made sure who the operator is, and that there is a reason. The bytes prove the rest: our key has
    signed them, and they pay nobody. Raises NothingToAccountFor, NetworkError.
    """
    if txid not in await coins_repository.unknown_spends(network.key):
        raise NothingToAccountFor("the signer does not stop at that transaction")
    on_chain = await sender.look_up(txid)
    receipt = (await sender.receipts([txid])).get(txid)
    if on_chain is None or receipt is None:
        raise NothingToAccountFor(f"{network.display_name} has no such transaction in a block")
    if receipt.confirmations < network.confirmations:
        raise NothingToAccountFor(f"it has {receipt.confirmations} of {network.confirmations} confirmations: wait")
    for payment in on_chain.draft.payments:
        if await coin_funds_repository.change_index(network.key, payment.to_address) is None:
            raise NothingToAccountFor(f"it pays {payment.to_address}: attach it to the payout or refund that it paid")
    draft = cast("_CoinSender", sender).as_drafted(on_chain, await _spent(network, on_chain), None)
    parsed, now = sender.parse(on_chain.signed.raw, draft), clock.now()
    async with database.transaction():
        if await coin_funds_repository.lock_unspent(network.key, draft.claims) or txid in await repository.stored_among(
            network.key, [txid]
        ):
            raise NothingToAccountFor("the books have it meanwhile, or its block is gone")
        stored = await repository.add(
            network=network.key,
            purpose="sweep",
            withdrawals=[None] * len(parsed.payments),
            draft=draft,
            parsed=parsed,
            signed=on_chain.signed,
            replaces=None,
            now=now,
        )
        await repository.finish([stored], txid, receipt, True, now)
        await audit.record(
            actor=f"account:{operator_id}",
            action="hot_wallet.transaction_accounted_for",
            subject=network.key,
            merchant_id=None,
            address=None,
            details={"txid": txid, "coins": len(draft.claims), "fee_raw": str(draft.fee_cap_raw), "reason": reason},
            now=now,
        )


async def _spent(network: NetworkConfig, on_chain: OnChain) -> list[Coin]:
    claims = on_chain.draft.claims
    spent = await coins_repository.by_claims(network.key, claims)
    if len(spent) != len(claims):
        raise NotATransfer("it spends coins that the books don't have")
    return spent
