"""Every statement on `ledger_heads` and `ledger_entries`. Those on checkpoints are in checkpoints_repository.py."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from piccolo.columns import Text
from piccolo.query.functions import Sum
from piccolo.query.functions.type_conversion import Cast
from piccolo.query.methods.select import Select

from app.core import database
from app.core.clock import rfc3339
from app.core.keyset import Page, Place, Total
from app.core.statement import Command, Listing, Param, Statement, any_of, insert, select
from app.core.waiting import budget, limit_s
from app.ledger.hashchain import GENESIS_HASH, ChainId, Entry, Reference, State
from app.ledger.tables import LedgerEntry, LedgerHead

READ_AHEAD = 2_000
"""Entries fetched at a time when a chain is read whole: about 1 MB."""


class Head(msgspec.Struct, frozen=True):
    """A chain and the state that its head stores. `ledger` is the head's row id."""

    ledger: int
    chain: ChainId
    state: State


class _HeadRow(msgspec.Struct, frozen=True):
    id: int
    owner: str
    network: str
    asset: str
    seq: int
    available_raw: int
    locked_raw: int
    head_hash: str

    def head(self) -> Head:
        chain = ChainId(owner=self.owner, network=self.network, asset=self.asset)
        return Head(self.id, chain, State(self.seq, self.available_raw, self.locked_raw, self.head_hash))


class _EntryRow(msgspec.Struct, frozen=True):
    """An entry as it is stored, its amounts as text."""

    seq: int
    kind: str
    available_delta_raw: str
    locked_delta_raw: str
    available_after_raw: str
    locked_after_raw: str
    reference_type: str
    reference_id: str
    created_at: datetime
    prev_hash: str
    hash: str

    def entry(self) -> Entry:
        return Entry(
            seq=self.seq,
            kind=self.kind,
            available_delta_raw=self.available_delta_raw,
            locked_delta_raw=self.locked_delta_raw,
            available_after_raw=self.available_after_raw,
            locked_after_raw=self.locked_after_raw,
            reference=Reference(self.reference_type, self.reference_id),
            created_at=rfc3339(self.created_at),
            prev_hash=self.prev_hash,
            hash=self.hash,
        )


_IS_CHAIN = (
    LedgerHead.owner == Param("owner"),
    LedgerHead.network == Param("network"),
    LedgerHead.asset == Param("asset"),
)


async def heads(owner: str | None = None) -> list[Head]:
    """Every chain, or every chain of one owner, in the order in which they are locked."""
    rows = await (_HEADS.all() if owner is None else _HEADS_OF.all(owner=owner))
    return [row.head() for row in rows]


_HEADS = Statement(
    select(LedgerHead, _HeadRow).order_by(LedgerHead.asset, LedgerHead.network, LedgerHead.owner), _HeadRow
)
_HEADS_OF = Statement(
    select(LedgerHead, _HeadRow)
    .where(LedgerHead.owner == Param("owner"))
    .order_by(LedgerHead.asset, LedgerHead.network, LedgerHead.owner),
    _HeadRow,
)


async def head(chain: ChainId) -> Head | None:
    """One chain; None if it has no entry yet."""
    row = await _HEAD.first(owner=chain.owner, network=chain.network, asset=chain.asset)
    return None if row is None else row.head()


_HEAD = Statement(select(LedgerHead, _HeadRow).where(*_IS_CHAIN), _HeadRow)


async def lock_head(chain: ChainId) -> Head:
    """Lock a chain's head for the caller's transaction. Creates it if this is the chain's first entry."""
    key = {"owner": chain.owner, "network": chain.network, "asset": chain.asset}
    row = await _LOCK_HEAD.first(**key)
    if row is None:
        await _ADD_HEAD.run(**key, seq=0, available_raw=0, locked_raw=0, head_hash=GENESIS_HASH)
        row = await _LOCK_HEAD.one(**key)
    return row.head()


_LOCK_HEAD = Statement(select(LedgerHead, _HeadRow).where(*_IS_CHAIN).lock_rows("UPDATE"), _HeadRow)
_ADD_HEAD = Command(insert(LedgerHead).on_conflict(action="DO NOTHING"))


class _NewEntry(msgspec.Struct, frozen=True, gc=False):
    """An entry as it is written, its amounts as text."""

    ledger: int
    seq: int
    kind: str
    available_delta_raw: str
    locked_delta_raw: str
    available_after_raw: str
    locked_after_raw: str
    reference_type: str
    reference_id: str
    prev_hash: str
    hash: str


