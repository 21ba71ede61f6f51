#!/usr/bin/env python3
"""Verify an export of a Swap Pay ledger, alone or against a signed checkpoint, without trusting the gateway.

    python verify_ledger.py --export ledger.jsonl
    python verify_ledger.py --export ledger.jsonl --checkpoint proof.json --keys checkpoint-keys.json
    python verify_ledger.py --export evidence.zip --keys checkpoint-keys.json

`ledger.jsonl`          the export: swap-pay export-ledger
`evidence.zip`          the evidence of a month: swap-pay export-evidence, or the cabinet's page of a statement
`proof.json`            GET /api/v1/merchant/ledger/proof?asset=…&chain=…
`checkpoint-keys.json`  GET /.well-known/swap-pay/checkpoint-keys, fetched once, early, and kept

Needs Python 3.9 and the package `cryptography`. Exits with 0 if all holds, with 1 and the first bad seq if not.
What is computed here is described in ledger.md.
"""

import argparse
import base64
import hashlib
import json
import struct
import sys
import zipfile
import zlib

LEAF_FIELDS = ("merchant_id", "asset", "network", "seq", "hash", "available_raw", "locked_raw")


UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError),
    *(ValueError, LookupError, TypeError),
)
"""What a changed archive may raise."""


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


def verify_signature(what, signed, key_id, signature, keys):
    """Ed25519 by one of the trusted keys."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if key_id not in keys:
        fail(f"{what} is signed with key {key_id}, which is not among the trusted ones")
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(keys[key_id]))
        key.verify(base64.b64decode(signature), signed)
    except (InvalidSignature, ValueError):
        fail(f"the signature does not fit {what}")


def verify_checkpoint(published, keys):
    """The hash and the signature of a checkpoint's document."""
    document = canonical(published["checkpoint"])
    if sha256(document).hexdigest() != published["hash"]:
        fail("the checkpoint's hash is not that of its document")
    verify_signature("the checkpoint", document, published["key_id"], published["signature"], keys)


def verify_proof(proof, keys):
    """The signature of the checkpoint, then that the leaf is in its tree (RFC 6962); the leaf."""
    verify_checkpoint(proof, keys)
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


def verify_evidence(archive, keys):
    """The evidence of a month: the manifest's signature, every file's hash, checkpoints, and each ledger's entries."""
    names = archive.namelist()
    if names[-2:] != ["manifest.json", "signature.json"] or len(set(names)) != len(names) or archive.comment:
        fail("not evidence of a month, or it has a file twice")
    body, signed = archive.read("manifest.json"), archive.read("signature.json")
    manifest, signature = json.loads(body), json.loads(signed)
    if signed != canonical({**signature, "algorithm": "Ed25519", "sha256": sha256(body).hexdigest()}):
        fail("signature.json: it is not the signature of this manifest")
    verify_signature("manifest.json", body, signature["key_id"], signature["signature"], keys)
    if manifest["format"] != "swap-pay-evidence/1" or [one["name"] for one in manifest["files"]] != names[:-2]:
        fail("manifest.json: another format, or it lists other files than the archive has")
    for one in manifest["files"]:
        content = archive.read(one["name"])
        if len(content) != one["size"] or sha256(content).hexdigest() != one["sha256"]:
            fail(f"{one['name']}: it was changed after the manifest was signed")

    last = None
    for published in lines_of(archive, "checkpoints-"):
        verify_checkpoint(published, keys)
        if last is not None and published["checkpoint"]["previous"] != last["hash"]:
            fail(f"checkpoint {published['checkpoint']['number']} does not follow from the one before")
        last = published
    if last is None or manifest["checkpoint"] != {"number": last["checkpoint"]["number"], "hash": last["hash"]}:
        fail("manifest.json: the last checkpoint is another one")
    print(f"ok      {manifest['merchant_id']} {manifest['mode']} {manifest['month']}, signed {manifest['created_at']}")
    for folder in sorted({name.rpartition("/")[0] for name in names if "/" in name}):
        verify_excerpt(archive, folder, manifest, keys)


