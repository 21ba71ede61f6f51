"""A database of version 1.0 with everything under way is migrated without loss, and the signer goes on where it was.

The state is made by this version's signer on a real chain, then written into a database of the first schema, as 1.0
would have had it: each transaction in one row, with its payment, nonce and gas. What the migration makes of it must be
what the signer had written.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from app.core import clock, database
from app.core.migrations import migrate, module_name
from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.postgres import Postgres
from app.signer import repository
from app.signer.keystore import SpendingKeys
from app.signer.repository import Stored
from app.signer.start import signers_of
from app.wiring import running, wire
from tests.services import database_as_of, empty_redis
from tests.signer.crashing import Killed, KilledAt
from tests.signer.signer_under_test import NETWORK, SignerUnderTest

FIRST = "2026-11-28T11:21:00:000000"
MIGRATION = module_name("2026-11-29T07:10:00:000000")

BUMP_AFTER_S = 180
REVERTS = "0x60006000fd"

AS_OF_1_0 = {
    "network_cursors": "SELECT *, chain_identity::bigint AS chain_id FROM network_cursors",
    "outgoing_transactions": """
    SELECT t.id, t.network, t.purpose, p.withdrawal, t.from_address, p.to_address, p.asset, p.amount_raw, t.nonce,
        t.replaces, t.txid, t.signed_bytes, f.gas_limit, f.max_fee_raw, f.priority_fee_raw, t.status, t.block_height,
        t.block_hash, t.fee_raw AS gas_cost_raw, t.fee_booked_raw AS gas_booked_raw, t.created_at, t.submitted_at,
        t.settled_at, f.data_fee_raw
    FROM outgoing_transactions t JOIN outgoing_payments p ON p.transaction = t.id
    CROSS JOIN LATERAL jsonb_to_record(t.form::jsonb) AS f (gas_limit bigint, max_fee_raw numeric,
        priority_fee_raw numeric, data_fee_raw numeric)
    """,
}
"""The rows of tables whose columns were others, as 1.0 would have had them."""

UNKNOWN_SENDER = "unknown"
"""What 1.0 wrote for a sender that it did not know."""


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"fee_bump_after_s": BUMP_AFTER_S, "sweep_interval_s": 86_400}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": 1_000_000}, "ETH": {"sweep_min_raw": 10**15}}


@pytest.fixture
async def old_url(postgres: Postgres) -> AsyncIterator[str]:
    """An empty database of the first schema, as version 1.0 has made it."""
    async with database_as_of(postgres, FIRST) as url:
        yield url


async def copy(source: asyncpg.Connection, target: asyncpg.Connection) -> dict[str, int]:
    """Copy every table, without triggers, and return the number of rows of each."""
    await target.execute("SET session_replication_role = replica")
    counts = {}
    found = await target.fetch("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'")
    tables = [row["name"] for row in found if row["name"] != "migration"]
    await target.execute(f"TRUNCATE {', '.join(tables)}")
    for table in tables:
        found = await source.fetch(AS_OF_1_0.get(table, f"SELECT * FROM {table}"))
        columns = await target.fetch(
            "SELECT column_name::text AS name FROM information_schema.columns WHERE table_name = $1", table
        )
        names = [column["name"] for column in columns if not found or column["name"] in found[0].keys()]  # noqa: SIM118
        await target.copy_records_to_table(
            table,
            records=[
                [UNKNOWN_SENDER if name == "from_address" and row[name] is None else row[name] for name in names]
                for row in found
            ],
            columns=names,
        )
        counts[table] = len(found)
        if sequence := await target.fetchval("SELECT to_regclass($1)::text", f"{table}_id_seq"):
            await target.execute(f"SELECT setval('{sequence}', coalesce((SELECT max(id) FROM {table}), 0) + 1, false)")
    return counts


async def outgoing_of(connection: asyncpg.Connection) -> list[list[dict[str, Any]]]:
    """The three tables, each in the order of its transactions; of generated ids only those of transactions."""
    transactions = [dict(row) for row in await connection.fetch("SELECT * FROM outgoing_transactions ORDER BY id")]
    for row in transactions:
        row["form"] = json.loads(row["form"])
    parts = [
        [
            {name: value for name, value in row.items() if name != "id"}
            for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY transaction")
        ]
        for table in ("outgoing_payments", "outgoing_claims")
    ]
    return [transactions, *parts]


async def everything_under_way(setup: SignerUnderTest, keys: SpendingKeys) -> dict[str, str]:
    """Payouts, sweeps and gas in every state that a running signer knows. Returns the payouts that are under way."""
    driver = setup.driver
    # Final: sweeps of coins and tokens with their gas, a payout, one that was bumped before, one that was reverted.
    for _ in range(10):
        setup.signer._swept_at = None
        await setup.rounds(blocks=1)
    await setup.until_confirmed((await setup.approved("7.00")).id)
    await driver.call("evm_setAutomine", False)
    bumped = await setup.approved("8.00")
    await setup.rounds()
    clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
    await setup.rounds()
    reverted = await setup.approved("0.10", "ETH")
    await setup.rounds()
    await driver.call("anvil_setCode", reverted.destination, REVERTS)
    await setup.rounds(5, blocks=1)
    assert [(await setup.read(one.id)).status for one in (bumped, reverted)] == ["confirmed", "failed"]
    # Open: invoices, one paid and not final, and deposits to be swept.
    await driver.call("evm_setAutomine", True)
    await setup.receive_payment("USDT", "30.00")
    await setup.rounds(4, blocks=1)
    await setup.receive_payment("USDT", "31.00")
    await setup.watcher.tick()
    await driver.call("evm_setAutomine", False)
    # Under way: a payout with two attempts, gas for a sweep, a payout with one, one that is signed and not sent.
    twice = await setup.approved("12.00")
    await setup.rounds()
    clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
    await setup.rounds(2)
    setup.signer._swept_at = None
    await setup.rounds()
    once = await setup.approved("3.00")
    await setup.rounds()
    signed = await setup.approved("4.00")
    (doomed,) = signers_of(setup.services.networks, setup.services.withdrawals, keys, KilledAt("signed"))
    doomed._swept_at = clock.now()
    with pytest.raises(Killed):
        await doomed.tick()
    await setup.request_payout("5.00")
    return {"twice": twice.id, "once": once.id, "signed": signed.id}


def shape(lineages: list[list[Stored]]) -> list[list[Stored]]:
    """Lineages without the text of their forms, which may have other spaces."""
    return [
        [msgspec.structs.replace(one, form=json.dumps(json.loads(one.form), sort_keys=True)) for one in lineage]
        for lineage in lineages
    ]


async def test_everything_under_way_goes_on_after_the_migration(
    chain_settings: Callable[..., Settings],
    environment: dict[str, str],
    driver: AnvilDriver,
    token: str,
    keys: SpendingKeys,
    old_url: str,
    steady_clock: None,
) -> None:
    # Given a gateway with payments in every state,
    async with running(wire(chain_settings())) as services:
        await empty_redis()
        before = await SignerUnderTest.open(services, driver, token, keys)
        before.signer._swept_at = clock.now()
        for asset, amount in (("USDT", "1000.00"), ("ETH", "1.00")):
            await before.receive_payment(asset, amount)
        await before.top_up("ETH", 10**18)
        await before.top_up("USDT", 500_000_000)
        await before.confirm_blocks()
        ids = await everything_under_way(before, keys)
        lineages = shape(await repository.under_way(NETWORK))
        states = await database.fetch_all(
            "SELECT DISTINCT purpose || ' ' || status AS one FROM outgoing_transactions ORDER BY 1"
        )
    assert {row["one"] for row in states} >= {
        *("gas confirmed", "gas submitted", "sweep confirmed", "withdrawal confirmed", "withdrawal replaced"),
        *("withdrawal reverted", "withdrawal signed", "withdrawal submitted"),
    }
    assert sorted(len(lineage) for lineage in lineages) == [1, 1, 1, 2]
    # whose database is of version 1.0,
    source, target = await asyncpg.connect(environment["DATABASE_URL"]), await asyncpg.connect(old_url)
    counts = await copy(source, target)
    # when it is migrated,
    assert MIGRATION in (await migrate(old_url)).applied
    # then every row is there, and what was one row is what the signer writes today;
    tables = await outgoing_of(source)
    assert await outgoing_of(target) == tables
    assert counts["outgoing_transactions"] == len(tables[0]) == len(tables[1]) == len(tables[2])
    for table, count in counts.items():
        assert await target.fetchval(f"SELECT count(*) FROM {table}") == count, table
    for table in ("network_cursors", "deposits", "hot_wallet_receipts"):
        made, migrated = [
            [dict(row) for row in await one.fetch(f"SELECT * FROM {table} ORDER BY 1")] for one in (source, target)
        ]
        assert migrated == made, table
    await source.close()
    await target.close()
    environment["DATABASE_URL"] = old_url
    async with running(wire(chain_settings())) as services:
        (watcher,), (signer,) = (
            services.watchers(),
            signers_of(services.networks, services.withdrawals, keys, KilledAt("approved")),
        )
        after = replace(before, services=services, watcher=watcher, signer=signer)
        # the signer finds what is under way, and the books agree with each other and with the chain;
        assert shape(await repository.under_way(NETWORK)) == lineages
        await after.check()
        # a third attempt belongs to the lineage of the first two;
        signer._swept_at = clock.now()
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await after.rounds()
        attempts = await after.transactions(ids["twice"])
        assert [row["replaces"] for row in attempts] == [None, *(row["id"] for row in attempts[:-1])]
        assert {row["lineage"] for row in attempts} == {attempts[0]["id"]}
        assert len(attempts) == 3
        # and everything arrives, once.
        await driver.call("evm_setAutomine", True)
        await driver.mine(1)
        for withdrawal_id in ids.values():
            paid = await after.until_confirmed(withdrawal_id)
            assert await after.sent_to(paid.destination) == [int(paid.amount_raw)]
        new = after.new_signer()
        after = replace(after, signer=new)
        for _ in range(8):
            new._swept_at = None
            await after.rounds(blocks=1)
        assert [row["status"] for row in await after.transactions(ids["twice"])] == [
            "replaced",
            "replaced",
            "confirmed",
        ]
        assert {row["status"] for row in await after.transactions(purpose="gas")} == {"confirmed"}
        await after.check()
