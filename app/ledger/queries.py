"""Reading the books: balances, pages of entries, and whole chains in steady memory."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

from app.core import database
from app.core.clock import rfc3339
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of
from app.core.waiting import budget, limit_s
from app.ledger.hashchain import ChainId, Entry, Reference, State

READ_AHEAD = 2_000
"""Entries fetched at a time when a chain is read whole: about 1 MB."""


@dataclass(frozen=True, slots=True)
class Head:
    """A chain and where its head says it stands. `ledger` is the head's row id."""

    ledger: int
    chain: ChainId
    state: State


async def heads(owner: str | None = None) -> list[Head]:
    """Every chain, or every chain of one owner, in the order in which they are locked."""
    rows = await database.fetch_all(
        """
        SELECT id, owner, network, asset, seq, available_raw, locked_raw, head_hash FROM ledger_heads
        WHERE $1::text IS NULL OR owner = $1 ORDER BY asset, network, owner
        """,
        owner,
    )
    return [_head(row) for row in rows]


async def head(chain: ChainId) -> Head | None:
    """One chain, or None where nothing was ever booked."""
    row = await database.fetch_one(
        """
        SELECT id, owner, network, asset, seq, available_raw, locked_raw, head_hash FROM ledger_heads
        WHERE owner = $1 AND network = $2 AND asset = $3
        """,
        chain.owner,
        chain.network,
        chain.asset,
    )
    return None if row is None else _head(row)


async def booked(chains: Iterable[ChainId], reference: Reference, kinds: Sequence[str]) -> dict[ChainId, int]:
    """What entries of these kinds for a fact add up to in `available`, by chain; chains without any are left out."""
    sums = {}
    for chain in chains:
        total_raw: int | None = await database.fetch_value(
            """
            SELECT sum(e.available_delta_raw) FROM ledger_entries e JOIN ledger_heads h ON h.id = e.ledger
            WHERE h.owner = $1 AND h.network = $2 AND h.asset = $3
                AND e.kind = ANY($4) AND e.reference_type = $5 AND e.reference_id = $6
            """,
            chain.owner,
            chain.network,
            chain.asset,
            list(kinds),
            reference.type,
            reference.id,
        )
        if total_raw:
            sums[chain] = total_raw
    return sums


async def page(ledger: int, place: Place | None, limit: int) -> Page[Entry]:
    """A page of entries by seq, newest first."""
    comparison, order = direction(place)
    rows = await database.fetch_all(
        f"{_SELECT} WHERE ledger = $1 AND ($2::bigint IS NULL OR seq {comparison} $2) ORDER BY seq {order} LIMIT $3",
        ledger,
        place.key[0] if place else None,
        limit + 1,
    )
    return page_of(rows, limit, place, key=("seq",), made=_entry)


async def entry(ledger: int, seq: int) -> Entry | None:
    """One entry of a chain."""
    row = await database.fetch_one(f"{_SELECT} WHERE ledger = $1 AND seq = $2", ledger, seq)
    return None if row is None else _entry(row)


async def entries(ledger: int, after_seq: int = 0) -> AsyncIterator[Entry]:
    """The entries of a chain from `after_seq` on, oldest first, however many there are.

    Each part may wait for the database as long as anything else, so that a long chain is not cut off.
    """
    while True:
        with budget(limit_s()):
            rows = await database.fetch_all(
                f"{_SELECT} WHERE ledger = $1 AND seq > $2 ORDER BY seq, id LIMIT $3", ledger, after_seq, READ_AHEAD
            )
        for row in rows:
            yield _entry(row)
        if len(rows) < READ_AHEAD:
            return
        after_seq = rows[-1]["seq"]


_SELECT = """
    SELECT seq, kind, available_delta_raw::text, locked_delta_raw::text, available_after_raw::text,
        locked_after_raw::text, reference_type, reference_id, created_at, prev_hash, hash
    FROM ledger_entries
    """


def _head(row: Row) -> Head:
    return Head(
        row["id"],
        ChainId(owner=row["owner"], network=row["network"], asset=row["asset"]),
        State(row["seq"], row["available_raw"], row["locked_raw"], row["head_hash"]),
    )


def _entry(row: Row) -> Entry:
    return Entry(
        seq=row["seq"],
        kind=row["kind"],
        available_delta_raw=row["available_delta_raw"],
        locked_delta_raw=row["locked_delta_raw"],
        available_after_raw=row["available_after_raw"],
        locked_after_raw=row["locked_after_raw"],
        reference=Reference(row["reference_type"], row["reference_id"]),
        created_at=rfc3339(row["created_at"]),
        prev_hash=row["prev_hash"],
        hash=row["hash"],
    )
