"""Transactions of ours that are in blocks. Without an index a node finds a mined transaction only if it is told the
block, which our own scan knows."""

from collections.abc import Collection
from typing import Any

from embit.transaction import Transaction

from app.networks.bitcoin import signing
from app.networks.bitcoin.account import Account
from app.networks.bitcoin.rpc import BitcoinRpc
from app.networks.bitcoin.wire import NOT_FOUND, WireMined, WireMinedHeader, satoshi
from app.networks.json_rpc import Call
from app.networks.port import MinedIn, NodeUnavailable, NotATransfer, SentTransfer, UnreadableAnswer
from app.networks.sending import Receipt

TRANSACTIONS_PER_REQUEST = 50


async def receipts(
    rpc: BitcoinRpc, account: Account, asset_symbol: str, mined_in: MinedIn, txids: Collection[str]
) -> dict[str, Receipt]:
    """The receipts of those transactions of ours that are in a block of the node's chain, by txid. Raises as `Chain`,
    and NotATransfer."""
    blocks = list((await mined_in(txids)).items()) if txids else []
    found: dict[str, Receipt] = {}
    for start in range(0, len(blocks), TRANSACTIONS_PER_REQUEST):
        some = blocks[start : start + TRANSACTIONS_PER_REQUEST]
        calls: list[Call[Any]] = [_header_call(block_hash) for _, block_hash in some]
        answers = await rpc.ask([*calls, *(_mined_call(txid, block_hash) for txid, block_hash in some)])
        headers, mined_ones = answers[: len(some)], answers[len(some) :]
        for (txid, block_hash), header, mined in zip(some, headers, mined_ones, strict=True):
            if header is None or mined is None or header.confirmations < 1:
                continue  # its block is no longer in the chain, and our scan doesn't know that yet
            if mined.fee is None:
                raise NodeUnavailable(f"transaction {txid}: the node no longer has what it spends")
            found[txid] = Receipt(
                height=header.height,
                block_hash=block_hash,
                succeeded=True,
                fee_raw=satoshi(mined.fee),
                transfers=tuple(_transfers(account, asset_symbol, txid, mined.hex)),
                confirmations=header.confirmations,
            )
    return found


def decoded(txid: str, digits: str) -> Transaction:
    """The transaction of these hexadecimal digits. Raises NotATransfer, and UnreadableAnswer for another one's."""
    try:
        transaction = signing.decoded(bytes.fromhex(digits))
    except NotATransfer as error:
        raise NotATransfer(f"transaction {txid}: {error}") from None
    if transaction.txid().hex() != txid:
        raise UnreadableAnswer(f"transaction {txid}: the node answers with another one")
    return transaction


def _transfers(account: Account, asset_symbol: str, txid: str, digits: str) -> list[SentTransfer]:
    """What the outputs with an address receive, from the bytes that have this id."""
    return [
        SentTransfer(payment.asset_symbol, None, payment.to_address, payment.amount_raw)
        for payment in signing.payments(account, decoded(txid, digits).vout, asset_symbol)
    ]


def _header_call(block_hash: str) -> Call[WireMinedHeader | None]:
    return Call("getblockheader", (block_hash,), WireMinedHeader, frozenset({NOT_FOUND}))


def _mined_call(txid: str, block_hash: str) -> Call[WireMined | None]:
    return Call("getrawtransaction", (txid, 2, block_hash), WireMined, frozenset({NOT_FOUND}))
