"""Native coins that contracts pass on: read from a node's traces, as they leave neither log nor transaction.

There are two methods, and a node has one, both or none: `trace_block` (erigon, nethermind, reth, besu,
anvil) and `debug_traceBlockByHash` with the callTracer (geth and most others). Both list a transaction's calls
in the order in which they run; the movements of value among them are counted from 0 in that order, for all
recipients, so that movement k of a transaction has index -2 - k with both methods and at each reading.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import WireBlock, WireCall, WireTrace, WireTracedTransaction
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.port import ChainMoved, UnreadableAnswer

FIRST_INNER_INDEX = -2  # Transfer.index of a transaction's first inner movement; -1 is what it carries itself
BLOCKS_PER_REQUEST = 5  # traces of a full block are tens of MB on busy chains

TraceMethod = Literal["trace_block", "debug", "none"]


class Movement(msgspec.Struct, frozen=True):
    """Native coin that moved within a transaction and was not reverted."""

    txid: str
    index: int
    from_address: str
    to_address: str
    amount_raw: int


async def find_trace_method(rpc: EvmRpc) -> TraceMethod:
    """The method that the nodes support, tried on the newest block; `none` if they refuse both."""
    try:
        await rpc.ask([Call[Any]("trace_block", ("latest",), list[WireTrace])])
        return "trace_block"
    except RefusedByNode:
        pass
    try:
        await rpc.ask([Call[Any]("debug_traceBlockByNumber", ("latest", _TRACER), list[WireTracedTransaction])])
        return "debug"
    except RefusedByNode:
        return "none"


async def movements(rpc: EvmRpc, method: TraceMethod, blocks: Sequence[WireBlock]) -> list[list[Movement]]:
    """The inner movements of each block. Raises the node's errors, and `ChainMoved` for traces of other blocks."""
    if method == "none":
        return [[] for _ in blocks]
    found: dict[str, list[Movement]] = {}
    busy = [block for block in blocks if block.transactions]
    for start in range(0, len(busy), BLOCKS_PER_REQUEST):
        some = busy[start : start + BLOCKS_PER_REQUEST]
        if method == "trace_block":
            for block, traces in zip(some, await rpc.ask([_trace_call(b) for b in some]), strict=True):
                found[block.hash] = list(_of_traces(block, traces))
        else:
            for block, traced in zip(some, await rpc.ask([_debug_call(b) for b in some]), strict=True):
                found[block.hash] = list(_of_frames(block, traced))
    return [found.get(block.hash, []) for block in blocks]


_TRACER = {"tracer": "callTracer"}


def _trace_call(block: WireBlock) -> Call[list[WireTrace]]:
    return Call("trace_block", (block.number,), list[WireTrace])


def _debug_call(block: WireBlock) -> Call[list[WireTracedTransaction]]:
    return Call("debug_traceBlockByHash", (block.hash, _TRACER), list[WireTracedTransaction])


def _of_traces(block: WireBlock, traces: Sequence[WireTrace]) -> Iterator[Movement]:
    txids = {transaction.hash.lower() for transaction in block.transactions}
    by_txid: dict[str, list[WireTrace]] = {}
    for trace in traces:
        if trace.block_hash.lower() != block.hash.lower():
            raise ChainMoved(f"block {int(block.number, 16)} was another one when it was traced")
        if trace.transaction_hash is not None:
            by_txid.setdefault(trace.transaction_hash.lower(), []).append(trace)
    if set(by_txid) != txids:
        # Every transaction has at least one trace: this node doesn't trace this block.
        raise UnreadableAnswer(f"block {int(block.number, 16)}: the traces are not those of its transactions")
    for txid, own in by_txid.items():
        undone = {tuple(trace.trace_address) for trace in own if trace.error is not None}
        order = sorted(own, key=lambda trace: trace.trace_address)
        inner = (trace for trace in order if trace.trace_address and not _is_below(trace.trace_address, undone))
        yield from _numbered(txid, (_moved_by_trace(trace) for trace in inner))


def _is_below(address: Sequence[int], undone: set[tuple[int, ...]]) -> bool:
    """Whether a call, or one that it is part of, was undone."""
    return bool(undone) and any(tuple(address[:length]) in undone for length in range(len(address) + 1))


def _moved_by_trace(trace: WireTrace) -> tuple[str | None, str | None, str | None]:
    action = trace.action
    if trace.type == "call" and action.call_type == "call":
        return action.from_, action.to, action.value
    if trace.type == "create":
        return action.from_, trace.result.address if trace.result else None, action.value
    if trace.type in ("suicide", "selfdestruct"):
        return action.address, action.refund_address, action.balance
    return None, None, None


def _of_frames(block: WireBlock, traced: Sequence[WireTracedTransaction]) -> Iterator[Movement]:
    if len(traced) != len(block.transactions):
        raise UnreadableAnswer(f"block {int(block.number, 16)}: the traces are not those of its transactions")
    for transaction, trace in zip(block.transactions, traced, strict=True):
        txid = transaction.hash.lower()
        if trace.tx_hash is not None and trace.tx_hash.lower() != txid:
            raise UnreadableAnswer(f"block {int(block.number, 16)}: the traces are not in its transactions' order")
        if trace.result.error is None:
            yield from _numbered(txid, (_moved_by_frame(frame) for frame in _inner_frames(trace.result)))


def _inner_frames(top: WireCall) -> Iterator[WireCall]:
    """Every frame below `top` that wasn't undone, each before those that it called."""
    waiting = list(reversed(top.calls))
    while waiting:
        frame = waiting.pop()
        if frame.error is None:
            yield frame
            waiting.extend(reversed(frame.calls))


def _moved_by_frame(frame: WireCall) -> tuple[str | None, str | None, str | None]:
    # DELEGATECALL and CALLCODE state a value too, but move nothing.
    if frame.type in ("CALL", "CREATE", "CREATE2", "SELFDESTRUCT"):
        return frame.from_, frame.to, frame.value
    return None, None, None


def _numbered(txid: str, moved: Iterator[tuple[str | None, str | None, str | None]]) -> Iterator[Movement]:
    index = FIRST_INNER_INDEX
    for from_address, to_address, value in moved:
        amount_raw = int(value or "0x0", 16)
        if amount_raw and from_address is not None and to_address is not None:
            yield Movement(txid, index, from_address.lower(), to_address.lower(), amount_raw)
            index -= 1