def verify_excerpt(archive, folder, manifest, keys):
    """Entries lead from the opening to the closing, and on to what the checkpoint signed."""
    header, proof = (json.loads(archive.read(f"{folder}/{name}.json")) for name in ("ledger", "proof"))
    leaf = verify_proof(proof, keys)
    owner = {name: header[name] for name in ("merchant_id", "asset", "network")}
    if header["format"] != "swap-pay-ledger-excerpt/1" or owner != {name: leaf[name] for name in owner}:
        fail(f"{folder}: not the ledger that the proof is of")
    if proof["hash"] != manifest["checkpoint"]["hash"] or owner["merchant_id"] != manifest["merchant_id"]:
        fail(f"{folder}: the proof is of another checkpoint or merchant")
    opening, closing = header["opening"], header["closing"]
    state, references = dict(opening), {}
    if opening["seq"] == closing["seq"] and opening != closing:
        fail(f"{folder}: opening and closing differ without an entry")
    for entry in lines_of(archive, f"{folder}/entries-"):
        seq, claimed = state["seq"] + 1, entry.pop("hash")
        if entry["seq"] != seq or entry["prev_hash"] != state["hash"]:
            fail(f"{folder}: seq {seq}: it does not follow from the entry before")
        if sha256(canonical({**entry, **owner})).hexdigest() != claimed:
            fail(f"{folder}: seq {seq}: the hash does not match the entry's content")
        for name in ("available", "locked"):
            if int(state[f"{name}_raw"]) + int(entry[f"{name}_delta_raw"]) != int(entry[f"{name}_after_raw"]):
                fail(f"{folder}: seq {seq}: the balance does not follow from the deltas")
        after = {"available_raw": entry["available_after_raw"], "locked_raw": entry["locked_after_raw"]}
        state = {"seq": seq, "hash": claimed, **after}
        in_month = entry["created_at"].rstrip("Z") < manifest["to"].rstrip("Z")
        if (seq <= closing["seq"] and not in_month) or (seq == closing["seq"] + 1 and in_month):
            fail(f"{folder}: seq {seq}: the month ends at another entry")
        if seq == closing["seq"] and state != closing:
            fail(f"{folder}: seq {seq}: the closing is another one")
        references[seq] = entry["reference"]
    if not opening["seq"] <= closing["seq"] <= state["seq"] or state != {name: leaf[name] for name in state}:
        fail(f"{folder}: its entries do not lead to what was signed")
    moved = 0
    for transaction in lines_of(archive, f"{folder}/transactions-"):
        moved += 1
        if references.get(transaction["seq"]) != transaction["reference"]:
            fail(f"{folder}: transaction {transaction['txid']} is about another entry")
    span = f"entries {opening['seq'] + 1} to {closing['seq']}" if closing["seq"] > opening["seq"] else "no entries"
    print(f"ok      {owner['asset']} {owner['network']}: {span}, {moved} transfers, closing {closing['hash']}")


def lines_of(archive, prefix):
    """The lines of all files of a kind, in order."""
    for name in archive.namelist():
        if name.startswith(prefix):
            with archive.open(name) as lines:
                for line in lines:
                    yield json.loads(line)


def main():
    parser = argparse.ArgumentParser(description="Verify an export of a Swap Pay ledger.")
    parser.add_argument("--export", required=True)
    parser.add_argument("--checkpoint", help="what GET /ledger/proof answered")
    parser.add_argument("--keys", help="what /.well-known/swap-pay/checkpoint-keys answered; needed with signatures")
    arguments = parser.parse_args()
    if zipfile.is_zipfile(arguments.export):
        if not arguments.keys:
            parser.error("evidence needs --keys: a signature says nothing under a key that came with it")
        with open(arguments.keys, encoding="utf-8") as keys:
            trusted = {key["id"]: key["public_key"] for key in json.load(keys)["keys"]}
        try:
            with zipfile.ZipFile(arguments.export) as archive:
                verify_evidence(archive, trusted)
        except UNREADABLE as error:
            fail(f"the archive can't be read: {error}")
        return
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
