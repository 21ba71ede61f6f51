"""The hash chain: the format of an entry, its hash, and the check of a chain. Pure functions over values.

`docs/ledger.md` describes the format for third parties. Its field names are its version: another set of fields
would need new chains; existing ones never change.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from app.core.canonical import sha256_hex
from app.core.clock import rfc3339

GENESIS_HASH = "0" * 64
"""`prev_hash` of a chain's first entry (contract, section 5)."""


class ChainId(msgspec.Struct, frozen=True, order=True):
    """The key of a chain: an owner (a merchant's id or a platform ledger), an asset, a network (`ethereum:test`).

    Ordered: heads are locked in this order, everywhere.
    """

    asset: str
    network: str
    owner: str


class Reference(msgspec.Struct, frozen=True):
    """The object that caused an entry, such as a deposit."""

    type: Annotated[str, Meta(description="What kind of thing it is.")]
    id: Annotated[str, Meta(description="Which one.")]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as the API and the export show it; amounts are strings of digits, perhaps with a minus."""

    seq: Annotated[int, Meta(description="From 1, without gaps.")]
    kind: Annotated[str, Meta(description="Why the entry was made.")]
    available_delta_raw: Annotated[str, Meta(description="What it changed of the available balance.")]
    locked_delta_raw: Annotated[str, Meta(description="What it changed of the locked balance.")]
    available_after_raw: Annotated[str, Meta(description="The available balance after it.")]
    locked_after_raw: Annotated[str, Meta(description="The locked balance after it.")]
    reference: Reference
    created_at: Annotated[str, Meta(description="When it was made.")]
    prev_hash: Annotated[str, Meta(description="The hash of the entry before; 64 zeros for the first.")]
    hash: Annotated[
        str,
        Meta(
            description="SHA-256 over the canonical JSON (RFC 8785) of every other field, plus `merchant_id`, `asset` "
            "and `network`."
        ),
    ]


class State(msgspec.Struct, frozen=True):
    """The state of a chain after an entry: its seq, hash and balances."""

    seq: int = 0
    available_raw: int = 0
    locked_raw: int = 0
    hash: str = GENESIS_HASH


class Anchor(msgspec.Struct, frozen=True):
    """The state of a chain that a checkpoint signed."""

    checkpoint: int
    state: State


class Fault(msgspec.Struct, frozen=True):
    """The first entry at which a chain is wrong, and how."""

    seq: int
    problem: str


class _HashedReference(msgspec.Struct, frozen=True, gc=False):
    id: str
    type: str


class _Hashed(msgspec.Struct, frozen=True, gc=False):
    """The hashed fields of an entry, in the order of RFC 8785: by name.

    For strings and one integer below 2^53, msgspec writes exactly the bytes of RFC 8785, thirty times as fast as a
    general encoder; a property test compares the two.
    """

    asset: str
    available_after_raw: str
    available_delta_raw: str
    created_at: str
    kind: str
    locked_after_raw: str
    locked_delta_raw: str
    merchant_id: str
    network: str
    prev_hash: str
    reference: _HashedReference
    seq: int


_canonical = msgspec.json.Encoder().encode


def entry_hash(chain: ChainId, entry: Entry) -> str:
    """SHA-256 over the RFC 8785 form of every field but `hash`, plus merchant_id, asset and network."""
    return sha256_hex(hashed_bytes(chain, entry))


def hashed_bytes(chain: ChainId, entry: Entry) -> bytes:
    """The RFC 8785 form of an entry, as it is hashed."""
    reference = entry.reference
    return _canonical(
        _Hashed(
            chain.asset,
            entry.available_after_raw,
            entry.available_delta_raw,
            entry.created_at,
            entry.kind,
            entry.locked_after_raw,
            entry.locked_delta_raw,
            chain.owner,
            chain.network,
            entry.prev_hash,
            _HashedReference(reference.id, reference.type),
            entry.seq,
        )
    )


def next_entry(
    chain: ChainId,
    state: State,
    *,
    kind: str,
    available_delta_raw: int,
    locked_delta_raw: int,
    reference: Reference,
    now: datetime,
) -> Entry:
    """The next entry of a chain. The caller checks that the balance allows it."""
    unsealed = Entry(
        seq=state.seq + 1,
        kind=kind,
        available_delta_raw=str(available_delta_raw),
        locked_delta_raw=str(locked_delta_raw),
        available_after_raw=str(state.available_raw + available_delta_raw),
        locked_after_raw=str(state.locked_raw + locked_delta_raw),
        reference=reference,
        created_at=rfc3339(now),
        prev_hash=state.hash,
        hash="",
    )
    return msgspec.structs.replace(unsealed, hash=entry_hash(chain, unsealed))


def state_after(entry: Entry) -> State:
    """The state of the chain after an entry."""
    return State(entry.seq, int(entry.available_after_raw), int(entry.locked_after_raw), entry.hash)


def entry_fault(chain: ChainId, before: State, entry: Entry) -> Fault | None:
    """Describe what is wrong with an entry that should follow the state `before`; None if it is valid."""
    expected_seq = before.seq + 1
    if entry.seq > expected_seq:
        return Fault(expected_seq, f"missing: found seq {entry.seq}")
    if entry.seq < expected_seq:
        return Fault(entry.seq, "a second entry of this seq: the chain forks here, or is out of order")
    if entry.prev_hash != before.hash:
        return Fault(entry.seq, "prev_hash is not the hash of the entry before")
    if entry.hash != entry_hash(chain, entry):
        return Fault(entry.seq, "the hash does not match the entry's content")
    available_raw = before.available_raw + int(entry.available_delta_raw)
    locked_raw = before.locked_raw + int(entry.locked_delta_raw)
    if (available_raw, locked_raw) != (int(entry.available_after_raw), int(entry.locked_after_raw)):
        return Fault(entry.seq, "the balance after does not follow from the one before and the deltas")
    return None


def head_fault(reached: State, head: State) -> Fault | None:
    """Describe how the head differs from `reached`, the state after the last entry; None if they agree."""
    if reached.seq < head.seq:
        return Fault(reached.seq + 1, f"missing: the head stands at seq {head.seq}")
    if reached.seq > head.seq:
        return Fault(head.seq + 1, f"beyond the head, which stands at seq {head.seq}")
    if reached != head:
        return Fault(head.seq, "the head's balance or hash differs from the last entry's")
    return None
