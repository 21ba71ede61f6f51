"""An operator accounts for a transaction of the hot wallet that the signer did not store.

On chains whose accounts don't count their transactions, and on those of coins, the signer stops at one that the books
don't have. After a restored backup it may be a payout that is still unpaid by the books; one that paid nothing of ours
is accounted for here, with a reason.
"""

from app.audit import service as audit
from app.core import clock, database
from app.networks.registry import Networks, UnknownNetwork
from app.signer import account_book_repository, coin_adoption, repository
from app.signer.refusal import NothingToAccountFor

__all__ = ["NothingToAccountFor", "account_for"]


async def account_for(networks: Networks, key: str, txid: str, operator_id: str, reason: str) -> None:
    """Store that a transaction is accounted for, with an audit record. The caller has made sure who the operator is.

    It must be in a final block. Raises NothingToAccountFor, NetworkError.
    """
    if not reason.strip():
        raise NothingToAccountFor("a reason is required")
    try:
        network = networks.get(key)
    except UnknownNetwork:
        raise NothingToAccountFor(f"there is no network {key}") from None
    address = network.hot_wallet_address
    if address is None:
        raise NothingToAccountFor(f"network {key} has no hot wallet")
    if network.has_coins:
        await coin_adoption.account_for_move(network, networks.sender(key), txid, operator_id, reason)
        return
    final_height = await repository.scanned_height(key) + 1 - network.confirmations
    if network.require_finality:
        final_height = min(final_height, await networks.chain(key).finality())
    now = clock.now()
    async with database.transaction():
        if txid not in await account_book_repository.unknown(key, address):
            raise NothingToAccountFor("the signer does not stop at that transaction")
        if not await account_book_repository.account_for(key, address, txid, final_height, now):
            raise NothingToAccountFor("its block is not final yet: wait")
        await audit.record(
            actor=f"account:{operator_id}",
            action="hot_wallet.transaction_accounted_for",
            subject=key,
            merchant_id=None,
            address=None,
            details={"hot_wallet": address, "txid": txid, "reason": reason},
            now=now,
        )
