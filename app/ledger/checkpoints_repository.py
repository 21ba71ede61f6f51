"""Every statement on `ledger_checkpoints`, `ledger_checkpoint_leaves` and `checkpoint_keys`."""

from datetime import datetime

import msgspec
from piccolo.query.functions import Max
from piccolo.query.methods.select import Select

from app.core import database
from app.core.statement import Command, Param, Statement, insert, select
from app.ledger.checkpoint_format import Checkpoint, Leaf
from app.ledger.hashchain import Anchor, ChainId, State
from app.ledger.tables import CheckpointKey, CheckpointLeaf, LedgerCheckpoint

CHECKPOINT_LOCK = 7_226_006
"""Advisory lock key: one process at a time creates a checkpoint, so that numbers have no gaps."""

_MAX_NUMBER = 2**63 - 1
"""Above every number: `bigint` ends there."""


class _Key(msgspec.Struct, frozen=True):
    id: str
    public_key: bytes


class _AnchorRow(msgspec.Struct, frozen=True):
    checkpoint: int
    seq: int
    available_raw: int
    locked_raw: int
    head_hash: str


def _checkpoints() -> "Select[LedgerCheckpoint]":
    return LedgerCheckpoint.select(
        LedgerCheckpoint.number,
        LedgerCheckpoint.created_at,
        LedgerCheckpoint.ledgers,
        LedgerCheckpoint.root,
        LedgerCheckpoint.hash,
        LedgerCheckpoint.document,
        LedgerCheckpoint.key.as_alias("key_id"),
        LedgerCheckpoint.signature,
    )


async def lock_numbering() -> None:
    """Lock the creation of checkpoints until the caller's transaction ends."""
    # SQL, since the builder calls no function without a table.
    await database.execute("SELECT pg_advisory_xact_lock($1)", CHECKPOINT_LOCK)


async def latest() -> Checkpoint | None:
    """The newest checkpoint."""
    page = await before(None, 1)
    return page[0] if page else None


async def get(number: int) -> Checkpoint | None:
    """One checkpoint by its number."""
    return await _BY_NUMBER.first(number=number)


_BY_NUMBER = Statement(_checkpoints().where(LedgerCheckpoint.number == Param("number")), Checkpoint)


async def before(number: int | None, limit: int) -> list[Checkpoint]:
    """Checkpoints below `number` (None: all), newest first."""
    return await _BEFORE.all(below=_MAX_NUMBER if number is None else number, limit=limit)


_BEFORE = Statement(
    _checkpoints().where(LedgerCheckpoint.number < Param("below")).order_by(LedgerCheckpoint.number, ascending=False),
    Checkpoint,
    limited=True,
)


async def last_signed_at() -> datetime | None:
    """When the newest checkpoint was signed; None if there is none."""
    return await _LAST_SIGNED_AT.first()


_LAST_SIGNED_AT = Statement(LedgerCheckpoint.select(Max(LedgerCheckpoint.created_at)), datetime)


async def public_keys() -> dict[str, bytes]:
    """Every public key that has signed, by id, the oldest first."""
    return {key.id: key.public_key for key in await _PUBLIC_KEYS.all()}


_PUBLIC_KEYS = Statement(select(CheckpointKey, _Key).order_by(CheckpointKey.first_used_at, CheckpointKey.id), _Key)


async def add_key(key_id: str, public_key: bytes, now: datetime) -> bytes:
    """Store a public key unless one with this id exists. Returns the key that is stored under the id."""
    await _ADD_KEY.run(id=key_id, public_key=public_key, first_used_at=now)
    return await _PUBLIC_KEY.one(id=key_id)


_ADD_KEY = Command(insert(CheckpointKey).on_conflict(action="DO NOTHING"))
_PUBLIC_KEY = Statement(CheckpointKey.select(CheckpointKey.public_key).where(CheckpointKey.id == Param("id")), bytes)


async def leaves_of(number: int) -> list[Leaf]:
    """The leaves of a checkpoint, in the order of the tree: by asset, network, owner, each by its bytes."""
    # SQL, since the builder knows no LATERAL.
    rows = await database.fetch_all(
        """
        SELECT h.owner, h.network, h.asset, leaf.seq, leaf.available_raw, leaf.locked_raw, leaf.head_hash
        FROM ledger_heads h
        CROSS JOIN LATERAL (
            SELECT l.* FROM ledger_checkpoint_leaves l WHERE l.ledger = h.id AND l.checkpoint <= $1
            ORDER BY l.checkpoint DESC LIMIT 1
        ) leaf
        """,
        number,
    )
    leaves = (
        Leaf(
            ChainId(owner=row["owner"], network=row["network"], asset=row["asset"]),
            State(row["seq"], row["available_raw"], row["locked_raw"], row["head_hash"]),
        )
        for row in rows
    )
    return sorted(leaves, key=lambda leaf: leaf.chain)


async def anchors(ledger: int, *, last_only: bool) -> list[Anchor]:
    """The signed states of one ledger, oldest first; with `last_only` the newest alone."""
    rows = await _ANCHORS.all(ledger=ledger, limit=1 if last_only else None)
    return [
        Anchor(row.checkpoint, State(row.seq, row.available_raw, row.locked_raw, row.head_hash))
        for row in reversed(rows)
    ]


_ANCHORS = Statement(
    select(CheckpointLeaf, _AnchorRow)
    .where(CheckpointLeaf.ledger == Param("ledger"))
    .order_by(CheckpointLeaf.checkpoint, ascending=False),
    _AnchorRow,
    limited=True,
)


async def add_moved_leaves(number: int) -> None:
    """Store the state of each ledger that has changed since its last leaf. One statement reads one moment."""
    # SQL, since the builder knows neither INSERT ... SELECT nor LATERAL.
    await database.execute(
        """
        INSERT INTO ledger_checkpoint_leaves (checkpoint, ledger, seq, available_raw, locked_raw, head_hash)
        SELECT $1, h.id, h.seq, h.available_raw, h.locked_raw, h.head_hash FROM ledger_heads h
        LEFT JOIN LATERAL (
            SELECT l.seq, l.head_hash FROM ledger_checkpoint_leaves l WHERE l.ledger = h.id
            ORDER BY l.checkpoint DESC LIMIT 1
        ) last ON true
        WHERE h.seq > 0 AND (last.seq, last.head_hash) IS DISTINCT FROM (h.seq, h.head_hash)
        """,
        number,
    )


async def add(checkpoint: Checkpoint) -> None:
    """Store a signed checkpoint."""
    await _ADD.run(
        number=checkpoint.number,
        key=checkpoint.key_id,
        created_at=checkpoint.created_at,
        ledgers=checkpoint.ledgers,
        root=checkpoint.root,
        hash=checkpoint.hash,
        document=checkpoint.document,
        signature=checkpoint.signature,
    )


_ADD = Command(insert(LedgerCheckpoint))
