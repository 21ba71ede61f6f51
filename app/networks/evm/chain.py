"""The `Chain` of an EVM network: the transfers to our addresses in a range of blocks.

Tokens are found by their Transfer logs, the native coin by the transactions themselves. Both must be of the
same chain, although they come from several requests that different nodes may answer:

- each block is the parent of the next;
- the request for logs also asks for their last block, before and after, and it must be the one we hold:
  a node that lags behind returns no logs instead of an error;
- each log and each receipt names the hash of a block that we hold.

Answers that don't fit together raise `ChainMoved`; malformed ones raise `UnreadableAnswer`.

Native coins that a contract passes on within a transaction leave neither log nor top-level transaction; they
are read from the node's traces where it has them (traces.py), with an index from -2 downwards. Where it has
none, such money shows in the check of balances (signer/balance_check.py).
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from app.networks.config import Asset
from app.networks.evm import customer_fees, holdings, lookup, traces, wallets
from app.networks.evm.address import with_checksum
from app.networks.evm.config import EvmConfig
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.uri import native_uri, token_uri
from app.networks.evm.wire import TRANSFER_TOPIC, Quantity, WireBlock, WireHeader, WireLog, WireReceipt
from app.networks.http_node import AnswerTooLarge
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.port import (
    Block,
    BlockRef,
    ChainMoved,
    CustomerFee,
    Look,
    NodeUnavailable,
    OurAddresses,
    OurCoins,
    Pool,
    Settlement,
    TransactionState,
    Transfer,
    UnreadableAnswer,
    WalletPayment,
    WrongChain,
)

NATIVE_INDEX = -1  # Transfer.index of what a transaction itself carries; log indexes start at 0
HEADERS_PER_REQUEST = 100
FULL_BLOCKS_PER_REQUEST = 10  # a full block is up to 2 MB of JSON
RECEIPTS_PER_REQUEST = 100
MOST_REQUESTS = 4  # for full blocks at once: more only wait for each other's decoding, and are half of all connections
_TRACE_METHODS: dict[str, traces.TraceMethod | None] = {
    "auto": None,
    "off": "none",
    "trace_block": "trace_block",
    "debug": "debug",
}
WORD_BYTES = 32


class Candidate(NamedTuple):
    """A transfer that may be to us; `place` is its `index`. Its addresses are in lower case: those of strangers, nearly
    all, stay so."""

    txid: str
    place: int
    asset_symbol: str
    receiver: str
    sender: str
    amount_raw: int
    block: BlockRef

    def transfer(self) -> Transfer:
        """The same with canonical addresses."""
        return Transfer(
            txid=self.txid,
            index=self.place,
            asset_symbol=self.asset_symbol,
            to_address=with_checksum(self.receiver),
            from_address=with_checksum(self.sender),
            amount_raw=self.amount_raw,
            block=self.block,
        )


class EvmChain:
    """`app.networks.port.Chain` for one configured EVM network."""

    def __init__(self, config: EvmConfig) -> None:
        self._config = config
        self._rpc = EvmRpc(config.rpc_urls, config.chain_id)
        self._native = config.native
        self._at_once = MOST_REQUESTS
        self._trace_method = _TRACE_METHODS[config.native_traces]
        self._tokens: dict[str, Asset] = {
            asset.contract.lower(): asset for asset in config.assets if asset.contract is not None
        }

    async def check_identity(self) -> None:
        stated = await self._rpc.chain_id()
        if stated != self._config.chain_id:
            raise WrongChain(f"{self._config.key}: the node is on chain {stated}, not {self._config.chain_id}")

    async def head_height(self) -> int:
        (height,) = await self._rpc.ask([Call[str]("eth_blockNumber", (), Quantity)])
        return int(height, 16)

    async def look(self, height: int) -> Look:
        calls: list[Call[Any]] = [Call("eth_blockNumber", (), Quantity), _header_call(max(height, 0))]
        head, header = await self._rpc.ask(calls)  # which checks the identity too
        head_height = int(head, 16)
        if height > head_height:
            return Look(head_height, await self.block_ref(head_height))
        return Look(head_height, None if header is None or height < 0 else _block_ref(header, height))

    async def block_ref(self, height: int) -> BlockRef | None:
        (header,) = await self._rpc.ask([_header_call(height)])
        return None if header is None else _block_ref(header, height)

    async def blocks(self, first: int, last: int, ours: OurAddresses, our_coins: OurCoins | None = None) -> list[Block]:
        if not 0 <= first <= last:
            raise ValueError("a range of blocks begins at 0 or later and ends no earlier than it begins")
        refs, candidates = await self._read(first, last)
        for parent, child in pairwise(refs):
            if child.parent_hash != parent.hash:
                raise ChainMoved(f"block {child.height} is not the child of the block before it")
        known = await ours({candidate.receiver for candidate in candidates}) if candidates else frozenset()
        receivers = {address.lower() for address in known}
        to_us = await self._successful([each.transfer() for each in candidates if each.receiver in receivers])

        by_hash: dict[str, list[Transfer]] = {ref.hash: [] for ref in refs}
        for transfer in to_us:
            by_hash[transfer.block.hash].append(transfer)
        return [Block(ref, tuple(sorted(by_hash[ref.hash], key=_index))) for ref in refs]

    async def pool(self, ours: OurAddresses) -> Pool | None:
        """None: an EVM node's pool says nothing of what a transaction will do."""
        return None

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        """Of transactions that claim a nonce, as `transaction` says: those whose nonce another one has used."""
        return await lookup.replaced(self._rpc, spends)

    async def transaction(self, txid: str, block_hash: str | None = None) -> TransactionState:
        return await lookup.state(self._rpc, txid, self._native, self._tokens)

    async def token_name(self, contract: str) -> str | None:
        return await lookup.token_name(self._rpc, contract)

    async def finality(self) -> int:
        """The block that the node calls `finalized` (proof of stake); without one, as on a chain of another kind, the
        newest with the network's confirmations."""
        calls: list[Call[Any]] = [
            Call("eth_blockNumber", (), Quantity),
            Call("eth_getBlockByNumber", ("finalized", False), WireHeader | None),
        ]
        try:
            head, final = await self._rpc.ask(calls)
        except RefusedByNode:
            head, final = hex(await self.head_height()), None
        if final is not None:
            return int(final.number, 16)
        return max(int(head, 16) - self._config.confirmations + 1, -1)

    async def balances_raw(self, addresses: Sequence[str], asset_symbol: str, height: int) -> dict[str, int]:
        asset = self._config.asset(asset_symbol)
        if asset is None:
            raise LookupError(f"{asset_symbol} on {self._config.key}")
        return await holdings.balances_raw(self._rpc, asset, addresses, height)

    async def settlements(self, txids: Collection[str]) -> dict[str, Settlement]:
        return await holdings.settlements(self._rpc, self._native, self._tokens, txids)

    async def customer_fees(self) -> list[CustomerFee]:
        return await customer_fees.customer_fees(self._rpc, self._config)

    async def traces_native(self) -> bool:
        if self._trace_method is None:
            self._trace_method = await traces.find_trace_method(self._rpc)
        return self._trace_method != "none"

    def payment_uri(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """EIP-681. Raises LookupError where the network doesn't have the asset."""
        asset = self._config.asset(asset_symbol)
        if asset is None:
            raise LookupError(f"{asset_symbol} on {self._config.key}")
        if asset.contract is None:
            return native_uri(address, self._config.chain_id, amount_raw)
        return token_uri(asset.contract, address, self._config.chain_id, amount_raw)

    def qr_text(self, address: str, asset_symbol: str, amount_raw: int) -> str:
        """The address alone. Exchanges' apps read nothing else, and some wallets take the token's contract, with which
        an EIP-681 link begins, for the recipient: that money is lost."""
        return address

    def wallet_payment(self, address: str, asset_symbol: str, amount_raw: int) -> WalletPayment:
        """For EIP-1193. Raises LookupError where the network doesn't have the asset."""
        asset = self._config.asset(asset_symbol)
        if asset is None:
            raise LookupError(f"{asset_symbol} on {self._config.key}")
        return wallets.wallet_payment(self._config, asset, address, amount_raw)

    def derive_address(self, index: int) -> str:
        return self._config.receiving_address(index)

    async def aclose(self) -> None:
        await self._rpc.aclose()

    async def _read(self, first: int, last: int) -> tuple[list[BlockRef], list[Candidate]]:
        """The range's blocks, and what moves coins and tokens in them. Several requests are under way at once, fewer
        after one has failed: the node may not bear so many. Of a block only what counts is kept until the others are
        read."""
        per_request = FULL_BLOCKS_PER_REQUEST if self._native else HEADERS_PER_REQUEST
        ranges = [range(start, min(start + per_request, last + 1)) for start in range(first, last + 1, per_request)]
        gate = asyncio.Semaphore(self._at_once)

        async def read(heights: range) -> tuple[list[BlockRef], list[Candidate]]:
            async with gate:
                return await self._read_some(heights)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(read(heights)) for heights in ranges]
        except ExceptionGroup as errors:
            if errors.subgroup(NodeUnavailable) is not None:
                self._at_once = max(1, self._at_once // 2)
            raise errors.exceptions[0] from None
        self._at_once = min(MOST_REQUESTS, self._at_once + 1)
        parts = [task.result() for task in tasks]
        return [ref for refs, _ in parts for ref in refs], [each for _, candidates in parts for each in candidates]

    async def _read_some(self, heights: range) -> tuple[list[BlockRef], list[Candidate]]:
        """Blocks of one request, with transactions where the native coin is an asset here, and with their logs."""
        call = _full_block_call if self._native else _header_call
        blocks: list[Call[Any]] = [call(height) for height in heights]
        logs: list[WireLog] | None = None
        if self._tokens:
            first, last = heights[0], heights[-1]
            try:
                *wires, logs, after = await self._rpc.ask([*blocks, self._logs_call(first, last), _header_call(last)])
            except (RefusedByNode, AnswerTooLarge):
                wires = await self._rpc.ask(blocks)  # and the logs in smaller parts below
        else:
            wires = await self._rpc.ask(blocks)
        for height, wire in zip(heights, wires, strict=True):
            if wire is None:
                raise ChainMoved(f"the node has no block {height}")
        refs = [_block_ref(wire, height) for height, wire in zip(heights, wires, strict=True)]
        candidates = list(self._native_transfers(wires, refs))
        if self._native is not None and await self.traces_native():
            candidates += await self._inner_transfers(wires, refs)
        if self._tokens:
            if logs is None:
                logs = await self._logs(refs)
            else:
                _check_still_there(refs[-1], after)
            candidates += self._token_transfers(logs, {ref.hash: ref for ref in refs})
        return refs, candidates

    def _native_transfers(self, wires: Sequence[WireHeader], refs: Sequence[BlockRef]) -> Iterator[Candidate]:
        """What each transaction carries in native coin, whether it succeeded or not."""
        if self._native is None:
            return
        for wire, ref in zip(wires, refs, strict=True):
            assert isinstance(wire, WireBlock)
            for transaction in wire.transactions:
                if transaction.block_hash.lower() != ref.hash:
                    raise UnreadableAnswer(f"block {ref.height} lists a transaction of another block")
                amount_raw = int(transaction.value, 16)
                if amount_raw and transaction.to is not None:
                    yield Candidate(
                        transaction.hash.lower(),
                        NATIVE_INDEX,
                        self._native.symbol,
                        transaction.to.lower(),
                        transaction.from_.lower(),
                        amount_raw,
                        ref,
                    )

    async def _inner_transfers(self, wires: Sequence[WireHeader], refs: Sequence[BlockRef]) -> list[Candidate]:
        """What contracts passed on in native coin. A failed transaction's calls were undone, so all succeeded."""
        assert self._native is not None
        assert self._trace_method is not None
        blocks = [wire for wire in wires if isinstance(wire, WireBlock)]
        return [
            Candidate(
                movement.txid,
                movement.index,
                self._native.symbol,
                movement.to_address,
                movement.from_address,
                movement.amount_raw,
                ref,
            )
            for ref, moved in zip(refs, await traces.movements(self._rpc, self._trace_method, blocks), strict=True)
            for movement in moved
        ]

    async def _logs(self, refs: Sequence[BlockRef]) -> list[WireLog]:
        """The Transfer logs of our tokens in blocks that we hold, from a node that holds them too."""
        last = refs[-1]
        calls: list[Call[Any]] = [
            _header_call(last.height),
            self._logs_call(refs[0].height, last.height),
            _header_call(last.height),
        ]
        try:
            before, logs, after = await self._rpc.ask(calls)
        except (RefusedByNode, AnswerTooLarge):
            # Nodes bound the number of logs, of blocks, or both, each in its own words.
            if len(refs) == 1:
                raise
            middle = len(refs) // 2
            return [*await self._logs(refs[:middle]), *await self._logs(refs[middle:])]
        for header in (before, after):
            _check_still_there(last, header)
        return list(logs)

    def _logs_call(self, first: int, last: int) -> Call[list[WireLog]]:
        wanted = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": list(self._tokens),
            "topics": [TRANSFER_TOPIC],
        }
        return Call("eth_getLogs", (wanted,), list[WireLog])

    def _token_transfers(self, logs: Sequence[WireLog], refs: dict[str, BlockRef]) -> Iterator[Candidate]:
        seen: set[tuple[str, int]] = set()
        for log in logs:
            txid, index = log.transaction_hash.lower(), int(log.log_index, 16)
            asset = self._tokens.get(log.address.lower())
            if asset is None or not log.topics or log.topics[0].lower() != TRANSFER_TOPIC:
                raise UnreadableAnswer(f"transaction {txid}: a log that was not asked for")
            if log.removed:
                raise ChainMoved(f"transaction {txid}: its block has been taken back")
            ref = refs.get(log.block_hash.lower())
            if ref is None:
                raise ChainMoved(f"transaction {txid}: its block is not one that was read before")
            if int(log.block_number, 16) != ref.height or (ref.hash, index) in seen:
                raise UnreadableAnswer(f"transaction {txid}: its log contradicts the others")
            seen.add((ref.hash, index))
            if len(log.topics) != 3:
                continue  # the same name with other indexed arguments: an NFT's (ERC-721), not an amount
            if len(log.data) != 2 + 2 * WORD_BYTES:
                raise UnreadableAnswer(f"transaction {txid}: a transfer whose amount is not 32 bytes")
            amount_raw = int(log.data, 16)
            if amount_raw:
                receiver, sender = _address_of(log.topics[2], txid), _address_of(log.topics[1], txid)
                yield Candidate(txid, index, asset.symbol, receiver, sender, amount_raw, ref)

    async def _successful(self, transfers: Sequence[Transfer]) -> list[Transfer]:
        """Without the native transfers that failed. A log exists only where its transaction succeeded."""
        native = [transfer for transfer in transfers if transfer.index == NATIVE_INDEX]
        failed: set[str] = set()
        for start in range(0, len(native), RECEIPTS_PER_REQUEST):
            some = native[start : start + RECEIPTS_PER_REQUEST]
            receipts = await self._rpc.ask([_receipt_call(transfer.txid) for transfer in some])
            for transfer, receipt in zip(some, receipts, strict=True):
                if receipt is None or receipt.block_hash.lower() != transfer.block.hash:
                    raise ChainMoved(f"transaction {transfer.txid}: it is not in its block any more")
                if receipt.transaction_hash.lower() != transfer.txid or receipt.status not in ("0x0", "0x1"):
                    raise UnreadableAnswer(f"transaction {transfer.txid}: the receipt is not one of it")
                if receipt.status == "0x0":
                    failed.add(transfer.txid)
        return [t for t in transfers if t.index != NATIVE_INDEX or t.txid not in failed]


