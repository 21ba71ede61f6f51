"""docs/growth.md says of every table where it would be with Citus, and what would have to change first."""

import re
from typing import Any

import asyncpg
import pytest

from app.core import clock, database
from app.events import sequencer
from app.sandbox.chain_driver import AnvilDriver
from app.sandbox.home import ROOT
from app.webhooks import claims_repository, outcomes_repository
from app.webhooks.fan_out import fan_out_with
from app.webhooks.outcomes_repository import Attempt
from app.webhooks.schedule import Verdict
from app.wiring import Services
from tests import distribution
from tests.distribution import DISTRIBUTED, LOCAL, REFERENCE, lines, place_of, reach, to_change
from tests.factories.invoices import invoice, reread
from tests.factories.merchants import terms
from tests.factories.webhooks import make_endpoint

PAGE = ROOT / "docs/growth.md"


def section(name: str) -> str:
    return PAGE.read_text().partition(f"\n### {name}\n")[2].partition("\n### ")[0].partition("\n## ")[0]


async def test_every_table_has_its_place_and_the_page_names_what_would_have_to_change(db: str) -> None:
    connection = await asyncpg.connect(db)
    try:
        tables = await connection.fetch(
            "SELECT relname::text AS name FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        )
        placed = [*DISTRIBUTED, *REFERENCE, *(table for group in LOCAL.values() for table in group)]
        assert len(placed) == len(set(placed)), "a table stands in two places"
        for table in tables:
            place_of(table["name"])
        assert set(placed) == {table["name"] for table in tables}
        wanted = await to_change(connection)
        assert len(wanted) > 20
        assert lines(wanted) in section("What would have to change"), f"the page must have:\n{lines(wanted)}"
    finally:
        await connection.close()
    told = section("Which table is where")
    for table in (*DISTRIBUTED, *REFERENCE):
        assert f"`{table}`" in told
    for why, group in LOCAL.items():
        assert f"{len(group)} of {why}" in " ".join(told.split())


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> dict[str, None]:
    """Every statement that is sent to the database."""
    found: dict[str, None] = {}
    call = database._call

    async def listening(connection: Any, method: Any, *args: Any) -> Any:
        if args and isinstance(args[0], str):
            found[args[0]] = None
        return await call(connection, method, *args)

    monkeypatch.setattr(database, "_call", listening)
    return found


async def test_the_page_lists_the_statements_of_a_payment_that_reach_every_host(
    services: Services, driver: AnvilDriver, token: str, heard: dict[str, None]
) -> None:
    merchant = await terms(service_fee_bps=80)
    await make_endpoint(
        merchant_id=merchant.merchant_id,
        mode="test",
        url="https://shop.example/hook",
        keys=services.settings.data_keys,
        now=clock.now(),
    )
    (watcher,) = services.watchers()
    await watcher.tick()
    heard.clear()

    new = await invoice(services, merchant)
    await driver.transfer_token(token, new.pay_in.address, int(new.pay_in.amount_raw))
    await watcher.tick()
    await driver.mine(3)
    await watcher.tick()
    assert (await reread(services, new)).status == "paid"
    while await sequencer.number_events(fan_out_with(services.settings.data_keys)):
        pass
    now = clock.now()
    claim = await claims_repository.claim(slots=8, failing=False, now=now)
    attempts = [
        Attempt(delivery=one, started_at=now, duration_ms=1, status=200, error=None, detail="")
        for group in claim.groups
        for one in group.deliveries
    ]
    assert len(attempts) == 3
    async with database.transaction():
        failures = await claims_repository.lock_queues({attempt.delivery.endpoint for attempt in attempts})
        await outcomes_repository.record(attempts, [Verdict("delivered", None)] * 3, now)
        await outcomes_repository.move_queues(failures, now)

    found = sorted({str(one) for one in map(reach, heard) if one is not None})
    listed = re.findall(r"^\| `([^`]+)` \|", section("Statements that reach every host"), re.MULTILINE)
    assert found == sorted(listed), "\n".join(["the page must list, with a reason each:", *found])
    assert len(found) > 5


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM invoices WHERE merchant = $1 AND id = $2", None),
        ("SELECT * FROM invoices WHERE id = $1", "SELECT invoices"),
        ("INSERT INTO events (event_id, merchant_id) VALUES ($1, $2)", None),
        ("UPDATE webhook_queues SET due_at = $1", "UPDATE webhook_queues"),
        ("SELECT 1 FROM ledger_heads FOR UPDATE", None),
        ('DELETE FROM "events" USING invoices WHERE 1 = 1', "DELETE events, invoices"),
        ("SELECT * FROM quotes q JOIN invoices i ON true WHERE i.merchant = $1", "SELECT invoices, quotes"),
    ],
)
def test_what_a_statement_reaches(sql: str, expected: str | None) -> None:
    found = distribution.reach(sql)
    assert (None if found is None else str(found)) == expected
