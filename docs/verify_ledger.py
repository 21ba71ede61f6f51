#!/usr/bin/env python3
"""Verify an export of a Swap Pay ledger, alone or against a signed checkpoint, without trusting the gateway.

    python verify_ledger.py --export ledger.jsonl
    python verify_ledger.py --export ledger.jsonl --checkpoint proof.json --keys checkpoint-keys.json

`ledger.jsonl`          the export: swap-pay export-ledger
`proof.json`            GET /api/v1/merchant/ledger/proof?asset=…&chain=…
`checkpoint-keys.json`  GET /.well-known/swap-pay/checkpoint-keys, fetched once, early, and kept

Needs Python 3.9 and the package `cryptography`. Exits with 0 if all holds, with 1 and the first bad seq if not.
What is computed here is described in ledger.md.
"""

import argparse
import base64
import hashlib
import json
import sys

LEAF_FIELDS = ("merchant_id", "asset", "network", "seq", "hash", "available_raw", "locked_raw")


def canonical(value):
    """RFC 8785 for what occurs here: strings, integers below 2^53, objects with ASCII names."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data):
    return hashlib.sha256(data)


def fail(message):
    print(f"BROKEN  {message}")
    sys.exit(1)


def verify_chain(lines, signed=None):
    """Re-compute the chain; with `signed` (the leaf of a proof) also hold the entry of that seq against it."""
    header = json.loads(next(lines))
    if header.get("format") != "swap-pay-ledger/1":
        fail("line 1: not an export of a ledger")
    owner = {name: header[name] for name in ("merchant_id", "asset", "network")}
    seq, available, locked, previous = 0, 0, 0, "0" * 64
    for line in lines:
        entry = json.loads(line)
        claimed = entry.pop("hash")
        if entry["seq"] != seq + 1:
            fail(f"seq {seq + 1}: missing, forked or out of order: found {entry['seq']}")
        seq += 1
        if entry["prev_hash"] != previous:
            fail(f"seq {seq}: prev_hash is not the hash of the entry before")
        if sha256(canonical({**entry, **owner})).hexdigest() != claimed:
            fail(f"seq {seq}: the hash does not match the entry's content")
        available += int(entry["available_delta_raw"])
        locked += int(entry["locked_delta_raw"])
        if (str(available), str(locked)) != (entry["available_after_raw"], entry["locked_after_raw"]):
            fail(f"seq {seq}: the balance does not follow from the deltas")
        previous = claimed
        if signed is not None and seq == signed["seq"]:
            reached = {**owner, "seq": seq, "hash": claimed, "available_raw": str(available), "locked_raw": str(locked)}
            if reached != signed:
                fail(f"seq {seq}: rewritten at or before this seq: another hash or balance was signed")
    if signed is not None and seq < signed["seq"]:
        fail(f"seq {seq + 1}: missing: seq {signed['seq']} was signed")
    if (seq, str(available), str(locked), previous) != tuple(
        header[name] for name in ("seq", "available_raw", "locked_raw", "hash")
    ):
        fail(f"seq {min(seq, header['seq']) + 1}: the export does not end where its first line says")
    return owner, seq, previous


def verify_proof(proof, keys):
    """The signature of the checkpoint, then that the leaf is in its tree (RFC 6962); the leaf."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    document = canonical(proof["checkpoint"])
    if sha256(document).hexdigest() != proof["hash"]:
        fail("the checkpoint's hash is not that of its document")
    if proof["key_id"] not in keys:
        fail(f"the checkpoint is signed with key {proof['key_id']}, which is not among the trusted ones")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys[proof["key_id"]]))
        key.verify(base64.b64decode(proof["signature"]), document)
    except (InvalidSignature, ValueError):
        fail("the signature does not fit the checkpoint")

    leaf = {name: proof["leaf"][name] for name in LEAF_FIELDS}
    node = sha256(b"\x00" + canonical(leaf)).digest()
    index, last, path = proof["index"], proof["checkpoint"]["ledgers"] - 1, list(proof["path"])
    if not 0 <= index <= last:
        fail("the leaf is not in the checkpoint")
    while last > 0:
        if index % 2 or index < last:
            if not path:
                fail("the leaf is not in the checkpoint")
            sibling = bytes.fromhex(path.pop(0))
            node = sha256(b"\x01" + (sibling + node if index % 2 else node + sibling)).digest()
        index, last = index // 2, last // 2
    if path or node.hex() != proof["checkpoint"]["root"]:
        fail("the leaf is not in the checkpoint")
    return leaf


def main():
    parser = argparse.ArgumentParser(description="Verify an export of a Swap Pay ledger.")
    parser.add_argument("--export", required=True)
    parser.add_argument("--checkpoint", help="what GET /ledger/proof answered")
    parser.add_argument("--keys", help="what /.well-known/swap-pay/checkpoint-keys answered; needed with --checkpoint")
    arguments = parser.parse_args()
    leaf = None
    if arguments.checkpoint:
        if not arguments.keys:
            parser.error("--checkpoint needs --keys: a signature says nothing under a key that came with it")
        with open(arguments.checkpoint, encoding="utf-8") as proof_file, open(arguments.keys, encoding="utf-8") as keys:
            trusted = {key["id"]: key["public_key"] for key in json.load(keys)["keys"]}
            proof = json.load(proof_file)
        leaf = verify_proof(proof, trusted)
    with open(arguments.export, encoding="utf-8") as export:
        owner, seq, last_hash = verify_chain(iter(export), leaf)
    print(f"ok      {owner['merchant_id']} {owner['asset']} {owner['network']}: {seq} entries, head {last_hash}")
    if leaf is not None:
        document = proof["checkpoint"]
        print(f"        as signed in checkpoint {document['number']} of {document['created_at']}, at seq {leaf['seq']}")


if __name__ == "__main__":
    main()
