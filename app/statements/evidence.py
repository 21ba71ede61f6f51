"""Make the evidence of a closed month: entries, the checkpoint that signed them, proofs, and chain transactions.

The format is app/ledger/evidence.py's and is described in docs/ledger.md. It is made in steps, each a few files of at
most ENTRIES_IN_FILE entries, so that a worker's memory is bounded and another worker can go on with it. The manifest is
signed with the key of checkpoints, which the worker has that signs those; the web process signs nothing.
"""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.core.canonical import canonical_json
from app.core.clock import rfc3339
from app.core.settings import CheckpointKeys
from app.ledger import checkpoints, checkpoints_repository, evidence
from app.ledger import repository as ledger_repository
from app.ledger.checkpoint_format import Checkpoint, Proof
from app.statements import evidence_repository, repository
from app.statements.archive import Member, directory, end_of, packed
from app.statements.service import LedgerStatement, MonthStatement

ENTRIES_IN_FILE = 2_000
CHECKPOINTS_IN_FILE = 1_000
"""More than a month has, where one is signed each hour."""


class NotFinal(Exception):
    """The month has no closing checkpoint yet; the message says so to the reader."""


class Part(msgspec.Struct, frozen=True):
    """A part of the archive, in order. `members` are all files so far, with which another process can go on; `done` of
    `total` parts are made."""

    body: bytes
    members: Sequence[Member]
    done: int
    total: int


class _Task(msgspec.Struct, frozen=True):
    """What one part holds: a run of checkpoints, or of one ledger's entries; neither for the first and the last."""

    ledger: LedgerStatement | None = None
    proof: Proof | None = None
    first: int = 0
    last: int = 0
    number: int = 0


async def parts(
    statement: MonthStatement,
    keys: CheckpointKeys,
    made_at: datetime,
    members: Sequence[Member] = (),
    done: int = 0,
) -> AsyncIterator[Part]:
    """The archive of a month, part by part, after the `done` parts that have made `members`.

    Raises NotFinal. Not inside a transaction: each part reads for itself what can't change any more.
    """
    if statement.checkpoint is None:
        raise NotFinal(f"{statement.month.words} is not final yet: no signed checkpoint has closed it")
    closing = await checkpoints_repository.get(statement.checkpoint)
    assert closing is not None, "checkpoints are never deleted"
    tasks = await _tasks(statement, closing)
    made = list(members)
    for number in range(done, len(tasks)):
        files = await _files(statement, tasks[number], is_first=number == 0)
        written = b""
        for name, body in files:
            part, member = packed(name, body, end_of(made))
            made.append(member)
            written += part
        if number + 1 == len(tasks):
            written += _signed_end(statement, closing, keys, made_at, made)
        yield Part(written, tuple(made), number + 1, len(tasks))


def file_name(statement: MonthStatement) -> str:
    """The name under which an archive is saved."""
    return f"evidence-{statement.merchant_id}-{statement.mode}-{statement.month}.zip"


async def _tasks(statement: MonthStatement, closing: Checkpoint) -> list[_Task]:
    """What the parts hold. It depends on nothing that can change."""
    first = await repository.checkpoint_before(statement.month) or 1
    tasks = [_Task()]
    for number, begin in enumerate(range(first, closing.number + 1, CHECKPOINTS_IN_FILE), start=1):
        last = min(begin + CHECKPOINTS_IN_FILE - 1, closing.number)
        tasks.append(_Task(first=begin, last=last, number=number))
    for ledger in statement.ledgers:
        proof = await checkpoints.prove(ledger.chain, closing.number)
        assert proof is not None, "a ledger with a closing is in the checkpoint that closed the month"
        begin, last = ledger.opening.seq + 1, proof.leaf.state.seq
        starts = list(range(begin, last + 1, ENTRIES_IN_FILE)) or [begin]
        for number, start in enumerate(starts, start=1):
            tasks.append(_Task(ledger, proof, start, min(start + ENTRIES_IN_FILE - 1, last), number))
    return tasks


