"""The evidence of a month: a ZIP archive that anybody can verify with the public keys of checkpoints alone.

`docs/ledger.md` describes its files, and `docs/verify_ledger.py` does the same without any of our code. The archive is
made by app/statements/evidence.py.

What is proven by what: entries by their hashes, which end in the hash that a signed checkpoint has of the ledger; the
checkpoint by the proof of inclusion and its signature; all files, those of chain transactions too, by the manifest,
which the same key has signed.
"""

import base64
import binascii
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any
from zipfile import BadZipFile, ZipFile

import msgspec

from app.core.canonical import canonical_json, sha256_hex
from app.ledger.checkpoint_format import FORMAT as CHECKPOINT
from app.ledger.checkpoint_format import is_signed
from app.ledger.hashchain import ChainId, Entry, Fault, State, entry_fault, state_after
from app.ledger.offline import BadProof, signed_anchor

FORMAT = "swap-pay-evidence/1"
EXCERPT = "swap-pay-ledger-excerpt/1"
ALGORITHM = "Ed25519"

MANIFEST, SIGNATURE = "manifest.json", "signature.json"
README, KEYS = "README.txt", "checkpoint-keys.json"
LEDGER, PROOF = "ledger.json", "proof.json"
CHECKPOINTS, ENTRIES, TRANSACTIONS = "checkpoints-", "entries-", "transactions-"
"""Names of files; those that end with a dash go on with a number, in order."""

READ_AT_ONCE = 64 * 1024
LARGEST_MANIFEST = 10 * 1024 * 1024


class BadEvidence(Exception):
    """The archive is not evidence, or something of it was changed; the message names the file and what is wrong."""


class VerifiedLedger(msgspec.Struct, frozen=True):
    """A ledger's entries from the one after `opening` to `closing`, which are what the checkpoint signed."""

    chain: ChainId
    opening: State
    closing: State
    transactions: int


class VerifiedEvidence(msgspec.Struct, frozen=True):
    """What an archive proves: the ledgers of a merchant in a month, as checkpoint `checkpoint` signed them."""

    merchant_id: str
    mode: str
    month: str
    checkpoint: int
    checkpoint_hash: str
    key_id: str
    created_at: str
    ledgers: Sequence[VerifiedLedger]


def state_fields(state: State) -> dict[str, str | int]:
    """A ledger's state as the archive has it."""
    return {
        "seq": state.seq,
        "hash": state.hash,
        "available_raw": str(state.available_raw),
        "locked_raw": str(state.locked_raw),
    }


def signature_file(manifest: bytes, key_id: str, signature: bytes) -> bytes:
    """The file that signs a manifest."""
    encoded = base64.b64encode(signature).decode()
    return canonical_json(
        {"algorithm": ALGORITHM, "key_id": key_id, "sha256": sha256_hex(manifest), "signature": encoded}
    )


def verify_evidence(file: IO[bytes], trusted: Mapping[str, bytes]) -> VerifiedEvidence:
    """Verify an archive. `trusted` are public keys by id, from elsewhere than the archive. Raises BadEvidence."""
    try:
        with ZipFile(file) as archive:
            return _Reader(archive, trusted).verified()
    except _UNREADABLE as error:
        raise BadEvidence(f"the archive can't be read: {error}") from None


_UNREADABLE = (
    *(BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError),  # of the archive
    *(ValueError, LookupError, TypeError, AttributeError, OverflowError, msgspec.MsgspecError),  # of what it holds
)
"""What a file raises that is no evidence, or that was changed where nothing is checked yet."""


