"""The ledgers: a head per (owner, network, asset) and its append-only, hash-chained entries.

Triggers (migration "ledger guards") refuse UPDATE and DELETE of entries, refuse an entry that does not
continue its chain, and update the head with each entry, so that a head can't change without one.
"""

from piccolo.columns import BigSerial, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from app.core import columns


class LedgerHead(Table, tablename="ledger_heads"):
    """The present state of a chain. `owner` is a merchant's id or `platform:fees|treasury|suspense`."""

    id = BigSerial(primary_key=True)
    owner = columns.words(20)
    network = columns.words(40)
    asset = columns.words(20)
    seq = columns.big_number()
    available_raw = columns.raw_amount()
    locked_raw = columns.raw_amount()
    head_hash = Varchar(length=64, default=None)

    ledger_heads_chain_once = Unique(["owner", "network", "asset"])
    seq_counts = Check("seq >= 0")
    locked_not_negative = Check("locked_raw >= 0")


class LedgerEntry(Table, tablename="ledger_entries"):
    """One movement. Everything but `id` and `ledger` is hashed (docs/ledger.md)."""

    id = BigSerial(primary_key=True)
    ledger = columns.reference(LedgerHead)
    seq = columns.big_number()
    kind = columns.words(30)
    available_delta_raw = columns.raw_amount()
    locked_delta_raw = columns.raw_amount()
    available_after_raw = columns.raw_amount()
    locked_after_raw = columns.raw_amount()
    reference_type = columns.words(20)
    reference_id = columns.words(40)
    created_at = columns.moment()
    prev_hash = Varchar(length=64, default=None)
    hash = Varchar(length=64, default=None)

    ledger_entries_seq_once = Unique(["ledger", "seq"])
    ledger_entries_fact_once = Unique(["ledger", "kind", "reference_type", "reference_id"])
    moves_something = Check("available_delta_raw <> 0 OR locked_delta_raw <> 0")
    locked_covered = Check("locked_after_raw >= 0")
    available_covered = Check(
        "available_after_raw >= 0 OR available_delta_raw >= 0 OR kind = 'deposit_reversal'",
    )


class CheckpointKey(Table, tablename="checkpoint_keys"):
    """A public key that has signed checkpoints. It stays published after its seed is removed from the settings."""

    id = columns.words(20, primary_key=True)
    public_key = columns.digest()
    first_used_at = columns.moment()


class LedgerCheckpoint(Table, tablename="ledger_checkpoints"):
    """A signed Merkle root over the heads of all ledgers. `document` is the canonical JSON that was signed."""

    number = columns.big_number()
    key = columns.reference(CheckpointKey)
    created_at = columns.moment()
    ledgers = columns.number()
    root = Varchar(length=64, default=None)
    hash = Varchar(length=64, default=None)
    document = columns.text()
    signature = columns.digest()

    id = BigSerial(primary_key=True)
    ledger_checkpoints_number_once = Unique(["number"])


class CheckpointLeaf(Table, tablename="ledger_checkpoint_leaves"):
    """The state of a ledger in a checkpoint. A row exists only if the ledger changed since the previous checkpoint:
    a ledger's leaf in a checkpoint is the newest row whose `checkpoint` is not above its number."""

    id = BigSerial(primary_key=True)
    checkpoint = columns.big_number()
    ledger = columns.reference(LedgerHead)
    seq = columns.big_number()
    available_raw = columns.raw_amount()
    locked_raw = columns.raw_amount()
    head_hash = Varchar(length=64, default=None)

    ledger_checkpoint_leaves_once = Unique(["ledger", "checkpoint"])
