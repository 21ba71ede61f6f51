"""Statements on `wallet_nonces`: the next nonce of each address that we send from."""

from piccolo.columns.combination import WhereRaw

from app.core import database
from app.core.statement import Command, Param, Statement, insert
from app.withdrawals.tables import WalletNonce

_IS_NONCE_OF = (WalletNonce.network == Param("network")) & (WalletNonce.address == Param("address"))


async def lock_nonce(network: str, address: str, chain_nonce: int) -> int:
    """Lock the nonce of an address and return the next one; `set_nonce` steps it. Needs the caller's transaction.

    `chain_nonce` is how many transactions of the address are in blocks: a deposit address that somebody else has
    emptied follows the chain. For the hot wallet the signer refuses that (signing.py). It never goes back.
    """
    database.in_transaction()
    await _ADD_NONCE.run(network=network, address=address, next_nonce=chain_nonce)
    return max(await _LOCK_NONCE.one(network=network, address=address), chain_nonce)


_ADD_NONCE = Command(insert(WalletNonce).on_conflict(action="DO NOTHING"))
_LOCK_NONCE = Statement(WalletNonce.select(WalletNonce.next_nonce).where(_IS_NONCE_OF).lock_rows("UPDATE"), int)


async def next_nonce(network: str, address: str) -> int:
    """The next nonce of an address by the books."""
    return await _NEXT_NONCE.first(network=network, address=address) or 0


_NEXT_NONCE = Statement(WalletNonce.select(WalletNonce.next_nonce).where(_IS_NONCE_OF), int)


async def adopt_nonce(network: str, address: str, nonce: int) -> bool:
    """Continue at `nonce`, which is the next one by the chain; False where the books are there already or further.

    Needs the caller's transaction, with the operator who has accounted for every transaction before it.
    """
    database.in_transaction()
    return bool(await _ADOPT_NONCE.run(network=network, address=address, next_nonce=nonce))


_ADOPT_NONCE = Command(
    insert(WalletNonce).on_conflict(
        target=(WalletNonce.network, WalletNonce.address),
        action="DO UPDATE",
        values=[WalletNonce.next_nonce],
        where=WhereRaw("{} < excluded.next_nonce", WalletNonce.next_nonce),
    )
)


async def set_nonce(network: str, address: str, nonce: int) -> None:
    """Write the next nonce of an address, in the transaction that has locked it."""
    database.in_transaction()
    await _SET_NONCE.run(network=network, address=address, nonce=nonce)


_SET_NONCE = Command(WalletNonce.update({WalletNonce.next_nonce: Param("nonce")}).where(_IS_NONCE_OF))
