"""The ledgers: entries sum to balances, a change is found and named, and Postgres refuses forbidden statements."""

import asyncio
import hashlib
import json

import asyncpg
import pytest

from app.core import clock, database
from app.core.errors import ApiError, Code
from app.ledger import repository, service, verify
from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import Posting

CHAIN = ChainId(owner="MCH-0000000001", network="ethereum:test", asset="USDT")


@pytest.fixture
async def usdt(db: str) -> None:
    await database.execute(
        "INSERT INTO assets (network, symbol, contract, decimals) VALUES ('ethereum:test', 'USDT', '0x1', 6)"
    )


async def book(amount_raw: int, fact: str, chain: ChainId = CHAIN) -> None:
    async with database.transaction():
        posting = Posting(chain, "invoice_credit", amount_raw, 0, Reference("deposit", fact))
        await service.post([posting], clock.now())


async def only_head() -> repository.Head:
    head = await repository.head(CHAIN)
    assert head is not None
    return head


@pytest.mark.usefixtures("usdt")
async def test_parallel_bookings_make_one_chain_that_verifies() -> None:
    await asyncio.gather(*(book(n, f"DEP-{n}") for n in range(1, 41)))
    head = await only_head()
    assert (head.state.seq, head.state.available_raw) == (40, sum(range(1, 41)))
    assert (await verify.verify_chain(head)).fault is None


@pytest.mark.usefixtures("usdt")
async def test_one_reference_is_booked_once() -> None:
    await book(5, "DEP-1")
    with pytest.raises(asyncpg.UniqueViolationError, match="ledger_entries_fact_once"):
        await book(5, "DEP-1")


@pytest.mark.usefixtures("usdt")
async def test_a_debit_above_the_balance_is_refused() -> None:
    await book(5, "DEP-1")
    with pytest.raises(ApiError) as refused:
        await book(-6, "PO-1")
    assert refused.value.code == Code.INSUFFICIENT_BALANCE
    assert (await only_head()).state.available_raw == 5


def forged_entry(*, seq_step: int, delta: int, after: int) -> str:
    return (
        f"INSERT INTO ledger_entries SELECT id + 1, ledger, seq + {seq_step}, 'forged', {delta}, 0, {after}, 0,"
        " 'deposit', 'DEP-2', created_at, hash, hash FROM ledger_entries"
    )


@pytest.mark.usefixtures("usdt")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET available_delta_raw = 1",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries",
        "UPDATE ledger_heads SET available_raw = 1000",
        "DELETE FROM ledger_heads",
        forged_entry(seq_step=5, delta=1, after=6),
        forged_entry(seq_step=1, delta=9, after=6),
        forged_entry(seq_step=1, delta=-9, after=-4),
        "INSERT INTO ledger_heads (owner, network, asset, seq, available_raw, locked_raw, head_hash)"
        " VALUES ('MCH-2', 'ethereum:test', 'USDT', 0, 10, 0, repeat('0', 64))",
    ],
)
async def test_postgres_refuses_changes_of_the_ledgers(statement: str) -> None:
    await book(5, "DEP-1")
    with pytest.raises((asyncpg.RestrictViolationError, asyncpg.CheckViolationError)):
        await database.execute(statement)


@pytest.mark.usefixtures("usdt")
@pytest.mark.parametrize(
    ("tampering", "seq"),
    [
        ("UPDATE ledger_entries SET available_delta_raw = 6, available_after_raw = 8 WHERE seq = 2", 2),
        ("UPDATE ledger_entries SET reference_id = 'DEP-9' WHERE seq = 3", 3),
        ("DELETE FROM ledger_entries WHERE seq = 2", 2),
        ("DELETE FROM ledger_entries WHERE seq = 5", 5),
        ("UPDATE ledger_heads SET available_raw = 1000", 5),
    ],
)
async def test_a_change_without_triggers_is_named(tampering: str, seq: int) -> None:
    for n in range(1, 6):
        await book(n, f"DEP-{n}")
    await database.execute("ALTER TABLE ledger_entries DISABLE TRIGGER ALL")
    await database.execute("ALTER TABLE ledger_heads DISABLE TRIGGER ALL")
    await database.execute(tampering)
    fault = (await verify.verify_chain(await only_head())).fault
    assert fault is not None
    assert fault.seq == seq


@pytest.mark.usefixtures("usdt")
async def test_a_third_party_verifies_an_export_with_the_standard_library() -> None:
    for n in range(1, 6):
        await book(n * 10**20, f"DEP-{n}")
    lines = [line async for line in verify.export(await only_head())]
    assert verify.verify_export(lines).fault is None

    header, *entries = map(json.loads, lines)
    previous, available = "0" * 64, 0
    for entry in entries:
        claimed = entry.pop("hash")
        entry |= {name: header[name] for name in ("merchant_id", "asset", "network")}
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert entry["prev_hash"] == previous
        assert hashlib.sha256(text.encode()).hexdigest() == claimed
        previous, available = claimed, available + int(entry["available_delta_raw"])
    assert (previous, str(available)) == (header["hash"], header["available_raw"])


@pytest.mark.usefixtures("usdt")
async def test_an_altered_or_shortened_export_is_named() -> None:
    for n in range(1, 4):
        await book(n, f"DEP-{n}")
    lines = [line async for line in verify.export(await only_head())]
    altered = [line.replace('"DEP-2"', '"DEP-7"') for line in lines]
    assert (fault := verify.verify_export(altered).fault) is not None
    assert fault.seq == 2
    assert (fault := verify.verify_export(lines[:-1]).fault) is not None
    assert fault.seq == 3
    with pytest.raises(verify.UnreadableExport, match="line 1"):
        verify.verify_export(["{}"])
