"""The evidence of a month: made in parts, verified offline by two programs, and no byte of it can be changed."""

import base64
import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.cli.main import main
from app.core import database
from app.core.canonical import canonical_json, sha256_hex
from app.ledger import checkpoint_format, evidence
from app.ledger.hashchain import State
from app.sandbox.home import ROOT
from app.statements import evidence as packs
from app.statements import service
from app.statements.archive import Member
from app.statements.months import Month
from app.statements.service import MonthStatement
from tests.factories.merchants import merchant
from tests.statements.bookkeeping import KEYS, Books, add_assets

SCRIPT = ROOT / "docs" / "verify_ledger.py"
OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
TRUSTED = checkpoint_format.seeds_public_keys(KEYS)


@pytest.fixture
async def books(db: str, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Entries in October, November and December, signed now and then; files of three entries."""
    monkeypatch.setattr(packs, "ENTRIES_IN_FILE", 3)
    monkeypatch.setattr(packs, "CHECKPOINTS_IN_FILE", 2)
    await add_assets()
    other = Books(await merchant(), datetime(2026, 10, 5, tzinfo=UTC))
    await other.credit("USDT", 5)
    books = Books(await merchant(), other.now)
    for n in range(5):
        await books.credit("USDT", 1_000_000 + n, 8_000)
        books.now += timedelta(days=4)
    await books.sign()
    books.now = NOVEMBER.begin
    await books.sign()
    for n in range(7):
        await books.credit("USDT", 2_000_000 + n, 16_000)
        await books.sign()
    await books.lock("payout", "USDT", 3_000_000, 250_000)
    await books.end(settled=True)
    await books.credit("ETH", 10**18)
    await books.reverse()
    books.now = NOVEMBER.end + timedelta(minutes=20)
    await books.credit("USDT", 77)
    await books.sign()
    await transfer(books)
    return books


async def transfer(books: Books) -> None:
    """The transfer on chain behind the merchant's first credit of November."""
    reference = await database.fetch_value(
        "SELECT reference_id FROM ledger_entries e JOIN ledger_heads h ON h.id = e.ledger"
        " WHERE h.owner = $1 AND h.asset = 'USDT' AND e.seq = 6",
        books.merchant_id,
    )
    address = await database.fetch_value(
        "INSERT INTO deposit_addresses (network, derivation_index, address, lease_count, available_at, created_at)"
        " VALUES ('ethereum:test', 1, '0xA1', 1, now(), now()) RETURNING id"
    )
    await database.execute(
        "INSERT INTO deposits (id, network, txid, log_index, asset, deposit_address, amount_raw, block_height,"
        " block_hash, block_time, seen_at, status, verdict, settled_at)"
        " VALUES ($1, 'ethereum:test', '0xfeed', 3, 'USDT', $2, 2016000, 70, '0xb70', now(), now(), 'credited',"
        " 'exact', now())",
        reference,
        address,
    )


async def november(books: Books, month: Month = NOVEMBER) -> MonthStatement:
    found = await service.of_month(books.merchant_id, "test", month, books.now)
    assert found is not None
    return found


async def packed(books: Books) -> bytes:
    parts = packs.parts(await november(books), KEYS, books.now)
    return b"".join([part.body async for part in parts])


def verified(archive: bytes) -> evidence.VerifiedEvidence:
    return evidence.verify_evidence(io.BytesIO(archive), TRUSTED)


def by_script(tmp_path: Path, archive: bytes) -> "subprocess.CompletedProcess[str]":
    path, keys = tmp_path / "pack.zip", tmp_path / "keys.json"
    path.write_bytes(archive)
    listed = [{"id": name, "public_key": base64.b64encode(key).decode()} for name, key in TRUSTED.items()]
    keys.write_text(json.dumps({"keys": listed}))
    command = [sys.executable, "-I", str(SCRIPT), "--export", str(path), "--keys", str(keys)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


async def test_the_month_is_proven_and_another_process_can_go_on_making_it(books: Books, tmp_path: Path) -> None:
    statement = await november(books)
    whole = await packed(books)
    members: tuple[Member, ...] = ()
    pieces, done = b"", 0
    while True:  # a process for each part, which knows only what the one before has kept
        part = await anext(packs.parts(statement, KEYS, books.now, members, done))
        pieces += part.body
        members, done = msgspec.json.decode(msgspec.json.encode(part.members), type=tuple[Member, ...]), part.done
        if part.done == part.total:
            break
    assert pieces == whole

    found = verified(whole)
    assert (found.merchant_id, found.mode, found.month) == (books.merchant_id, "test", "2026-11")
    assert (found.checkpoint, found.key_id) == (statement.checkpoint, "c1")
    eth, usdt = found.ledgers
    assert (eth.opening, eth.closing.seq) == (State(), 2)
    assert (usdt.opening.seq, usdt.closing.seq, usdt.transactions) == (5, 14, 1)
    assert usdt.closing == statement.ledgers[1].closing.state
    assert (await november(books, OCTOBER)).ledgers[0].closing.state == usdt.opening, "months join"

    said = by_script(tmp_path, whole)
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"entries 6 to 14, 1 transfers, closing {usdt.closing.hash}" in said.stdout
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        assert archive.testzip() is None
        (line,) = archive.read("ledgers/USDT@ethereum/transactions-00001.jsonl").splitlines()
    moved = json.loads(line)
    assert (moved["txid"], moved["block_height"], moved["amount_raw"], moved["to_address"]) == (
        *("0xfeed", 70, "2016000"),
        "0xA1",
    )
    await assert_the_command_line_does_both(books, tmp_path, whole)


async def assert_the_command_line_does_both(books: Books, tmp_path: Path, whole: bytes) -> None:
    """What the CLI prints of the same archive, and of a changed one."""
    (tmp_path / "pack.zip").write_bytes(whole)
    arguments = ["verify-ledger", "--export", str(tmp_path / "pack.zip"), "--keys", str(tmp_path / "keys.json")]
    said = CliRunner().invoke(main, arguments)
    assert said.exit_code == 0, said.output
    assert "USDT ethereum:test: entries 6 to 14, 1 transfers" in said.output
    (tmp_path / "pack.zip").write_bytes(rezipped(whole, "entries-00001", lambda body: body.replace(b"DEP", b"DEQ", 1)))
    said = CliRunner().invoke(main, arguments)
    assert (said.exit_code, said.output.startswith("BROKEN  ledgers/")) == (1, True)


def rezipped(archive: bytes, part_of_name: str, change: Callable[[bytes], bytes]) -> bytes:
    """The archive with one file's content changed, its checksums made anew."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = next(name for name in old.namelist() if part_of_name in name)
        for name in old.namelist():
            body = old.read(name)
            new.writestr(name, change(body) if name == chosen else body)
    return out.getvalue()


def flipped(body: bytes) -> bytes:
    """One bit of one byte is another, wherever; what was empty is not."""
    if not body:
        return b"{}"
    place = random.randrange(len(body))
    return body[:place] + bytes([body[place] ^ (1 << random.randrange(8))]) + body[place + 1 :]


async def test_a_changed_byte_of_any_file_is_found_by_both_programs(books: Books, tmp_path: Path) -> None:
    whole = await packed(books)
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        names, kinds = archive.namelist(), set[str]()
    for name in names:
        for _ in range(3):
            changed = rezipped(whole, name, flipped)
            with pytest.raises(evidence.BadEvidence):
                verified(changed)
        kind = name.rpartition("/")[2].partition("-0")[0]
        if kind not in kinds:
            kinds.add(kind)
            said = by_script(tmp_path, changed)
            assert (said.returncode, said.stdout[:6]) == (1, "BROKEN"), f"{name}: {said.stdout} {said.stderr}"
    assert len(kinds) == 9
    for _ in range(20):  # of the archive itself, where the content is
        place = random.randrange(40, len(whole) // 2)
        changed = whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        with suppress(evidence.BadEvidence):
            assert verified(changed) == verified(whole), "what was changed is no content"


async def test_a_signer_cannot_leave_out_or_invent_entries(books: Books, tmp_path: Path) -> None:
    """Whoever has the key signs another manifest: the entries must still be those that the checkpoint signed."""
    whole = await packed(books)
    last = "ledgers/USDT@ethereum/entries-00004.jsonl"
    lies: dict[str, Callable[[dict[str, bytes]], object]] = {
        "do not lead to": lambda files: files.pop(last),
        "does not match": lambda files: files.update({last: files[last].replace(b'"77"', b'"78"')}),
        "do not lead": lambda files: files.update(
            {name: b"" for name in files if name.startswith("ledgers/USDT") and "entries" in name}
        ),
        "booked after the month": lambda files: moved_closing(files),
        "is about something else": lambda files: files.update(
            {
                name: body.replace(b'"seq":6', b'"seq":7')
                for name, body in files.items()
                if name == "ledgers/USDT@ethereum/transactions-00001.jsonl"
            }
        ),
        "does not follow": lambda files: files.pop("checkpoints-00002.jsonl"),
    }
    for problem, lie in lies.items():
        forged = resigned(whole, lie)
        with pytest.raises(evidence.BadEvidence, match=problem):
            verified(forged)
        assert by_script(tmp_path, forged).stdout.startswith(("BROKEN", "ok ")), problem
        assert by_script(tmp_path, forged).returncode == 1, problem
    with pytest.raises(evidence.BadEvidence, match="key c1 signed, which is not among the trusted ones"):
        evidence.verify_evidence(io.BytesIO(whole), {})
    with pytest.raises(evidence.BadEvidence, match="can't be read"):
        verified(b"PK not an archive")


def moved_closing(files: dict[str, bytes]) -> None:
    """The closing is the entry after the month."""
    name = "ledgers/USDT@ethereum/ledger.json"
    entry = json.loads(files["ledgers/USDT@ethereum/entries-00004.jsonl"].splitlines()[-1])
    closing = {"seq": entry["seq"], "hash": entry["hash"]}
    closing |= {f"{part}_raw": entry[f"{part}_after_raw"] for part in ("available", "locked")}
    files[name] = json.dumps(json.loads(files[name]) | {"closing": closing}).encode()


def resigned(archive: bytes, lie: Callable[[dict[str, bytes]], object]) -> bytes:
    """The archive with other files, listed and signed anew with the right key."""
    with zipfile.ZipFile(io.BytesIO(archive)) as old:
        files = {name: old.read(name) for name in old.namelist()[:-2]}
        manifest = json.loads(old.read("manifest.json"))
    lie(files)
    manifest["files"] = [{"name": name, "size": len(body), "sha256": sha256_hex(body)} for name, body in files.items()]
    body = canonical_json(manifest)
    key = Ed25519PrivateKey.from_private_bytes(KEYS.seeds["c1"])
    files |= {"manifest.json": body, "signature.json": evidence.signature_file(body, "c1", key.sign(body))}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in files.items():
            new.writestr(name, content)
    return out.getvalue()


async def test_an_open_month_has_no_evidence(books: Books) -> None:
    december = await november(books, NOVEMBER.following)
    with pytest.raises(packs.NotFinal, match="December 2026 is not final yet"):
        [part async for part in packs.parts(december, KEYS, books.now)]
