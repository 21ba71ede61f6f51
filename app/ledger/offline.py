"""Verify an export against a proof. Needs only the two files and the public keys.

`docs/verify_ledger.py` does the same without any of our code; a test compares the two.
"""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from app.core.canonical import canonical_json, sha256_hex
from app.ledger import merkle
from app.ledger.checkpoint_format import FORMAT, Leaf, is_signed
from app.ledger.hashchain import Anchor, ChainId, Fault, State
from app.ledger.verify import Verification, verify_export


class BadProof(Exception):
    """The proof is malformed, is signed by a key that is not trusted, or gives another root."""


def verify_export_with_proof(
    lines: Iterable[str], proof: Mapping[str, Any], trusted: Mapping[str, bytes]
) -> Verification:
    """Re-compute an export and compare it with the signed leaf. Raises UnreadableExport, BadProof.

    A tail cut off below the signed seq, or a chain rewritten as a whole, is a fault.
    """
    chain, anchor = signed_anchor(proof, trusted)
    verification = verify_export(lines, anchor)
    if verification.fault is None and verification.chain != chain:
        problem = f"the proof is of another ledger: {chain.owner} {chain.asset} {chain.network}"
        return Verification(verification.chain, verification.seq, verification.head_hash, Fault(1, problem))
    return verification


def signed_anchor(proof: Mapping[str, Any], trusted: Mapping[str, bytes]) -> tuple[ChainId, Anchor]:
    """The signed state in a proof, after checking its signature and inclusion. Raises BadProof."""
    try:
        document = proof["checkpoint"]
        signed_bytes = canonical_json(document)
        signature = base64.b64decode(proof["signature"], validate=True)
        leaf, index, path = proof["leaf"], proof["index"], [bytes.fromhex(node) for node in proof["path"]]
        chain = ChainId(owner=leaf["merchant_id"], asset=leaf["asset"], network=leaf["network"])
        state = State(leaf["seq"], int(leaf["available_raw"]), int(leaf["locked_raw"]), leaf["hash"])
        size, root, number = document["ledgers"], bytes.fromhex(document["root"]), document["number"]
        key_id, named_hash, form = proof["key_id"], proof["hash"], document["format"]
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise BadProof("it is not a proof as GET /ledger/proof gives it") from None
    if form != FORMAT or sha256_hex(signed_bytes) != named_hash:
        raise BadProof("the checkpoint's hash is not that of its document")
    if key_id not in trusted:
        raise BadProof(f"it is signed with key {key_id}, which is not among the trusted ones")
    if not is_signed(signed_bytes, signature, trusted[key_id]):
        raise BadProof("the signature does not fit the checkpoint")
    content = Leaf(chain, state).content()
    if not merkle.is_included(merkle.leaf_hash(content), index, size, path, root):
        raise BadProof("the leaf is not in the checkpoint")
    return chain, Anchor(number, state)
