"""Reading blocks from the nodes of a Tron network, with as few requests as possible.

The newest block is asked for whole: it is the head and a block to read in one. Headers that lead to it, each the child
of the one below, are remembered, so what is asked about them again costs nothing.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import msgspec

from app.core import clock
from app.networks.http_node import AnswerTooLarge, NobodyAnswered
from app.networks.port import BlockRef, ChainMoved, NodeSyncing, NodeUnavailable, UnreadableAnswer
from app.networks.tron.blocks import ReadBlock, Rules, block_ref, read_block
from app.networks.tron.config import TronConfig
from app.networks.tron.node import TronNodes, header_body
from app.networks.tron.wire import WireBlock, WireBlockHeader, WireBlocks

NEAR_BLOCKS = 20
"""So many blocks below the head are read at once where the head has moved on: a minute without a look."""

BLOCKS_PER_REQUEST = 10
"""A full block is up to 1 MB; nodes give at most 100."""

REQUESTS_AT_ONCE = 8
STEPS_AT_ONCE = 3

KEPT_LINKS = 128
KEPT_BLOCKS = 64
"""Blocks whose moves are remembered, 0.1 MB each: more than are between the final block and the head."""

HEAD_S = 10.0
"""A head that was read longer ago is read again before something is said about the chain."""

LATE_INFOS_BLOCKS = 5
"""A block so far below the head has infos everywhere; for a newer one, the node may be a little behind."""

EMPTY_LIST = b"[]"

T = TypeVar("T")


class BlockReader:
    """The blocks of one network. Safe to share within one event loop."""

    def __init__(self, config: TronConfig, nodes: TronNodes, rules: Rules) -> None:
        self._config = config
        self._nodes = nodes
        self._rules = rules
        self._links: dict[int, BlockRef] = {}  # ends with the head, each the parent of the next
        self._head: BlockRef | None = None
        self._head_at_s = 0.0
        self._pending: dict[str, WireBlock] = {}  # by id: came with the head, not read yet
        self._recent: dict[str, ReadBlock] = {}
        self._gate = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._decoding = asyncio.Semaphore(1)  # each thread that computes makes the event loop wait for its turns

    async def head(self) -> BlockRef:
        """The newest block. Raises NodeSyncing where every node is behind."""
        wire = await self._nodes.ask("wallet/getnowblock", {}, WireBlock, check=partial(check_age, self._config))
        ref = block_ref(wire)
        below = self._links.get(ref.height - 1)
        if self._links.get(ref.height) != ref:
            if below is None or below.hash != ref.parent_hash:
                self._links, self._pending = {}, {}
            self._pending[ref.hash] = wire
        self._links = {height: link for height, link in self._links.items() if height < ref.height}
        self._links[ref.height] = ref
        self._head, self._head_at_s = ref, clock.monotonic_s()
        self._forget()
        return ref

    async def known_head(self) -> BlockRef:
        """The newest block, which is not asked for again if it was a moment ago."""
        if self._head is None or clock.monotonic_s() - self._head_at_s > HEAD_S:
            return await self.head()
        return self._head

    async def ref(self, height: int) -> BlockRef | None:
        """The block at a height of the head's chain, None above the head."""
        head = await self.known_head()
        if height > head.height:
            return None
        lowest = min(self._links)
        if height < lowest and head.height - height <= NEAR_BLOCKS:
            await self._read_down_to(height, lowest)
        elif height < lowest:
            return await self._header(height)
        return self._links[height]

    async def read(self, first: int, last: int) -> list[ReadBlock]:
        """Blocks `first` to `last`, each the parent of the next, and of the head's chain as far as that is known.
        Raises ChainMoved."""
        steps: list[tuple[int, int]] = []
        for height in range(first, last + 1):
            if self._known(height) is not None:
                continue
            if steps and steps[-1][1] == height - 1 and height - steps[-1][0] < BLOCKS_PER_REQUEST:
                steps[-1] = (steps[-1][0], height)
            else:
                steps.append((height, height))
        gate = asyncio.Semaphore(STEPS_AT_ONCE)

        async def step(bounds: tuple[int, int]) -> list[ReadBlock]:
            async with gate:
                return await self._read_wires(await self._wires(*bounds))

        known = {height: block for height in range(first, last + 1) if (block := self._known(height)) is not None}
        waiting = [self._pending[block.hash] for block in known.values() if isinstance(block, BlockRef)]
        parts = await all_of([self._read_wires(waiting), *(step(bounds) for bounds in steps)])
        read = {block.ref.height: block for part in parts for block in part}
        read |= {height: block for height, block in known.items() if isinstance(block, ReadBlock)}
        blocks = [read[height] for height in range(first, last + 1)]
        for parent, child in pairwise(block.ref for block in blocks):
            if child.parent_hash != parent.hash:
                raise ChainMoved(f"block {child.height} is not the child of the block before it")
        for block in blocks:
            link = self._links.get(block.ref.height)
            if link is not None and link.hash != block.ref.hash:
                raise ChainMoved(f"block {block.ref.height} is not the one that leads to the head")
            self._pending.pop(block.ref.hash, None)
            self._recent[block.ref.hash] = block
        self._link([block.ref for block in blocks])
        self._forget()
        return blocks

    def link(self, height: int) -> BlockRef | None:
        """The block of the head's chain at a height, where it is known without asking."""
        return self._links.get(height)

    def _known(self, height: int) -> ReadBlock | BlockRef | None:
        """A block that leads to the head: read already, or here to be read."""
        ref = self._links.get(height)
        if ref is None:
            return None
        return self._recent.get(ref.hash) or (ref if ref.hash in self._pending else None)

    async def _read_down_to(self, height: int, lowest: int) -> None:
        """Fetch the blocks from `height` to below the lowest known one, which they must lead to."""
        top = self._links[lowest]
        wires = await self._wires(height, lowest - 1)
        if self._links.get(lowest) != top:
            raise ChainMoved("the head has moved on meanwhile")
        refs = [block_ref(wire) for wire in wires]
        for parent, child in pairwise([*refs, top]):
            if child.parent_hash != parent.hash:
                raise ChainMoved(f"block {child.height} is not the child of the block before it")
        for wire, ref in zip(wires, refs, strict=True):
            self._links[ref.height] = ref
            if ref.hash not in self._recent:
                self._pending[ref.hash] = wire

    async def _header(self, height: int) -> BlockRef:
        wire = await self._nodes.find("wallet/getblock", header_body(height), WireBlockHeader)
        if wire is None:
            raise ChainMoved(f"the node has no block {height}")
        ref = self._checked_ref(wire, height)
        above = self._links.get(height + 1)
        if above is not None:
            if above.parent_hash != ref.hash:
                raise ChainMoved(f"block {above.height} is not the child of the block before it")
            self._links[height] = ref
        return ref

    async def _wires(self, first: int, last: int) -> list[WireBlock]:
        """Blocks from one request, or from several where they are too large for one."""
        body = {"startNum": first, "endNum": last + 1}
        try:
            async with self._gate:
                found = await self._nodes.find("wallet/getblockbylimitnext", body, WireBlocks)
        except AnswerTooLarge:
            if first == last:
                raise
            middle = (first + last) // 2
            return [*await self._wires(first, middle), *await self._wires(middle + 1, last)]
        wires = [] if found is None else found.block
        if len(wires) > last - first + 1:
            raise UnreadableAnswer(f"blocks {first} to {last} were asked for, more came")
        if len(wires) < last - first + 1:
            raise ChainMoved(f"the node has no block {first + len(wires)}")
        for height, wire in enumerate(wires, start=first):
            self._checked_ref(wire, height)
        return wires

    async def _read_wires(self, wires: Sequence[WireBlock]) -> list[ReadBlock]:
        """Blocks with their infos, decoded beside the event loop."""
        infos = await all_of([self._infos(wire) for wire in wires])

        def read() -> list[ReadBlock]:
            return [
                read_block(block_ref(wire), _transactions(wire), bytes(some), self._rules)
                for wire, some in zip(wires, infos, strict=True)
            ]

        if not wires:
            return []
        async with self._decoding:
            return await asyncio.to_thread(read)

    async def _infos(self, wire: WireBlock) -> msgspec.Raw:
        height = wire.block_header.raw_data.number
        is_empty = _transactions(wire) == EMPTY_LIST

        def check(label: str, infos: msgspec.Raw) -> None:
            if is_empty or bytes(infos).strip() != EMPTY_LIST:
                return
            if self._head is not None and height > self._head.height - LATE_INFOS_BLOCKS:
                raise NotThereYet(f"{label}: no infos of block {height} yet")
            raise NodeUnavailable(
                f"{label}: it has no infos of block {height}: they are kept with storage.transHistory.switch = on"
            )

        try:
            async with self._gate:
                infos = await self._nodes.find(
                    "wallet/gettransactioninfobyblocknum", {"num": height}, msgspec.Raw, check=check
                )
        except NodeUnavailable as error:
            failures = error.failures if isinstance(error, NobodyAnswered) else [error]
            if any(isinstance(failure, NotThereYet) for failure in failures):
                raise ChainMoved(str(error)) from None
            raise
        return msgspec.Raw(EMPTY_LIST) if infos is None else infos

    def _checked_ref(self, wire: WireBlockHeader, height: int) -> BlockRef:
        ref = block_ref(wire)
        if ref.height != height:
            raise UnreadableAnswer(f"block {height} was asked for, block {ref.height} came")
        return ref

    def _link(self, refs: Sequence[BlockRef]) -> None:
        """Remember blocks that lead to those which are remembered already."""
        for ref in reversed(refs):
            above = self._links.get(ref.height + 1)
            if ref.height not in self._links and above is not None and above.parent_hash == ref.hash:
                self._links[ref.height] = ref

    def _forget(self) -> None:
        """Keep what is near the head."""
        if self._head is None:
            return
        for height in [height for height in self._links if height <= self._head.height - KEPT_LINKS]:
            del self._links[height]
        here = {ref.hash for ref in self._links.values()}
        self._pending = {block_hash: wire for block_hash, wire in self._pending.items() if block_hash in here}
        while len(self._recent) > KEPT_BLOCKS:
            del self._recent[next(iter(self._recent))]


class NotThereYet(NodeUnavailable):
    """The node is a block or two behind the one that was asked before."""


def _transactions(wire: WireBlock) -> bytes:
    """A block's transactions as JSON. Those of block 0 are the chain's first balances, and have no infos."""
    return bytes(wire.transactions).strip() if wire.block_header.raw_data.number else EMPTY_LIST


async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """The results of works that run at the same time, in their order. When one fails, the others are stopped first."""
    tasks: list[asyncio.Future[Any]] = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


def check_age(config: TronConfig, label: str, newest: WireBlockHeader) -> None:
    """Raise NodeSyncing where a node's newest block is too old: the node is behind, or the chain stands still."""
    # The chain's time is that of its producers, whatever ours has been set to.
    age_s = (clock.unshifted_now() - block_ref(newest).time).total_seconds()
    if age_s > config.max_head_age_s:
        raise NodeSyncing(f"{label}: its newest block is {age_s:.0f} s old: it is behind, or the chain stands still")
