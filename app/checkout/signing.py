"""Payments that a wallet in the browser only signs: made before it, checked and sent after it.

On a chain whose wallets send by themselves there is none of this. The page's script asks, and gets either what it needs
or the name of the sentence to show (`browser_wallets.py`).
"""

from datetime import datetime
from typing import Any

from app.core.errors import ApiError, Code, invalid
from app.deposits import blocks_repository
from app.networks.config import NetworkConfig
from app.networks.port import NetworkError, NotATransfer
from app.networks.registry import Networks
from app.networks.sending import Broadcast, Payment

BLOCKS_BELOW = 20
"""The block that a transaction names is so far below the newest one that no reorganisation takes it."""

_WORDS = {Broadcast.SHORT: "fee", Broadcast.REFUSED: "failed"}


async def prepared(
    networks: Networks, network: NetworkConfig, payment: Payment, account: str, now: datetime, until: datetime
) -> dict[str, Any]:
    """The `transaction` for the wallet of `account`, in no block after `until`; or a `word` why there is none.

    Raises INVALID_INPUT for an account that is none, NOT_FOUND where wallets of this chain send by themselves, and
    NETWORK_UNAVAILABLE before the first block is scanned.
    """
    wallets = networks.signing_wallets(network.key)
    if wallets is None:
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
    try:
        account = network.normalise_address(account)
    except ValueError as error:
        raise invalid("account", str(error)) from None
    block_hash = await _known_block(network.key)
    if not await _holds_enough(networks, network, account, payment):
        return {"word": "funds"}
    return {"transaction": wallets.unsigned(account, payment, block_hash, now, until)}


async def sent(
    networks: Networks, network: NetworkConfig, payment: Payment, raw_data: str, signature: str
) -> dict[str, Any]:
    """Give a signed transaction to a node, if it is exactly that payment. Returns its `txid`, or a `word` why not; the
    same bytes may be sent again. Raises NOT_FOUND as `prepared`, and NETWORK_UNAVAILABLE where no node answers."""
    wallets = networks.signing_wallets(network.key)
    if wallets is None:
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
    try:
        signed = wallets.signed(raw_data, signature, payment)
    except NotATransfer:
        return {"word": "changed"}
    try:
        answer = await networks.sender(network.key).broadcast(signed)
    except NetworkError:
        raise ApiError(Code.NETWORK_UNAVAILABLE, "no node answers now") from None
    return {"word": _WORDS[answer]} if answer in _WORDS else {"txid": signed.txid}


async def _known_block(network: str) -> str:
    cursor, block_hash = await blocks_repository.cursor(network), None
    if cursor is not None:
        height = max(cursor.start_height, cursor.scanned_height - BLOCKS_BELOW)
        block_hash = await blocks_repository.hash_at(network, height)
    if block_hash is None:
        raise ApiError(Code.NETWORK_UNAVAILABLE, "no block is scanned yet")
    return block_hash


async def _holds_enough(networks: Networks, network: NetworkConfig, account: str, payment: Payment) -> bool:
    """Whether the account holds the amount; True where no node says so: the chain itself will."""
    symbol = payment.asset_symbol
    try:
        held = await networks.account_sender(network.key).balances_raw([account], symbol)
    except NetworkError:
        return True
    return held[account] >= payment.amount_raw