def _index(transfer: Transfer) -> int:
    return transfer.index


def _header_call(height: int) -> Call[WireHeader | None]:
    return Call("eth_getBlockByNumber", (hex(height), False), WireHeader | None)


def _full_block_call(height: int) -> Call[WireHeader | None]:
    return Call("eth_getBlockByNumber", (hex(height), True), WireBlock | None)


def _receipt_call(txid: str) -> Call[WireReceipt | None]:
    return Call("eth_getTransactionReceipt", (txid,), WireReceipt | None)


def _check_still_there(ref: BlockRef, header: WireHeader | None) -> None:
    """Raise ChainMoved unless the node, asked together with the logs, has the block that we hold."""
    if header is None or header.hash.lower() != ref.hash:
        raise ChainMoved(f"block {ref.height} was another one when its logs were read")


def _block_ref(wire: WireHeader, height: int) -> BlockRef:
    if int(wire.number, 16) != height:
        raise UnreadableAnswer(f"block {height} was asked for, block {int(wire.number, 16)} came")
    try:
        time = datetime.fromtimestamp(int(wire.timestamp, 16), UTC)
    except (ValueError, OverflowError, OSError):
        raise UnreadableAnswer(f"block {height}: its time is out of bounds") from None
    return BlockRef(height=height, hash=wire.hash.lower(), parent_hash=wire.parent_hash.lower(), time=time)


def _address_of(topic: str, txid: str) -> str:
    """The address in a log's topic, where it stands at the end of 32 bytes; in lower case."""
    if int(topic[2:26], 16) != 0:
        raise UnreadableAnswer(f"transaction {txid}: a topic that is not an address")
    return "0x" + topic[26:].lower()
