"""What addresses hold on a Tron network, and the outcomes of transactions.

Nodes answer for their present state alone. What an address held at the end of an older block follows from the state at
the final block, less what the blocks between have moved, which are read.
"""

import asyncio
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from app.networks.config import Asset
from app.networks.port import BlockRef, ChainMoved, NodeUnavailable, SentTransfer, Settlement, UnreadableAnswer
from app.networks.tron.addresses import from_hex, to_hex, to_log
from app.networks.tron.blocks import ReadBlock, Rules, block_ref, read_transaction
from app.networks.tron.node import TronNodes, header_body
from app.networks.tron.reading import all_of
from app.networks.tron.wire import WireAccount, WireBlockHeader, WireConstantCall, WireInfo, WireTransaction

REQUESTS_AT_ONCE = 8
ADDRESSES_PER_LOOK = 40
"""Balances that are read between two looks at the final block, which are requests too."""

MOST_BLOCKS = 200
"""The most blocks between the final one and the one that is asked about: ten minutes."""

TRIES = 5

BALANCE_OF = "balanceOf(address)"
TXID = re.compile(r"[0-9a-f]{64}")
_WORD = re.compile(r"[0-9a-f]{64}")


class Reads(Protocol):
    """What is needed of a BlockReader."""

    async def read(self, first: int, last: int) -> list[ReadBlock]:
        """Blocks `first` to `last`."""


async def held_raw(nodes: TronNodes, root: str, asset: Asset, address: str) -> int:
    """What one address holds of an asset at the nodes' `root`: `wallet` now, `walletsolidity` at the final block.
    Staked, lent and unfreezing coin counts as held."""
    if asset.contract is None:
        account = await nodes.find(f"{root}/getaccount", {"address": to_hex(address)}, WireAccount)
        if account is None:
            return 0  # it does not exist: nobody has sent TRX to it yet
        if account.address != to_hex(address):
            raise UnreadableAnswer(f"the account {address} was asked for, another one came")
        return coin_raw(account)
    body = {
        "owner_address": to_hex(address),
        "contract_address": to_hex(asset.contract),
        "function_selector": BALANCE_OF,
        "parameter": to_log(address).rjust(64, "0"),
    }
    answer = await nodes.ask(f"{root}/triggerconstantcontract", body, WireConstantCall)
    result = answer.result
    if not result.result or result.code or result.message or len(answer.constant_result) != 1:
        raise NodeUnavailable(f"the balance of {address} in {asset.symbol} can't be read: {result.code or 'no answer'}")
    if not _WORD.fullmatch(answer.constant_result[0]):
        raise UnreadableAnswer(f"the balance of {address} in {asset.symbol} is no number")
    return int(answer.constant_result[0], 16)


def coin_raw(account: WireAccount) -> int:
    """All TRX of an account, in sun, however it is bound."""
    resource = account.account_resource
    return (
        account.balance
        + sum(frozen.amount for frozen in account.frozen_v2)
        + sum(unfrozen.unfreeze_amount for unfrozen in account.unfrozen_v2)
        + account.delegated_frozen_v2_balance_for_bandwidth
        + resource.delegated_frozen_v2_balance_for_energy
        + sum(frozen.frozen_balance for frozen in account.frozen)
        + resource.frozen_balance_for_energy.frozen_balance
        + account.delegated_frozen_balance_for_bandwidth
        + resource.delegated_frozen_balance_for_energy
    )


