"""Posting to the books: lock the heads in order, continue each chain, insert. Postgres checks it all again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.core import database
from app.core.errors import ApiError, Code
from app.ledger.hashchain import GENESIS_HASH, ChainId, Entry, Reference, State, next_entry, state_after

FEES = "platform:fees"
TREASURY = "platform:treasury"
SUSPENSE = "platform:suspense"
"""The platform's own ledgers (contract, section 5): earned, operators' money, deposits that are nobody's yet."""

Kind = Literal[
    "invoice_credit",
    "service_fee",
    "deposit_suspended",
    "suspense_released",
    "deposit_reversal",
    "payout_locked",
    "payout_released",
    "payout_settled",
    "payout_fee",
    "refund_locked",
    "refund_released",
    "refund_settled",
    "refund_fee",
    "top_up",
    "network_fee",
]
"""What an entry stands for. `deposit_reversal` alone may take `available` below zero (ledger/tables.py)."""


@dataclass(frozen=True, slots=True)
class Posting:
    """A movement to book. Deltas are raw amounts; a positive one adds."""

    chain: ChainId
    kind: Kind
    available_delta_raw: int
    locked_delta_raw: int
    reference: Reference


async def post(postings: Iterable[Posting], now: datetime) -> None:
    """Book movements in the caller's transaction, each chain's in the given order.

    Heads that are missing are created first, then all are locked in the order of their `ChainId`. Raises
    INSUFFICIENT_BALANCE if a movement would take a balance below zero, NoTransactionError outside a transaction.
    """
    database.in_transaction()
    by_chain: defaultdict[ChainId, list[Posting]] = defaultdict(list)
    for posting in postings:
        by_chain[posting.chain].append(posting)
    for chain in sorted(by_chain):
        ledger, state = await _lock_head(chain)
        entries = _entries(chain, state, by_chain[chain], now)
        await _insert(ledger, entries, now)


async def lock(chains: Iterable[ChainId]) -> None:
    """Lock chains ahead of other rows: heads come first in the order of locks. Needs the caller's transaction."""
    database.in_transaction()
    for chain in sorted(chains):
        await _lock_head(chain)


async def _lock_head(chain: ChainId) -> tuple[int, State]:
    """Lock a chain's head, creating it if this is its first entry."""
    key = (chain.owner, chain.network, chain.asset)
    select = """
        SELECT id, seq, available_raw, locked_raw, head_hash FROM ledger_heads
        WHERE owner = $1 AND network = $2 AND asset = $3 FOR UPDATE
        """
    row = await database.fetch_one(select, *key)
    if row is None:
        await database.execute(
            """
            INSERT INTO ledger_heads (owner, network, asset, seq, available_raw, locked_raw, head_hash)
            VALUES ($1, $2, $3, 0, 0, 0, $4) ON CONFLICT DO NOTHING
            """,
            *key,
            GENESIS_HASH,
        )
        row = await database.fetch_one(select, *key)
        assert row is not None
    return row["id"], State(row["seq"], row["available_raw"], row["locked_raw"], row["head_hash"])


def _entries(chain: ChainId, state: State, postings: Sequence[Posting], now: datetime) -> list[Entry]:
    entries = []
    for posting in postings:
        entry = next_entry(
            chain,
            state,
            kind=posting.kind,
            available_delta_raw=posting.available_delta_raw,
            locked_delta_raw=posting.locked_delta_raw,
            reference=posting.reference,
            now=now,
        )
        state = state_after(entry)
        overdrawn = posting.available_delta_raw < 0 and state.available_raw < 0 and posting.kind != "deposit_reversal"
        if overdrawn or state.locked_raw < 0:
            raise ApiError(Code.INSUFFICIENT_BALANCE, f"amount: more than the {chain.asset} balance holds")
        entries.append(entry)
    return entries


async def _insert(ledger: int, entries: Sequence[Entry], now: datetime) -> None:
    """One statement for a chain's entries; the trigger sees them in the order of `seq`."""
    await database.execute(
        """
        INSERT INTO ledger_entries (ledger, seq, kind, available_delta_raw, locked_delta_raw, available_after_raw,
            locked_after_raw, reference_type, reference_id, created_at, prev_hash, hash)
        SELECT $1, e.seq, e.kind, e.available_delta, e.locked_delta, e.available_after, e.locked_after,
            e.reference_type, e.reference_id, $2, e.prev_hash, e.hash
        FROM unnest($3::bigint[], $4::text[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[],
            $9::text[], $10::text[], $11::text[], $12::text[])
            AS e (seq, kind, available_delta, locked_delta, available_after, locked_after,
                reference_type, reference_id, prev_hash, hash)
        ORDER BY e.seq
        """,
        ledger,
        now,
        [entry.seq for entry in entries],
        [entry.kind for entry in entries],
        [int(entry.available_delta_raw) for entry in entries],
        [int(entry.locked_delta_raw) for entry in entries],
        [int(entry.available_after_raw) for entry in entries],
        [int(entry.locked_after_raw) for entry in entries],
        [entry.reference.type for entry in entries],
        [entry.reference.id for entry in entries],
        [entry.prev_hash for entry in entries],
        [entry.hash for entry in entries],
    )
