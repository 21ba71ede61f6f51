"""The format of a checkpoint: its document, its leaves, its signature, and the check of all three.

Pure functions over values. `docs/ledger.md` and `docs/verify_ledger.py` show how a third party verifies one.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from app.core.canonical import canonical_json, sha256_hex
from app.core.settings import CheckpointKeys
from app.ledger import merkle
from app.ledger.hashchain import ChainId, State

FORMAT = "swap-pay-checkpoint/1"


class Leaf(msgspec.Struct, frozen=True):
    """The state of one ledger in a checkpoint."""

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


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed checkpoint. `document` is exactly the text that was signed; `hash` is its SHA-256."""

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
        """The hash of the previous checkpoint, read from the document."""
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


class Proof(msgspec.Struct, frozen=True):
    """Proof that a leaf is part of a checkpoint."""

    leaf: Leaf
    index: int
    path: tuple[str, ...]
    checkpoint: Checkpoint


def seeds_public_keys(keys: CheckpointKeys) -> dict[str, bytes]:
    """The public keys, by id, of the seeds in the settings. The gateway trusts these."""
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
    """Describe what is wrong with a stored checkpoint; None if it is valid."""
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