async def balances_raw(
    nodes: TronNodes, reader: Reads, asset: Asset, addresses: Sequence[str], height: int
) -> dict[str, int]:
    """What each address holds of an asset at the end of block `height`. Raises NodeUnavailable where that is too far
    from the final block, ChainMoved."""
    gate = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def state_raw(address: str) -> int:
        async with gate:
            return await held_raw(nodes, "walletsolidity", asset, address)

    held: dict[str, int] = {}
    missing = list(dict.fromkeys(addresses))
    rounds = 0
    while missing:
        some = missing[:ADDRESSES_PER_LOOK]
        before = await final_block(nodes)
        states = await all_of([state_raw(address) for address in some])
        after = await final_block(nodes)
        # A state is of some block from `before` to `after`: which one is no matter where nothing has moved.
        moved = await _changes(reader, asset, some, before, after.height)
        changes = await _changes(reader, asset, some, before, height)
        for address, read_raw in zip(some, states, strict=True):
            if address not in moved:
                held[address] = read_raw + changes.get(address, 0)
        missing = [address for address in missing if address not in held]
        rounds += bool(moved)
        if rounds == TRIES:
            raise ChainMoved("balances change faster than they can be read")
    return held


async def final_block(nodes: TronNodes) -> BlockRef:
    """The newest final block that the nodes know."""
    wire = await nodes.ask("walletsolidity/getblock", {"detail": False}, WireBlockHeader)
    return block_ref(wire)


async def settlements(nodes: TronNodes, rules: Rules, txids: Collection[str]) -> dict[str, Settlement]:
    """The outcome of those transactions that are in a block, by txid."""
    wanted = [txid for txid in dict.fromkeys(txids) if TXID.fullmatch(txid)]
    settled: dict[str, Settlement] = {}
    for start in range(0, len(wanted), REQUESTS_AT_ONCE):
        some = wanted[start : start + REQUESTS_AT_ONCE]
        found = await all_of([_settlement(nodes, rules, txid) for txid in some])
        settled |= {txid: each for txid, each in zip(some, found, strict=True) if each is not None}
    return settled


async def _settlement(nodes: TronNodes, rules: Rules, txid: str) -> Settlement | None:
    info = await nodes.find("wallet/gettransactioninfobyid", {"value": txid}, WireInfo)
    if info is None:
        return None
    transaction = await nodes.find("wallet/gettransactionbyid", {"value": txid}, WireTransaction)
    header = await nodes.find("wallet/getblock", header_body(info.block_number), WireBlockHeader)
    if transaction is None or header is None:
        raise ChainMoved(f"transaction {txid}: its block is not there any more")
    if info.id != txid or transaction.txid != txid:
        raise UnreadableAnswer(f"transaction {txid}: the node answers with another one")
    ref, data = block_ref(header), header.block_header.raw_data
    if (data.number, data.timestamp) != (info.block_number, info.block_time_stamp):
        raise ChainMoved(f"transaction {txid}: its block is another one now")
    read = read_transaction(transaction, info, rules)
    return Settlement(
        height=ref.height,
        block_hash=ref.hash,
        succeeded=read.succeeded,
        fee_raw=info.fee,
        transfers=tuple(
            SentTransfer(move.asset_symbol, from_hex(move.sender), from_hex(move.receiver), move.amount_raw)
            for move in read.moves
        ),
    )


async def _changes(
    reader: Reads, asset: Asset, addresses: Sequence[str], state: BlockRef, height: int
) -> Mapping[str, int]:
    """What turns balances at the end of the block `state` into those at the end of block `height`, by address."""
    low, high = sorted((state.height, height))
    if high - low > MOST_BLOCKS:
        raise NodeUnavailable(f"balances at block {height}: the nodes have those of block {state.height} alone")
    if low == high:
        return {}
    blocks = await reader.read(low + 1, high)
    at_state = blocks[0].ref.parent_hash if state.height == low else blocks[-1].ref.hash
    if at_state != state.hash:
        raise ChainMoved(f"block {state.height} is another one among the final blocks")
    digits = {to_hex(address): address for address in addresses}
    changes = dict.fromkeys(addresses, 0)
    for block in blocks:
        found = block.change_raw(digits, asset.symbol, is_coin=asset.contract is None)
        for each, change_raw in found.items():
            changes[digits[each]] += change_raw if state.height == low else -change_raw
    return {address: change_raw for address, change_raw in changes.items() if change_raw}
