"""What reconciliation asks of an EVM chain: who holds how much at a block, and what became of transactions."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.networks.config import Asset
from app.networks.evm.address import with_checksum
from app.networks.evm.rpc import Call, EvmRpc
from app.networks.evm.wire import Address, Hash, Quantity, WireLog, WireTransaction
from app.networks.port import SentTransfer, Settlement, UnreadableAnswer

CALLS_PER_REQUEST = 100
"""What common nodes take in one batch."""

BALANCE_OF = "0x70a08231"  # keccak256("balanceOf(address)"), its first four bytes
TRANSFER_TOPIC = (
    "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"  # Transfer(address,address,uint256)
)

TXID = re.compile(r"0x[0-9a-fA-F]{64}")

# eth_call gives at least the 32 bytes of a uint256; no contract at the address gives none.
Word = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{64}\Z")]


class WireSettledReceipt(msgspec.Struct, frozen=True, rename="camel"):
    """A receipt with its logs and what it cost. Chains above another one add `l1Fee` (OP stack)."""

    transaction_hash: Hash
    block_hash: Hash
    block_number: Quantity
    status: Quantity
    gas_used: Quantity
    logs: list[WireLog]
    from_: Address = msgspec.field(name="from")
    effective_gas_price: Quantity = "0x0"
    l1_fee: Quantity | None = msgspec.field(name="l1Fee", default=None)


async def balances_raw(rpc: EvmRpc, asset: Asset, addresses: Sequence[str], height: int) -> dict[str, int]:
    """What each address holds of `asset` at the end of block `height`."""
    held: dict[str, int] = {}
    for start in range(0, len(addresses), CALLS_PER_REQUEST):
        some = addresses[start : start + CALLS_PER_REQUEST]
        answers = await rpc.ask([_balance_call(asset, address, height) for address in some])
        held.update(zip(some, (int(answer, 16) for answer in answers), strict=True))
    return held


async def settlements(
    rpc: EvmRpc, native: Asset | None, tokens: Mapping[str, Asset], txids: Collection[str]
) -> dict[str, Settlement]:
    """What became of those transactions that are in a block; `tokens` are the assets by contract in lower case."""
    wanted = [txid for txid in txids if TXID.fullmatch(txid)]  # a node refuses a whole batch for one that is none
    settled: dict[str, Settlement] = {}
    for start in range(0, len(wanted), CALLS_PER_REQUEST // 2):
        some = wanted[start : start + CALLS_PER_REQUEST // 2]
        calls: list[Call[Any]] = [Call("eth_getTransactionReceipt", (t,), WireSettledReceipt | None) for t in some]
        calls += [Call("eth_getTransactionByHash", (t,), WireTransaction | None) for t in some if native]
        answers = await rpc.ask(calls)
        receipts, transactions = answers[: len(some)], answers[len(some) :] or [None] * len(some)
        for txid, receipt, transaction in zip(some, receipts, transactions, strict=True):
            if receipt is None:
                continue
            if receipt.transaction_hash.lower() != txid.lower():
                raise UnreadableAnswer(f"transaction {txid}: the receipt is not one of it")
            settled[txid] = _settlement(receipt, transaction, native, tokens)
    return settled


def _balance_call(asset: Asset, address: str, height: int) -> Call[str]:
    if asset.contract is None:
        return Call("eth_getBalance", (address, hex(height)), Quantity)
    data = BALANCE_OF + address.removeprefix("0x").lower().rjust(64, "0")
    return Call("eth_call", ({"to": asset.contract, "data": data}, hex(height)), Word)


def _settlement(
    receipt: WireSettledReceipt, transaction: WireTransaction | None, native: Asset | None, tokens: Mapping[str, Asset]
) -> Settlement:
    succeeded = receipt.status == "0x1"
    transfers = []
    if succeeded and native and transaction is not None and transaction.to is not None and int(transaction.value, 16):
        transfers.append(
            SentTransfer(
                native.symbol,
                with_checksum(transaction.from_.lower()),
                with_checksum(transaction.to.lower()),
                int(transaction.value, 16),
            )
        )
    for log in receipt.logs:
        asset = tokens.get(log.address.lower())
        if asset is None or len(log.topics) != 3 or log.topics[0].lower() != TRANSFER_TOPIC or len(log.data) != 66:
            continue
        sender, recipient = (with_checksum("0x" + topic[-40:].lower()) for topic in log.topics[1:])
        transfers.append(SentTransfer(asset.symbol, sender, recipient, int(log.data, 16)))
    gas_cost_raw = int(receipt.gas_used, 16) * int(receipt.effective_gas_price, 16) + int(receipt.l1_fee or "0x0", 16)
    return Settlement(
        height=int(receipt.block_number, 16),
        block_hash=receipt.block_hash.lower(),
        succeeded=succeeded,
        gas_cost_raw=gas_cost_raw,
        transfers=tuple(transfers),
    )
