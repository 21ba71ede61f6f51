from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..models.proof_leaf import ProofLeaf
    from ..models.signed_document import SignedDocument


@dataclass
class LedgerProof:
    """The proof that the ledger is in a signed checkpoint.

    Attributes:
        leaf (ProofLeaf): The ledger's state in the checkpoint. The RFC 8785 form of these fields is the tree's
            leaf.
        index (int): The leaf's place in the tree.
        path (list[str]): The hashes that lead from the leaf to the root (RFC 6962).
        checkpoint (SignedDocument): What was signed: the RFC 8785 form of these fields.
        hash_ (str): The document's SHA-256.
        key_id (str): Which key signed.
        signature (str): Ed25519 over the document, in base64.
    """

    leaf: ProofLeaf
    index: int
    path: list[str]
    checkpoint: SignedDocument
    hash_: str
    key_id: str
    signature: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        leaf = self.leaf.to_dict()
        said["leaf"] = leaf
        index = self.index
        said["index"] = index
        path = self.path

        said["path"] = path
        checkpoint = self.checkpoint.to_dict()
        said["checkpoint"] = checkpoint
        hash_ = self.hash_
        said["hash"] = hash_
        key_id = self.key_id
        said["key_id"] = key_id
        signature = self.signature
        said["signature"] = signature
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> LedgerProof:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.proof_leaf import ProofLeaf
        from ..models.signed_document import SignedDocument

        left = dict(said)
        leaf = ProofLeaf.from_dict(left.pop("leaf"))

        index = left.pop("index")
        path = cast(list[str], left.pop("path"))

        checkpoint = SignedDocument.from_dict(left.pop("checkpoint"))

        hash_ = left.pop("hash")
        key_id = left.pop("key_id")
        signature = left.pop("signature")
        made = cls(
            leaf=leaf,
            index=index,
            path=path,
            checkpoint=checkpoint,
            hash_=hash_,
            key_id=key_id,
            signature=signature,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
