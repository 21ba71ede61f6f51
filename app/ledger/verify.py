"""Re-compute chains, from the database or from an export, to find the first wrong entry."""

import json
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import msgspec

from app.ledger import repository
from app.ledger.hashchain import (
    GENESIS_HASH,
    Anchor,
    ChainId,
    Entry,
    Fault,
    State,
    entry_fault,
    head_fault,
    state_after,
)

EXPORT_FORMAT = "swap-pay-ledger/1"

REPORTED_EACH = 5_000
"""Entries between two reports of a long verification."""


class Verification(msgspec.Struct, frozen=True):
    """The result of re-computing one chain. `seq` is the last entry that was read."""

    chain: ChainId
    seq: int
    head_hash: str
    fault: Fault | None


class UnreadableExport(Exception):
    """A file that is not an export of a ledger."""


async def verify_chain(head: repository.Head) -> Verification:
    """Re-compute one chain. Entries added while it is read are not checked."""
    async for reached in verify_stepwise(head):
        if isinstance(reached, Verification):
            return reached
    raise AssertionError("a verification always has a result")


async def verify_stepwise(head: repository.Head, state: State | None = None) -> AsyncIterator[State | Verification]:
    """Re-compute one chain from a state that was verified before, or from its beginning.

    Yields the state after every REPORTED_EACH entries, and the result at the end. Entries added while it is read are
    not checked.
    """
    state = state or State()
    async for entry in repository.entries(head.ledger, state.seq):
        if entry.seq > head.state.seq:
            current = await repository.head(head.chain)
            if current is not None and current.state.seq >= entry.seq:
                break  # posted since the head was read
        if fault := entry_fault(head.chain, state, entry):
            yield Verification(head.chain, state.seq, state.hash, fault)
            return
        state = state_after(entry)
        if state.seq % REPORTED_EACH == 0:
            yield state
    yield Verification(head.chain, state.seq, state.hash, head_fault(state, head.state))


async def verify_anchored(head: repository.Head, anchors: Sequence[Anchor], *, full: bool) -> Verification:
    """Re-compute one chain and compare it with its signed states (ledger/checkpoints.py).

    Without `full` it starts at the last signed state, so that the cost does not grow with the chain. Needs a
    snapshot (a REPEATABLE READ transaction of the caller), so that head and entries are of one moment. A chain
    that was rewritten and hashed again is consistent in itself but contradicts its anchors; the fault's `seq` is
    then the first that may have been changed: the one after the last anchor that agrees.
    """
    trusted = State()
    waiting = deque(anchors)
    if not full and anchors:
        last = anchors[-1]
        found = await repository.entry(head.ledger, last.state.seq)
        if found is None or state_after(found) != last.state:
            return await verify_anchored(head, anchors, full=True)  # to find the first wrong entry
        trusted, waiting = last.state, deque()
    state = trusted
    async for entry in repository.entries(head.ledger, state.seq):
        if fault := entry_fault(head.chain, state, entry):
            return Verification(head.chain, state.seq, state.hash, fault)
        state = state_after(entry)
        while waiting and waiting[0].state.seq <= state.seq:
            anchor = waiting.popleft()
            if anchor.state != state:
                return Verification(head.chain, state.seq, state.hash, _rewritten(trusted, anchor))
            trusted = state
    if waiting:
        return Verification(head.chain, state.seq, state.hash, _cut(state, waiting[0]))
    return Verification(head.chain, state.seq, state.hash, head_fault(state, head.state))


def _rewritten(trusted: State, anchor: Anchor) -> Fault:
    span = f"{trusted.seq + 1} to {anchor.state.seq}" if trusted.seq + 1 < anchor.state.seq else f"{anchor.state.seq}"
    problem = f"rewritten within seq {span}: checkpoint {anchor.checkpoint} signed another hash or balance"
    return Fault(trusted.seq + 1, problem)


def _cut(reached: State, anchor: Anchor) -> Fault:
    return Fault(reached.seq + 1, f"missing: checkpoint {anchor.checkpoint} signed seq {anchor.state.seq}")


async def verify_owned(chain: ChainId) -> Verification:
    """Re-compute one chain by its key; a chain without entries is valid."""
    head = await repository.head(chain)
    return Verification(chain, 0, GENESIS_HASH, None) if head is None else await verify_chain(head)


async def verify_all() -> AsyncIterator[Verification]:
    """Re-compute every chain."""
    for head in await repository.heads():
        yield await verify_chain(head)


async def export(head: repository.Head) -> AsyncIterator[str]:
    """The lines of an export: a header with the chain and its state, then one entry per line (docs/ledger.md)."""
    yield json.dumps(
        {
            "format": EXPORT_FORMAT,
            "merchant_id": head.chain.owner,
            "asset": head.chain.asset,
            "network": head.chain.network,
            "seq": head.state.seq,
            "available_raw": str(head.state.available_raw),
            "locked_raw": str(head.state.locked_raw),
            "hash": head.state.hash,
        }
    )
    async for entry in repository.entries(head.ledger):
        if entry.seq > head.state.seq:
            return
        yield msgspec.json.encode(entry).decode()


def verify_export(lines: Iterable[str], anchor: Anchor | None = None) -> Verification:
    """Re-compute an export and compare it with a signed state. Raises UnreadableExport if it is not an export."""
    remaining = iter(lines)
    chain, head = _export_header(next(remaining, ""))
    state, trusted = State(), State()
    for entry in _export_entries(remaining):
        if fault := entry_fault(chain, state, entry):
            return Verification(chain, state.seq, state.hash, fault)
        state = state_after(entry)
        if anchor is not None and state.seq == anchor.state.seq and state != anchor.state:
            return Verification(chain, state.seq, state.hash, _rewritten(trusted, anchor))
    if anchor is not None and state.seq < anchor.state.seq:
        return Verification(chain, state.seq, state.hash, _cut(state, anchor))
    return Verification(chain, state.seq, state.hash, head_fault(state, head))


def _export_header(line: str) -> tuple[ChainId, State]:
    try:
        header = json.loads(line)
        if header["format"] != EXPORT_FORMAT:
            raise UnreadableExport(f"line 1: the format is not {EXPORT_FORMAT}")
        chain = ChainId(owner=header["merchant_id"], asset=header["asset"], network=header["network"])
        state = State(header["seq"], int(header["available_raw"]), int(header["locked_raw"]), header["hash"])
    except (ValueError, KeyError, TypeError):
        raise UnreadableExport("line 1: not the header of a ledger export") from None
    return chain, state


def _export_entries(lines: Iterable[str]) -> Iterator[Entry]:
    for number, line in enumerate(lines, start=2):
        try:
            yield msgspec.json.decode(line, type=Entry)
        except msgspec.MsgspecError as error:
            raise UnreadableExport(f"line {number}: {error}") from None
