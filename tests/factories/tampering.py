"""Changes of the ledgers that only a superuser of Postgres can make, with the triggers off."""

import msgspec

from app.core import database
from app.ledger import repository
from app.ledger.hashchain import ChainId, entry_hash

GUARDED = ("ledger_entries", "ledger_heads", "ledger_checkpoints", "ledger_checkpoint_leaves", "audit_entries")


async def as_superuser(*statements: str) -> None:
    """Run statements with every trigger off, and put the triggers back."""
    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await database.execute(statement)


async def fork(chain: ChainId, seq: int) -> None:
    """Insert a second entry with the same seq and a correct hash. The unique key is dropped for it."""
    head = await repository.head(chain)
    assert head is not None
    original = await repository.entry(head.ledger, seq)
    assert original is not None
    twin = msgspec.structs.replace(original, kind="deposit_suspended")
    await as_superuser(
        "ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_seq_once",
        "INSERT INTO ledger_entries (ledger, seq, kind, available_delta_raw, locked_delta_raw, available_after_raw,"
        " locked_after_raw, reference_type, reference_id, created_at, prev_hash, hash)"
        " SELECT ledger, seq, 'deposit_suspended', available_delta_raw, locked_delta_raw, available_after_raw,"
        f" locked_after_raw, reference_type, reference_id, created_at, prev_hash, '{entry_hash(chain, twin)}'"
        f" FROM ledger_entries WHERE ledger = {head.ledger} AND seq = {seq}",
    )


async def rewrite(chain: ChainId, from_seq: int, extra_raw: int) -> None:
    """Add `extra_raw` to entry `from_seq`, and hash it, all later entries and the head again: a valid chain."""
    head = await repository.head(chain)
    assert head is not None
    before = await repository.entry(head.ledger, from_seq - 1)
    previous = before.hash if before else "0" * 64
    statements = []
    async for entry in repository.entries(head.ledger, from_seq - 1):
        delta_raw = int(entry.available_delta_raw) + (extra_raw if entry.seq == from_seq else 0)
        forged = msgspec.structs.replace(
            entry,
            available_delta_raw=str(delta_raw),
            available_after_raw=str(int(entry.available_after_raw) + extra_raw),
            prev_hash=previous,
        )
        previous = entry_hash(chain, forged)
        statements.append(
            f"UPDATE ledger_entries SET available_delta_raw = {delta_raw},"
            f" available_after_raw = {forged.available_after_raw}, prev_hash = '{forged.prev_hash}',"
            f" hash = '{previous}' WHERE ledger = {head.ledger} AND seq = {entry.seq}"
        )
    statements.append(
        f"UPDATE ledger_heads SET available_raw = available_raw + {extra_raw}, head_hash = '{previous}'"
        f" WHERE id = {head.ledger}"
    )
    await as_superuser(*statements)


async def truncate(chain: ChainId, to_seq: int) -> None:
    """Delete the entries after `to_seq` and set the head back, as if they had never existed."""
    head = await repository.head(chain)
    assert head is not None
    last = await repository.entry(head.ledger, to_seq)
    assert last is not None
    await as_superuser(
        f"DELETE FROM ledger_entries WHERE ledger = {head.ledger} AND seq > {to_seq}",
        f"UPDATE ledger_heads SET seq = {to_seq}, available_raw = {last.available_after_raw},"
        f" locked_raw = {last.locked_after_raw}, head_hash = '{last.hash}' WHERE id = {head.ledger}",
    )