class _Reader:
    def __init__(self, archive: ZipFile, trusted: Mapping[str, bytes]) -> None:
        self._archive = archive
        self._trusted = trusted
        self._names = [info.filename for info in archive.infolist()]

    def verified(self) -> VerifiedEvidence:
        """Everything, in the order in which each step relies on the ones before."""
        manifest, key_id = self._manifest()
        self._check_files(manifest["files"])
        last = self._check_checkpoints()
        if last != manifest["checkpoint"]:
            raise BadEvidence(f"{MANIFEST}: the last checkpoint is another one")
        folders = sorted({name.rpartition("/")[0] for name in self._names if "/" in name})
        return VerifiedEvidence(
            merchant_id=manifest["merchant_id"],
            mode=manifest["mode"],
            month=manifest["month"],
            checkpoint=last["number"],
            checkpoint_hash=last["hash"],
            key_id=key_id,
            created_at=manifest["created_at"],
            ledgers=[self._ledger(folder, manifest) for folder in folders],
        )

    def _manifest(self) -> tuple[dict[str, Any], str]:
        """The manifest, whose signature holds, and the key's id."""
        if self._names[-2:] != [MANIFEST, SIGNATURE] or len(set(self._names)) != len(self._names):
            raise BadEvidence(f"the archive does not end with {MANIFEST} and {SIGNATURE}, or has a file twice")
        if self._archive.comment or self._archive.infolist()[0].header_offset:
            raise BadEvidence("the archive has something beside its files")
        body, signed = self._small(MANIFEST), self._small(SIGNATURE)
        try:
            fields = json.loads(signed)
            key_id, signature = fields["key_id"], base64.b64decode(fields["signature"], validate=True)
            is_exact = signature_file(body, key_id, signature) == signed
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise BadEvidence(f"{SIGNATURE}: not a signature") from None
        if not is_exact:
            raise BadEvidence(f"{SIGNATURE}: it is not the signature of this {MANIFEST}")
        if key_id not in self._trusted:
            raise BadEvidence(f"{SIGNATURE}: key {key_id} signed, which is not among the trusted ones")
        if not is_signed(body, signature, self._trusted[key_id]):
            raise BadEvidence(f"{MANIFEST}: the signature does not fit")
        manifest: dict[str, Any] = json.loads(body)
        if manifest.get("format") != FORMAT:
            raise BadEvidence(f"{MANIFEST}: the format is not {FORMAT}")
        return manifest, key_id

    def _check_files(self, files: Sequence[Mapping[str, Any]]) -> None:
        """Every file is listed, and has the size and the hash that the manifest says."""
        if [one["name"] for one in files] != self._names[:-2]:
            raise BadEvidence(f"{MANIFEST}: it lists other files than the archive has")
        for one in files:
            digest, left = hashlib.sha256(), one["size"] + 1
            with self._archive.open(one["name"]) as content:
                while left > 0 and (part := content.read(min(READ_AT_ONCE, left))):
                    digest.update(part)
                    left -= len(part)
            if left != 1 or digest.hexdigest() != one["sha256"]:
                raise BadEvidence(f"{one['name']}: it was changed after the manifest was signed")

    def _check_checkpoints(self) -> dict[str, Any]:
        """Every checkpoint is signed and contains the hash of the one before. Returns number and hash of the last."""
        number, last_hash = 0, ""
        for name, published in self._lines("", CHECKPOINTS):
            try:
                document = canonical_json(published["checkpoint"])
                fields, signature = published["checkpoint"], base64.b64decode(published["signature"], validate=True)
                key_id, named_hash = published["key_id"], published["hash"]
                follows = fields["number"] == number + 1 and fields["previous"] == last_hash
            except (ValueError, KeyError, TypeError, binascii.Error):
                raise BadEvidence(f"{name}: not a checkpoint") from None
            if fields["format"] != CHECKPOINT or sha256_hex(document) != named_hash:
                raise BadEvidence(f"{name}: checkpoint {fields['number']}: its hash is not that of its document")
            if key_id not in self._trusted or not is_signed(document, signature, self._trusted[key_id]):
                raise BadEvidence(f"{name}: checkpoint {fields['number']}: no trusted key has signed it")
            if last_hash and not follows:
                raise BadEvidence(f"{name}: checkpoint {fields['number']} does not follow {number}")
            number, last_hash = fields["number"], named_hash
        return {"number": number, "hash": last_hash}

    def _ledger(self, folder: str, manifest: Mapping[str, Any]) -> VerifiedLedger:
        """One ledger: its entries lead from the opening to the closing, and on to what the checkpoint signed."""
        proof = json.loads(self._archive.read(f"{folder}/{PROOF}"))
        try:
            chain, anchor = signed_anchor(proof, self._trusted)
        except BadProof as error:
            raise BadEvidence(f"{folder}/{PROOF}: {error}") from None
        header = json.loads(self._archive.read(f"{folder}/{LEDGER}"))
        owner = {"format": EXCERPT, "merchant_id": chain.owner, "asset": chain.asset, "network": chain.network}
        is_owners = chain.owner == manifest["merchant_id"] and chain.network.endswith(f":{manifest['mode']}")
        if not is_owners or any(header.get(name) != value for name, value in owner.items()):
            raise BadEvidence(f"{folder}/{LEDGER}: it is not the ledger that the proof is of")
        if {"number": anchor.checkpoint, "hash": proof["hash"]} != manifest["checkpoint"]:
            raise BadEvidence(f"{folder}/{PROOF}: it is of another checkpoint")
        opening, closing = _state(header["opening"]), _state(header["closing"])
        references = {}
        state = opening
        for name, fields in self._lines(f"{folder}/", ENTRIES):
            entry = msgspec.convert(fields, Entry)
            fault = entry_fault(chain, state, entry) or _month_fault(entry, closing, manifest["to"])
            state = state_after(entry)
            if fault is None and state.seq == closing.seq and state != closing:
                fault = Fault(entry.seq, "the closing is another one")
            if fault is not None:
                raise BadEvidence(f"{name}: entry {fault.seq}: {fault.problem}")
            references[entry.seq] = {"type": entry.reference.type, "id": entry.reference.id}
        if not opening.seq <= closing.seq <= state.seq or state != anchor.state:
            raise BadEvidence(f"{folder}: its entries do not lead to what checkpoint {anchor.checkpoint} signed")
        if opening.seq == closing.seq and opening != closing:
            raise BadEvidence(f"{folder}/{LEDGER}: opening and closing differ without an entry")
        count = 0
        for name, moved in self._lines(f"{folder}/", TRANSACTIONS):
            if references.get(moved["seq"]) != moved["reference"]:
                raise BadEvidence(f"{name}: entry {moved['seq']} is about something else")
            count += 1
        return VerifiedLedger(chain, opening, closing, count)

    def _lines(self, folder: str, prefix: str) -> Iterator[tuple[str, Any]]:
        """The lines of all files of a kind, each with its file's name."""
        for name in self._names:
            if name.startswith(folder + prefix):
                with self._archive.open(name) as content:
                    for line in content:
                        yield name, json.loads(line)

    def _small(self, name: str) -> bytes:
        """A file that is read before its size is known to be right."""
        with self._archive.open(name) as content:
            body = content.read(LARGEST_MANIFEST + 1)
        if len(body) > LARGEST_MANIFEST:
            raise BadEvidence(f"{name}: too long")
        return body


def _month_fault(entry: Entry, closing: State, month_ends: str) -> Fault | None:
    """The closing is the last entry before the first one that was booked after the month's end."""
    # Without the Z: a fraction's point comes before it in the order of characters.
    after_end = entry.created_at.removesuffix("Z") >= month_ends.removesuffix("Z")
    if entry.seq <= closing.seq and after_end:
        return Fault(entry.seq, "it was booked after the month")
    if entry.seq == closing.seq + 1 and not after_end:
        return Fault(entry.seq, "it was booked before the month's end, and follows the closing")
    return None


def _state(fields: Mapping[str, Any]) -> State:
    return State(fields["seq"], int(fields["available_raw"]), int(fields["locked_raw"]), fields["hash"])