async def add_entries(continued: Mapping[int, Sequence[Entry]], now: datetime) -> None:
    """Insert the entries that continue locked chains, by the row ids of their heads, oldest first. The trigger moves
    the heads."""
    rows = [
        _NewEntry(
            ledger,
            entry.seq,
            entry.kind,
            entry.available_delta_raw,
            entry.locked_delta_raw,
            entry.available_after_raw,
            entry.locked_after_raw,
            entry.reference.type,
            entry.reference.id,
            entry.prev_hash,
            entry.hash,
        )
        for ledger, entries in continued.items()
        for entry in entries
    ]
    # SQL, since the builder knows no records: one statement with the same text for any number of entries. JSON costs
    # Postgres what arrays do, and this process a quarter.
    await database.execute(_ADD_ENTRIES, now, msgspec.json.encode(rows).decode())


_ENTRY_COLUMNS = ", ".join(_NewEntry.__struct_fields__)
_ADD_ENTRIES = f"""
    INSERT INTO ledger_entries (created_at, {_ENTRY_COLUMNS})
    SELECT $1, {_ENTRY_COLUMNS} FROM json_populate_recordset(NULL::ledger_entries, $2::json) ORDER BY ledger, seq
    """


async def booked(chains: Iterable[ChainId], reference: Reference, kinds: Sequence[str]) -> dict[ChainId, int]:
    """The sum of `available` deltas of entries of these kinds for a reference, by chain; only chains that have any."""
    sums = {}
    for chain in chains:
        total_raw = await _BOOKED.first(
            owner=chain.owner,
            network=chain.network,
            asset=chain.asset,
            kinds=list(kinds),
            reference_type=reference.type,
            reference_id=reference.id,
        )
        if total_raw:
            sums[chain] = total_raw
    return sums


_BOOKED = Statement(
    LedgerEntry.select(Sum(LedgerEntry.available_delta_raw)).where(
        LedgerEntry.ledger.owner == Param("owner"),
        LedgerEntry.ledger.network == Param("network"),
        LedgerEntry.ledger.asset == Param("asset"),
        any_of(LedgerEntry.kind, Param("kinds")),
        LedgerEntry.reference_type == Param("reference_type"),
        LedgerEntry.reference_id == Param("reference_id"),
    ),
    int,
)


def _entries_of_ledger() -> "Select[LedgerEntry]":
    return LedgerEntry.select(
        LedgerEntry.seq,
        LedgerEntry.kind,
        Cast(LedgerEntry.available_delta_raw, Text()),
        Cast(LedgerEntry.locked_delta_raw, Text()),
        Cast(LedgerEntry.available_after_raw, Text()),
        Cast(LedgerEntry.locked_after_raw, Text()),
        LedgerEntry.reference_type,
        LedgerEntry.reference_id,
        LedgerEntry.created_at,
        LedgerEntry.prev_hash,
        LedgerEntry.hash,
    ).where(LedgerEntry.ledger == Param("ledger"))


async def page(ledger: int, place: Place | None, limit: int, references: Collection[str] | None = None) -> Page[Entry]:
    """A page of entries by seq, newest first; with `references` only those of one of these ids."""
    wanted = None if references is None else list(references)
    rows = await _PAGE.page(place, limit, ledger=ledger, references=wanted)
    return rows.of(row.entry() for row in rows)


async def total(ledger: int, references: Collection[str]) -> Total:
    """How many entries have one of these references."""
    return await _PAGE.total(ledger=ledger, references=list(references))


_PAGE = Listing(
    _entries_of_ledger,
    _EntryRow,
    key=(LedgerEntry.seq,),
    filters={"references": any_of(LedgerEntry.reference_id, Param("references"))},
)


async def entry(ledger: int, seq: int) -> Entry | None:
    """One entry of a chain."""
    row = await _ENTRY.first(ledger=ledger, seq=seq)
    return None if row is None else row.entry()


_ENTRY = Statement(_entries_of_ledger().where(LedgerEntry.seq == Param("seq")), _EntryRow)


async def entries(ledger: int, after_seq: int = 0) -> AsyncIterator[Entry]:
    """The entries of a chain after `after_seq`, oldest first, read in batches.

    The time limit for the database applies to each batch, so a long chain can be read to its end.
    """
    while True:
        with budget(limit_s()):
            rows = await _ENTRIES_AFTER.all(ledger=ledger, after_seq=after_seq, limit=READ_AHEAD)
        for row in rows:
            yield row.entry()
        if len(rows) < READ_AHEAD:
            return
        after_seq = rows[-1].seq


_ENTRIES_AFTER = Statement(
    _entries_of_ledger().where(LedgerEntry.seq > Param("after_seq")).order_by(LedgerEntry.seq, LedgerEntry.id),
    _EntryRow,
    limited=True,
)


async def entries_between(ledger: int, first_seq: int, last_seq: int) -> list[Entry]:
    """Entries of a chain by their seqs, both included, oldest first."""
    rows = await _ENTRIES_AFTER.all(ledger=ledger, after_seq=first_seq - 1, limit=last_seq + 1 - first_seq)
    return [row.entry() for row in rows]