async def _files(statement: MonthStatement, task: _Task, *, is_first: bool) -> list[tuple[str, bytes]]:
    """The files of one part."""
    if is_first:
        keys = [
            {"id": key_id, "algorithm": evidence.ALGORITHM, "public_key": base64.b64encode(key).decode()}
            for key_id, key in (await checkpoints_repository.public_keys()).items()
        ]
        words = _README.format(merchant=statement.merchant_id, month=statement.month, checkpoint=statement.checkpoint)
        return [(evidence.README, words.encode()), (evidence.KEYS, _pretty({"keys": keys}))]
    if task.ledger is None or task.proof is None:
        rows = await evidence_repository.checkpoints_between(task.first, task.last)
        lines = b"".join(msgspec.json.encode(row.published()) + b"\n" for row in rows)
        return [(f"{evidence.CHECKPOINTS}{task.number:05}.jsonl", lines)]
    chain = task.ledger.chain
    folder = f"ledgers/{chain.asset}@{chain.network.partition(':')[0]}"
    files = []
    if task.number == 1:
        header = {
            "format": evidence.EXCERPT,
            "merchant_id": chain.owner,
            "asset": chain.asset,
            "network": chain.network,
            "opening": evidence.state_fields(task.ledger.opening),
            "closing": evidence.state_fields(task.ledger.closing.state),
        }
        proof = {
            "leaf": task.proof.leaf.fields(),
            "index": task.proof.index,
            "path": list(task.proof.path),
            **task.proof.checkpoint.published(),
        }
        files += [(f"{folder}/{evidence.LEDGER}", _pretty(header)), (f"{folder}/{evidence.PROOF}", _pretty(proof))]
    if task.last >= task.first:
        ledger = task.ledger.closing.ledger
        entries = await ledger_repository.entries_between(ledger, task.first, task.last)
        lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
        files.append((f"{folder}/{evidence.ENTRIES}{task.number:05}.jsonl", lines))
        moved = await evidence_repository.transactions(ledger, task.first, task.last)
        lines = b"".join(msgspec.json.encode(one) + b"\n" for one in moved)
        files.append((f"{folder}/{evidence.TRANSACTIONS}{task.number:05}.jsonl", lines))
    return files


def _signed_end(
    statement: MonthStatement,
    closing: Checkpoint,
    keys: CheckpointKeys,
    made_at: datetime,
    members: Sequence[Member],
) -> bytes:
    """The manifest, its signature, and the archive's directory."""
    files: Any = [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in members]
    manifest = canonical_json(
        {
            "format": evidence.FORMAT,
            "merchant_id": statement.merchant_id,
            "mode": statement.mode,
            "month": str(statement.month),
            "from": rfc3339(statement.month.begin),
            "to": rfc3339(statement.month.end),
            "checkpoint": {"number": closing.number, "hash": closing.hash},
            "created_at": rfc3339(made_at),
            "files": files,
        }
    )
    signer = Ed25519PrivateKey.from_private_bytes(keys.seeds[keys.current])
    signature = evidence.signature_file(manifest, keys.current, signer.sign(manifest))
    every, written = list(members), b""
    for name, body in ((evidence.MANIFEST, manifest), (evidence.SIGNATURE, signature)):
        part, member = packed(name, body, end_of(every))
        every.append(member)
        written += part
    return written + directory(every)


def _pretty(value: object) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


_README = """\
Evidence of the ledgers of {merchant} in {month} (UTC), as checkpoint {checkpoint} signed them.

Verify it with public keys that you have from elsewhere, fetched early and stored, not with checkpoint-keys.json of
this archive, which is here for convenience:

    python3 verify_ledger.py --export THIS-ARCHIVE.zip --keys checkpoint-keys.json

verify_ledger.py and the description of all files come with Swap Pay: docs/ledger.md, "Evidence of a month".

manifest.json        the SHA-256 of every file; signature.json signs it
checkpoints-*.jsonl  every signed checkpoint of the month, up to the one that closed it
ledgers/*/           one ledger each: ledger.json (opening and closing), proof.json (its place in the closing
                     checkpoint), entries-*.jsonl, transactions-*.jsonl (what moved on the chain)
"""
