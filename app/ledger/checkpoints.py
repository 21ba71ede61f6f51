"""Signed checkpoints: where every ledger stood at one moment, in one Merkle root that outsiders can keep.

A checkpoint's document names the one before it by hash, so that the history can't be thinned out, and is signed
with Ed25519 (RFC 8032) by a key that the database does not hold. Whoever has an old checkpoint can show that an
entry was there; a superuser who rewrites a ledger, or all of it, or cuts its tail, contradicts it.
`docs/ledger.md` and `docs/verify_ledger.py` say how a stranger verifies one.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.core import database
from app.core.canonical import canonical_json, sha256_hex
from app.core.clock import rfc3339
from app.core.database import Row
from app.core.settings import CheckpointKeys
from app.ledger import merkle
from app.ledger.hashchain import GENESIS_HASH, ChainId, State
from app.ledger.verify import Anchor

FORMAT = "swap-pay-checkpoint/1"

CHECKPOINT_LOCK = 7_226_006
"""Advisory lock key: checkpoints are numbered one after another, whoever makes them."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where one ledger stood."""

    chain: ChainId
    state: State

    def content(self) -> bytes:
        """What is hashed into the tree: RFC 8785 JSON."""
        return canonical_json(self.fields())

    def fields(self) -> dict[str, str | int | bool | None]:
        """The leaf as a proof shows it."""
        return {
            "merchant_id": self.chain.owner,
            "asset": self.chain.asset,
            "network": self.chain.network,
            "seq": self.state.seq,
            "hash": self.state.hash,
            "available_raw": str(self.state.available_raw),
            "locked_raw": str(self.state.locked_raw),
        }


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed checkpoint. `document` is the very text that was signed; `hash` its SHA-256."""

    number: int
    created_at: datetime
    ledgers: int
    root: str
    hash: str
    document: str
    key_id: str
    signature: bytes

    @property
    def previous(self) -> str:
        """The hash of the checkpoint before, as the document has it."""
        previous: str = json.loads(self.document)["previous"]
        return previous

    def published(self) -> dict[str, object]:
        """The checkpoint as it is published: the document as JSON, its hash and its signature in base64."""
        return {
            "checkpoint": json.loads(self.document),
            "hash": self.hash,
            "key_id": self.key_id,
            "signature": base64.b64encode(self.signature).decode(),
        }


@dataclass(frozen=True, slots=True)
class Proof:
    """That a leaf is in a checkpoint."""

    leaf: Leaf
    index: int
    path: tuple[str, ...]
    checkpoint: Checkpoint


async def create(keys: CheckpointKeys, now: datetime) -> Checkpoint:
    """Sign where all ledgers stand now. Opens its own transaction, in which only those that moved are stored."""
    async with database.transaction():
        await database.execute("SELECT pg_advisory_xact_lock($1)", CHECKPOINT_LOCK)
        previous = await latest()
        number = 1 if previous is None else previous.number + 1
        await _store_moved(number)
        leaves = await leaves_of(number)
        root = merkle.root([merkle.leaf_hash(leaf.content()) for leaf in leaves]).hex()
        document = canonical_json(
            {
                "format": FORMAT,
                "number": number,
                "created_at": rfc3339(now),
                "ledgers": len(leaves),
                "root": root,
                "previous": GENESIS_HASH if previous is None else previous.hash,
            }
        )
        signer = Ed25519PrivateKey.from_private_bytes(keys.seeds[keys.current])
        await _remember_key(keys.current, signer.public_key().public_bytes_raw(), now)
        checkpoint = Checkpoint(
            number, now, len(leaves), root, sha256_hex(document), document.decode(), keys.current, signer.sign(document)
        )
        await _store(checkpoint)
    return checkpoint


async def latest() -> Checkpoint | None:
    """The newest checkpoint."""
    page = await before(None, 1)
    return page[0] if page else None


async def get(number: int) -> Checkpoint | None:
    """One checkpoint by its number."""
    row = await database.fetch_one(f"{_SELECT} WHERE number = $1", number)
    return None if row is None else _checkpoint(row)


async def before(number: int | None, limit: int) -> list[Checkpoint]:
    """The history, newest first, below `number`."""
    rows = await database.fetch_all(
        f"{_SELECT} WHERE $1::bigint IS NULL OR number < $1 ORDER BY number DESC LIMIT $2", number, limit
    )
    return [_checkpoint(row) for row in rows]


async def public_keys() -> dict[str, bytes]:
    """Every public key that has signed, by id, the oldest first."""
    rows = await database.fetch_all("SELECT id, public_key FROM checkpoint_keys ORDER BY first_used_at, id")
    return {row["id"]: row["public_key"] for row in rows}


async def leaves_of(number: int) -> list[Leaf]:
    """The leaves of a checkpoint, in the order of the tree: by asset, network, owner, each by its bytes."""
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
    return sorted((_leaf(row) for row in rows), key=lambda leaf: leaf.chain)


async def anchors(ledger: int, *, last_only: bool) -> list[Anchor]:
    """What was signed of one ledger, oldest first; the newest alone with `last_only`."""
    rows = await database.fetch_all(
        """
        SELECT checkpoint, seq, available_raw, locked_raw, head_hash FROM ledger_checkpoint_leaves
        WHERE ledger = $1 ORDER BY checkpoint DESC LIMIT $2
        """,
        ledger,
        1 if last_only else None,
    )
    return [Anchor(row["checkpoint"], _state(row)) for row in reversed(rows)]


async def prove(chain: ChainId, number: int | None = None) -> Proof | None:
    """The proof that a ledger is in a checkpoint, the newest unless told otherwise; None where it is not."""
    checkpoint = await latest() if number is None else await get(number)
    if checkpoint is None:
        return None
    tree = _trees.get(checkpoint.hash)
    if tree is None:
        leaves = await leaves_of(checkpoint.number)
        tree = _Tree(
            {leaf.chain: (place, leaf) for place, leaf in enumerate(leaves)},
            [merkle.leaf_hash(leaf.content()) for leaf in leaves],
        )
        while len(_trees) >= TREES_KEPT:
            del _trees[next(iter(_trees))]
        _trees[checkpoint.hash] = tree
    if chain not in tree.leaves:
        return None
    index, leaf = tree.leaves[chain]
    path = merkle.inclusion_path(tree.hashes, index)
    return Proof(leaf, index, tuple(node.hex() for node in path), checkpoint)


@dataclass(frozen=True, slots=True)
class _Tree:
    leaves: Mapping[ChainId, tuple[int, Leaf]]
    hashes: Sequence[bytes]


_trees: dict[str, _Tree] = {}
"""The trees of a few checkpoints, by hash: a signed one never changes, and many merchants ask for the newest."""

TREES_KEPT = 2


def seeds_public_keys(keys: CheckpointKeys) -> dict[str, bytes]:
    """The public keys of the seeds in the settings: what the gateway itself trusts."""
    return {
        key_id: Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        for key_id, seed in keys.seeds.items()
    }


def is_signed(document: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the key of `public_key` signed the document."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, document)
    except (InvalidSignature, ValueError):
        return False
    return True


def fault_in(checkpoint: Checkpoint, leaves: Sequence[Leaf], trusted: Mapping[str, bytes]) -> str | None:
    """What is wrong with a stored checkpoint, or None."""
    public_key = trusted.get(checkpoint.key_id)
    if public_key is None:
        return f"key {checkpoint.key_id} signed it, and is not trusted"
    if not is_signed(checkpoint.document.encode(), checkpoint.signature, public_key):
        return "the signature does not fit the document"
    fields = json.loads(checkpoint.document)
    if (fields["number"], fields["root"], fields["ledgers"], sha256_hex(checkpoint.document.encode())) != (
        checkpoint.number,
        checkpoint.root,
        checkpoint.ledgers,
        checkpoint.hash,
    ):
        return "the row differs from the document that was signed"
    root = merkle.root([merkle.leaf_hash(leaf.content()) for leaf in leaves]).hex()
    return None if root == checkpoint.root else "its leaves were changed: they give another root"


_SELECT = "SELECT number, key, created_at, ledgers, root, hash, document, signature FROM ledger_checkpoints"


def _checkpoint(row: Row) -> Checkpoint:
    return Checkpoint(
        row["number"],
        row["created_at"],
        row["ledgers"],
        row["root"],
        row["hash"],
        row["document"],
        row["key"],
        row["signature"],
    )


def _leaf(row: Row) -> Leaf:
    return Leaf(ChainId(owner=row["owner"], network=row["network"], asset=row["asset"]), _state(row))


def _state(row: Row) -> State:
    return State(row["seq"], row["available_raw"], row["locked_raw"], row["head_hash"])


async def _store_moved(number: int) -> None:
    """Store where each ledger stands that has moved since its last leaf; one statement, so one moment."""
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


async def _remember_key(key_id: str, public_key: bytes, now: datetime) -> None:
    await database.execute(
        "INSERT INTO checkpoint_keys (id, public_key, first_used_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        key_id,
        public_key,
        now,
    )
    known = await database.fetch_value("SELECT public_key FROM checkpoint_keys WHERE id = $1", key_id)
    if known != public_key:
        raise KeyReused(f"CHECKPOINT_KEY: {key_id} was another key before; give the new one an id of its own")


class KeyReused(Exception):
    """The settings give a known id to another seed: what it signed before could not be verified any more."""


async def _store(checkpoint: Checkpoint) -> None:
    await database.execute(
        """
        INSERT INTO ledger_checkpoints (number, key, created_at, ledgers, root, hash, document, signature)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        checkpoint.number,
        checkpoint.key_id,
        checkpoint.created_at,
        checkpoint.ledgers,
        checkpoint.root,
        checkpoint.hash,
        checkpoint.document,
        checkpoint.signature,
    )
