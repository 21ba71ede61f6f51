"""Signed checkpoints: the state of every ledger at one moment, in one Merkle root that third parties can store.

A checkpoint's document contains the hash of the previous one, so that none can be removed unnoticed. It is signed
with Ed25519 (RFC 8032) by a key that is not in the database. With an old checkpoint anybody can prove that an
entry existed: if a superuser rewrites a ledger or deletes its last entries, the checkpoint contradicts the ledger.
`docs/ledger.md` and `docs/verify_ledger.py` show how a third party verifies one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.core import database
from app.core.canonical import canonical_json, sha256_hex
from app.core.clock import rfc3339
from app.core.settings import CheckpointKeys
from app.ledger import checkpoints_repository, merkle
from app.ledger.checkpoint_format import FORMAT, Checkpoint, Leaf, Proof
from app.ledger.hashchain import GENESIS_HASH, ChainId


async def create(keys: CheckpointKeys, now: datetime) -> Checkpoint:
    """Sign the present state of all ledgers. Opens its own transaction; stores only ledgers that have changed."""
    async with database.transaction():
        await checkpoints_repository.lock_numbering()
        previous = await checkpoints_repository.latest()
        number = 1 if previous is None else previous.number + 1
        await checkpoints_repository.add_moved_leaves(number)
        leaves = await checkpoints_repository.leaves_of(number)
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
        await _store_key(keys.current, signer.public_key().public_bytes_raw(), now)
        checkpoint = Checkpoint(
            number, now, len(leaves), root, sha256_hex(document), document.decode(), keys.current, signer.sign(document)
        )
        await checkpoints_repository.add(checkpoint)
    return checkpoint


async def prove(chain: ChainId, number: int | None = None) -> Proof | None:
    """The proof that a ledger is part of checkpoint `number` (the newest if None); None if it is not."""
    checkpoint = await checkpoints_repository.latest() if number is None else await checkpoints_repository.get(number)
    if checkpoint is None:
        return None
    tree = _trees.get(checkpoint.hash)
    if tree is None:
        leaves = await checkpoints_repository.leaves_of(checkpoint.number)
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


class _Tree(msgspec.Struct, frozen=True):
    leaves: Mapping[ChainId, tuple[int, Leaf]]
    hashes: Sequence[bytes]


_trees: dict[str, _Tree] = {}
"""A cache of trees, by the checkpoint's hash: a signed tree never changes, and many merchants request the newest."""

TREES_KEPT = 2


class KeyReused(Exception):
    """The settings use a known key id for a different seed: earlier signatures could no longer be verified."""


async def _store_key(key_id: str, public_key: bytes, now: datetime) -> None:
    if await checkpoints_repository.add_key(key_id, public_key, now) != public_key:
        raise KeyReused(f"CHECKPOINT_KEY: {key_id} was another key before; give the new one an id of its own")
