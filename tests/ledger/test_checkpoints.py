"""Checkpoints: a signed state can't be changed unnoticed, and a third party can check that with only files."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.core import clock, database
from app.core.settings import CheckpointKeys
from app.ledger import checkpoint_format, checkpoints, checkpoints_repository, offline, repository, service, verify
from app.ledger.hashchain import ChainId, Entry, Reference, hashed_bytes
from app.ledger.service import Posting
from app.reconciliation.checks import hash_chains
from app.reconciliation.findings import Finding
from app.reconciliation.snapshot import snapshot
from tests.factories.tampering import as_superuser, fork, rewrite, truncate

CHAIN = ChainId(owner="MCH-0000000001", network="ethereum:test", asset="USDT")
OTHERS = [ChainId(owner=f"MCH-000000000{n}", network="ethereum:test", asset="USDT") for n in range(2, 7)]
KEYS = CheckpointKeys({"c1": os.urandom(32)})
SCRIPT = Path(__file__).parents[2] / "docs" / "verify_ledger.py"


@pytest.fixture
async def books(db: str) -> None:
    """Six ledgers, one with ten entries, signed at seq 4 and at seq 8."""
    await database.execute(
        "INSERT INTO assets (network, symbol, contract, decimals) VALUES ('ethereum:test', 'USDT', '0x1', 6)"
    )
    for other in OTHERS:
        await book(other, 1, 3)
    await book(CHAIN, 1, 4)
    await checkpoints.create(KEYS, clock.now())
    await book(CHAIN, 5, 8)
    await checkpoints.create(KEYS, clock.now())
    await book(CHAIN, 9, 10)


async def book(chain: ChainId, first: int, last: int) -> None:
    async with database.transaction():
        postings = [
            Posting(chain, "invoice_credit", 100 + n, 0, Reference("deposit", f"DEP-{chain.owner[-1]}{n}"))
            for n in range(first, last + 1)
        ]
        await service.post(postings, clock.now())


async def found(*, full: bool, keys: CheckpointKeys = KEYS) -> list[Finding]:
    async with snapshot():
        return (await hash_chains.check(keys, full=full)).findings


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("full", [True, False])
async def test_unchanged_ledgers_have_no_findings(full: bool) -> None:
    assert await found(full=full) == []
    async with snapshot():
        figures = (await hash_chains.check(KEYS, full=full)).figures
    assert figures["entries_read"] == (25 if full else 2)


TAMPERINGS: dict[str, tuple[Callable[[], Awaitable[None]], int, str]] = {
    "altered": (
        lambda: as_superuser("UPDATE ledger_entries SET reference_id = 'DEP-X' WHERE seq = 6"),
        6,
        "does not match the entry's content",
    ),
    "truncated": (lambda: truncate(CHAIN, 7), 8, "checkpoint 2 signed seq 8"),
    "forked": (lambda: fork(CHAIN, 6), 6, "the chain forks here"),
    "re-hashed from the middle": (lambda: rewrite(CHAIN, 5, 1_000), 5, "rewritten within seq 5 to 8"),
    "re-hashed as a whole": (lambda: rewrite(CHAIN, 1, 1_000), 1, "rewritten within seq 1 to 4"),
    "a hole": (lambda: as_superuser("DELETE FROM ledger_entries WHERE seq = 6"), 6, "missing"),
}


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_changes_by_a_superuser_are_found_and_named(tampering: str) -> None:
    tamper, seq, problem = TAMPERINGS[tampering]
    await tamper()
    (finding,) = await found(full=True)
    assert finding.subject == "MCH-0000000001 USDT ethereum:test"
    assert finding.figures["first_bad_seq"] == seq
    assert problem in finding.message


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("tampering", ["truncated", "re-hashed from the middle", "re-hashed as a whole"])
async def test_runs_between_full_ones_compare_with_the_last_checkpoint(tampering: str) -> None:
    tamper, seq, _ = TAMPERINGS[tampering]
    await tamper()
    (finding,) = await found(full=False)
    assert finding.figures["first_bad_seq"] == seq


@pytest.mark.usefixtures("books")
async def test_entries_after_the_last_checkpoint_are_read_between_full_runs() -> None:
    await as_superuser("UPDATE ledger_entries SET kind = 'service_fee' WHERE seq = 10")
    (finding,) = await found(full=False)
    assert finding.figures["first_bad_seq"] == 10


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE ledger_checkpoint_leaves SET available_raw = 7 WHERE checkpoint = 1", "another root"),
        ("UPDATE ledger_checkpoints SET root = repeat('0', 64) WHERE number = 2", "differs from the document"),
        ("UPDATE ledger_checkpoints SET document = replace(document, 'USDT', 'X') || ' '", "signature"),
        ("DELETE FROM ledger_checkpoints WHERE number = 1", "older ones are gone"),
    ],
)
async def test_the_checkpoints_themselves_are_checked(statement: str, problem: str) -> None:
    await as_superuser(statement)
    assert any(problem in finding.message for finding in await found(full=True))


@pytest.mark.usefixtures("books")
async def test_a_checkpoint_signed_by_an_unknown_key_is_found() -> None:
    await checkpoints.create(CheckpointKeys({"c9": os.urandom(32)}), clock.now())
    assert [f.message for f in await found(full=False)] == ["key c9 signed it, and is not trusted"]


@pytest.mark.usefixtures("books")
async def test_keys_rotate_and_old_ones_stay_published() -> None:
    rotated = CheckpointKeys({"c2": os.urandom(32)})  # the old seed is removed from the settings
    await book(CHAIN, 11, 12)
    await checkpoints.create(rotated, clock.now())
    assert list(await checkpoints_repository.public_keys()) == ["c1", "c2"]
    assert await found(full=True, keys=rotated) == []
    with pytest.raises(checkpoints.KeyReused):
        await checkpoints.create(CheckpointKeys({"c1": os.urandom(32)}), clock.now())


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize("table", ["ledger_checkpoints", "ledger_checkpoint_leaves", "checkpoint_keys"])
async def test_postgres_refuses_changes_of_checkpoints(table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET id = id", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(statement)


async def export() -> list[str]:
    head = await repository.head(CHAIN)
    assert head is not None
    return [line async for line in verify.export(head)]


async def proof_of(number: int | None = None) -> dict[str, object]:
    proof = await checkpoints.prove(CHAIN, number)
    assert proof is not None
    published = {
        "leaf": proof.leaf.fields(),
        "index": proof.index,
        "path": list(proof.path),
        **proof.checkpoint.published(),
    }
    as_read: dict[str, object] = json.loads(json.dumps(published))
    return as_read


class ThirdParty:
    """A third party with the export, the proof, the public keys and the script, without our code."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def verify(self, lines: list[str], proof: dict[str, object]) -> tuple[int, str]:
        public = checkpoint_format.seeds_public_keys(KEYS)
        keys = [{"id": key_id, "public_key": base64.b64encode(key).decode()} for key_id, key in public.items()]
        files = {
            "export": "\n".join(lines) + "\n",
            "checkpoint": json.dumps(proof),
            "keys": json.dumps({"keys": keys}),
        }
        options = []
        for name, content in files.items():
            (self._folder / name).write_text(content)
            options += [f"--{name}", str(self._folder / name)]
        done = subprocess.run(
            [sys.executable, "-I", str(SCRIPT), *options], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr


def ours(lines: list[str], proof: dict[str, object]) -> str | None:
    """The result of the gateway's verification of the same files."""
    try:
        fault = offline.verify_export_with_proof(lines, proof, checkpoint_format.seeds_public_keys(KEYS)).fault
    except offline.BadProof as bad:
        return str(bad)
    return None if fault is None else f"seq {fault.seq}: {fault.problem}"


@pytest.mark.usefixtures("books")
async def test_a_third_party_verifies_an_export_against_a_proof(tmp_path: Path) -> None:
    third_party, lines = ThirdParty(tmp_path), await export()
    for number in (None, 1, 2):
        proof = await proof_of(number)
        status, printed = third_party.verify(lines, proof)
        assert (status, ours(lines, proof)) == (0, None)
        assert "ok      MCH-0000000001 USDT ethereum:test: 10 entries" in printed


@pytest.mark.usefixtures("books")
async def test_a_third_party_finds_missing_and_rewritten_entries(tmp_path: Path) -> None:
    third_party, proof = ThirdParty(tmp_path), await proof_of()
    await rewrite(CHAIN, 3, 1_000)
    lines = await export()
    assert verify.verify_export(lines).fault is None  # consistent in itself
    status, printed = third_party.verify(lines, proof)
    assert status == 1
    assert "rewritten at or before this seq" in printed
    assert "rewritten within seq 1 to 8" in str(ours(lines, proof))

    await rewrite(CHAIN, 3, -1_000)
    await truncate(CHAIN, 6)
    status, printed = third_party.verify(await export(), proof)
    assert status == 1
    assert "seq 7: missing: seq 8 was signed" in printed
    assert "seq 7: missing" in str(ours(await export(), proof))


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("forge", "printed"),
    [
        (lambda p: p["leaf"].update(available_raw="1"), "not in the checkpoint"),
        (lambda p: p["checkpoint"].update(root="0" * 64), "hash is not that of its document"),
        (lambda p: p.update(signature=base64.b64encode(bytes(64)).decode()), "signature does not fit"),
        (lambda p: p.update(index=p["index"] + 1), "not in the checkpoint"),
        (lambda p: p["path"].pop(), "not in the checkpoint"),
        (lambda p: p.update(key_id="c7"), "not among the trusted ones"),
    ],
)
async def test_a_forged_proof_is_refused(
    tmp_path: Path, forge: Callable[[dict[str, object]], object], printed: str
) -> None:
    lines, proof = await export(), await proof_of()
    forge(proof)
    status, output = ThirdParty(tmp_path).verify(lines, proof)
    assert status == 1
    assert printed in output
    assert printed in str(ours(lines, proof))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 2**53 - 1), st.integers(-(10**77), 10**77))
def test_the_fast_encoder_writes_the_form_of_rfc_8785(
    owner: str, kind: str, reference: str, seq: int, raw: int
) -> None:
    chain = ChainId(owner=owner, asset="USDT", network="ethereum:test")
    entry = Entry(
        seq=seq,
        kind=kind,
        available_delta_raw=str(raw),
        locked_delta_raw="0",
        available_after_raw=str(raw),
        locked_after_raw="0",
        reference=Reference(kind, reference),
        created_at="2026-01-31T09:30:00Z",
        prev_hash="0" * 64,
        hash="",
    )
    fields = msgspec.to_builtins(entry)
    del fields["hash"]
    fields |= {"merchant_id": owner, "asset": chain.asset, "network": chain.network}
    assert hashed_bytes(chain, entry) == rfc8785.dumps(fields)
