"""Balances and outcomes of transactions on an EVM chain, for the signer and for reconciliation."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from app.networks.config import Asset
from app.networks.contract_abi import encode
from app.networks.evm.address import with_checksum
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import TRANSFER_TOPIC, Quantity, WireSent, WireSettledReceipt
from app.networks.json_rpc import Call
from app.networks.port import SentTransfer, Settlement, UnreadableAnswer

CALLS_PER_REQUEST = 100
"""The number of calls that common nodes accept in one batch."""

BALANCE_OF_SELECTOR = bytes.fromhex("70a08231")  # keccak256("balanceOf(address)"), its first four bytes

TXID = re.compile(r"0x[0-9a-fA-F]{64}")

# eth_call gives at least the 32 bytes of a uint256; no contract at the address gives none.
Word = Annotated[str, Meta(pattern=r"\A0x[0-9a-fA-F]{64}\Z")]


async def balances_raw(rpc: EvmRpc, asset: Asset, addresses: Sequence[str], height: int | None) -> dict[str, int]:
    """What each address holds of `asset` at the end of block `height`, of the newest one where left out."""
    block = "latest" if height is None else hex(height)
    held: dict[str, int] = {}
    for start in range(0, len(addresses), CALLS_PER_REQUEST):
        some = addresses[start : start + CALLS_PER_REQUEST]
        answers = await rpc.ask([_balance_call(asset, address, block) for address in some])
        held.update(zip(some, (int(answer, 16) for answer in answers), strict=True))
    return held


async def settlements(
    rpc: EvmRpc, native: Asset | None, tokens: Mapping[str, Asset], txids: Collection[str]
) -> dict[str, Settlement]:
    """The outcome of those transactions that are in a block, by txid. `tokens`: assets by contract in lower case."""
    wanted = [txid for txid in txids if TXID.fullmatch(txid)]  # a node refuses a whole batch for one malformed id
    settled: dict[str, Settlement] = {}
    for start in range(0, len(wanted), CALLS_PER_REQUEST):
        some = wanted[start : start + CALLS_PER_REQUEST]
        found = await rpc.ask([_receipt_call(txid) for txid in some])
        receipts = {txid: receipt for txid, receipt in zip(some, found, strict=True) if receipt is not None}
        carried = await _carried(rpc, list(receipts)) if native else {}
        for txid, receipt in receipts.items():
            if receipt.transaction_hash.lower() != txid.lower() or receipt.status not in ("0x0", "0x1"):
                raise UnreadableAnswer(f"transaction {txid}: the receipt is not one of it")
            settled[txid] = _settlement(receipt, carried.get(txid), native, tokens)
    return settled


async def _carried(rpc: EvmRpc, txids: Sequence[str]) -> dict[str, WireSent]:
    """The transactions themselves: native coin that they carry is in no receipt."""
    calls: list[Call[Any]] = [Call("eth_getTransactionByHash", (txid,), WireSent | None) for txid in txids]
    found = await rpc.ask(calls) if calls else []
    return {txid: sent for txid, sent in zip(txids, found, strict=True) if sent is not None}


def _settlement(
    receipt: WireSettledReceipt, sent: WireSent | None, native: Asset | None, tokens: Mapping[str, Asset]
) -> Settlement:
    succeeded = receipt.status == "0x1"
    transfers = []
    if succeeded and native and sent is not None and sent.to is not None and int(sent.value, 16):
        transfers.append(
            SentTransfer(
                native.symbol,
                with_checksum(sent.from_.lower()),
                with_checksum(sent.to.lower()),
                int(sent.value, 16),
            )
        )
    for log in receipt.logs:
        asset = tokens.get(log.address.lower())
        if asset is None or len(log.topics) != 3 or log.topics[0].lower() != TRANSFER_TOPIC or len(log.data) != 66:
            continue
        sender, recipient = (with_checksum("0x" + topic[-40:].lower()) for topic in log.topics[1:])
        transfers.append(SentTransfer(asset.symbol, sender, recipient, int(log.data, 16)))
    # Rollups of the OP stack also charge for the data on the first layer.
    fee_raw = int(receipt.gas_used, 16) * int(receipt.effective_gas_price, 16) + int(receipt.l1_fee or "0x0", 16)
    return Settlement(
        height=int(receipt.block_number, 16),
        block_hash=receipt.block_hash.lower(),
        succeeded=succeeded,
        fee_raw=fee_raw,
        transfers=tuple(transfers),
    )


def _balance_call(asset: Asset, address: str, block: str) -> Call[str]:
    if asset.contract is None:
        return Call("eth_getBalance", (address, block), Quantity)
    data = BALANCE_OF_SELECTOR + encode(["address"], [address])
    return Call("eth_call", ({"to": asset.contract, "data": "0x" + data.hex()}, block), Word)


def _receipt_call(txid: str) -> Call[WireSettledReceipt | None]:
    return Call("eth_getTransactionReceipt", (txid,), WireSettledReceipt | None)
