"""What an EVM node says of any transaction now (`Chain.transaction`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.networks.config import Asset
from app.networks.evm.address import with_checksum
from app.networks.evm.config import GAS_PER_RATE
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import (
    TRANSFER_TOPIC,
    Data,
    Quantity,
    WireAnyReceipt,
    WireAnyTransaction,
    WireHeader,
    WireLog,
)
from app.networks.http_node import NobodyAnswered
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.port import UNKNOWN_TRANSACTION, Moved, TransactionState, UnreadableAnswer
from app.networks.token_names import NAME_GAS, SYMBOL_SELECTOR, symbol_of

MOST_MOVES = 1_000
"""Transfers that are read of one transaction: a block's gas allows some thousand."""

NATIVE_INDEX = -1
TRANSFER_CALL = "0xa9059cbb"  # keccak256("transfer(address,uint256)"), its first four bytes
TRANSFER_CALL_CHARACTERS = len(TRANSFER_CALL) + 2 * 64
AMOUNT_CHARACTERS = 2 + 64


async def state(rpc: EvmRpc, txid: str, native: Asset | None, tokens: Mapping[str, Asset]) -> TransactionState:
    """What the node says of a transaction, with two requests. `tokens`: assets by contract in lower case."""
    calls: list[Call[Any]] = [
        Call("eth_blockNumber", (), Quantity),
        Call("eth_getTransactionByHash", (txid,), WireAnyTransaction | None),
        Call("eth_getTransactionReceipt", (txid,), WireAnyReceipt | None),
        Call("eth_gasPrice", (), Quantity),
    ]
    head, sent, receipt, price = await rpc.ask(calls)
    if sent is None:
        return UNKNOWN_TRANSACTION
    if sent.hash.lower() != txid or (receipt is not None and receipt.transaction_hash.lower() != txid):
        raise UnreadableAnswer(f"transaction {txid}: the node answers with another one")
    nonce, sender = int(sent.nonce, 16), sent.from_.lower()
    header_call: Call[Any] = Call(
        "eth_getBlockByNumber", ("latest" if receipt is None else receipt.block_number, False), WireHeader | None
    )
    used_call: Call[Any] = Call("eth_getTransactionCount", (sender, "latest"), Quantity)
    header, used = await rpc.ask([header_call, used_call])
    if receipt is not None and header is not None and header.hash.lower() == receipt.block_hash.lower():
        height, succeeded = int(receipt.block_number, 16), receipt.status == "0x1"
        return TransactionState(
            state="mined",
            height=height,
            confirmations=max(int(head, 16) - height + 1, 1),
            succeeded=succeeded,
            moved=(*_carried(sent, native), *_logged(receipt.logs, tokens)) if succeeded else (),
        )
    if receipt is not None or sent.block_hash is not None:
        return UNKNOWN_TRANSACTION  # in a block that is no longer in the chain
    offered = sent.max_fee_per_gas or sent.gas_price
    return TransactionState(
        state="pooled",
        is_replaced=int(used, 16) > nonce,
        fee_rate_raw=None if offered is None else int(offered, 16) * GAS_PER_RATE,
        usual_fee_rate_raw=int(price, 16) * GAS_PER_RATE,
        claims=(f"nonce:{with_checksum(sender)}:{nonce}",),
        moved=(*_carried(sent, native), *_called(sent, tokens)),
    )


async def replaced(rpc: EvmRpc, claims: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
    """Of transactions with what they claim: those that are in no block though their nonce is used. No node names the
    other transaction."""
    asked = [(txid, *_nonce_of(claim)) for txid, each in claims.items() for claim in each]
    calls: list[Call[Any]] = [Call("eth_getTransactionCount", (address, "latest"), Quantity) for _, address, _ in asked]
    calls += [Call("eth_getTransactionReceipt", (txid,), WireAnyReceipt | None) for txid, _, _ in asked]
    answers = await rpc.ask(calls) if calls else []
    used, receipts = answers[: len(asked)], answers[len(asked) :]
    return {
        txid: None
        for (txid, _, nonce), count, receipt in zip(asked, used, receipts, strict=True)
        if int(count, 16) > nonce and receipt is None
    }


async def token_name(rpc: EvmRpc, contract: str) -> str | None:
    """What the contract of a token calls itself; None where it has no such function."""
    request = {"to": contract, "data": "0x" + SYMBOL_SELECTOR.hex(), "gas": hex(NAME_GAS)}
    call: Call[str] = Call("eth_call", (request, "latest"), Data)
    try:
        (answer,) = await rpc.ask([call])
    except (RefusedByNode, NobodyAnswered):
        return None
    return symbol_of(bytes.fromhex(answer[2:]))


def _carried(sent: WireAnyTransaction, native: Asset | None) -> Iterable[Moved]:
    """The native coin that the transaction itself carries."""
    amount_raw = int(sent.value, 16)
    if native is not None and sent.to is not None and amount_raw:
        yield Moved(
            index=NATIVE_INDEX,
            asset_symbol=native.symbol,
            to_address=with_checksum(sent.to.lower()),
            amount_raw=amount_raw,
            from_address=with_checksum(sent.from_.lower()),
        )


def _called(sent: WireAnyTransaction, tokens: Mapping[str, Asset]) -> Iterable[Moved]:
    """The transfer that a call of a token asks for."""
    if sent.to is None or not sent.input.startswith(TRANSFER_CALL) or len(sent.input) < TRANSFER_CALL_CHARACTERS:
        return
    words = sent.input[len(TRANSFER_CALL) :]
    yield from _token_move(0, sent.to, sent.from_, "0x" + words[24:64], int(words[64:128], 16), tokens)


def _logged(logs: Sequence[WireLog], tokens: Mapping[str, Asset]) -> Iterable[Moved]:
    """The transfers that contracts have logged, whichever contracts."""
    transfers = [log for log in logs if len(log.topics) == 3 and log.topics[0].lower() == TRANSFER_TOPIC]
    for log in transfers[:MOST_MOVES]:
        if len(log.data) == AMOUNT_CHARACTERS:
            sender, recipient = ("0x" + topic[-40:] for topic in log.topics[1:])
            yield from _token_move(int(log.log_index, 16), log.address, sender, recipient, int(log.data, 16), tokens)


def _token_move(
    index: int, contract: str, sender: str, recipient: str, amount_raw: int, tokens: Mapping[str, Asset]
) -> Iterable[Moved]:
    asset = tokens.get(contract.lower())
    if amount_raw:
        yield Moved(
            index=index,
            asset_symbol=None if asset is None else asset.symbol,
            to_address=with_checksum(recipient.lower()),
            amount_raw=amount_raw,
            from_address=with_checksum(sender.lower()),
            contract=with_checksum(contract.lower()),
        )


def _nonce_of(claim: str) -> tuple[str, int]:
    """Address and number of a claim."""
    _, address, nonce = claim.split(":")
    return address, int(nonce)
