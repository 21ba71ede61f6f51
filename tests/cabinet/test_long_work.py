"""Long work of the cabinet: progress, cancel, a worker that dies, and the file that is kept for a day."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from app.cabinet import ledger as ledger_pages
from app.cabinet import webhooks as webhook_pages
from app.cabinet.works import works
from app.core import clock, database
from app.core.money import group_digits
from app.events import sequencer
from app.jobs import service as jobs
from app.jobs.repository import Job
from app.ledger import service as ledger
from app.ledger import verify
from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import Posting
from app.webhooks import replay
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services, wire
from tests.cabinet.people import Colleague, Office
from tests.factories.networks import networks_toml
from tests.factories.webhooks import make_endpoint
from tests.webhooks.test_delivery import happen

LONG = 10_000


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A deployment that knows a network; nothing here asks its node."""
    path = tmp_path / "networks.toml"
    path.write_text(networks_toml("http://127.0.0.1:9", "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"))
    return environment | {"NETWORKS_FILE": str(path)}


@pytest.fixture
async def services(office: Office) -> AsyncIterator[Services]:
    """What a worker has, on the app's own pool."""
    services = wire(office.settings)
    yield services
    await services.addresses.close()
    await services.outbound.aclose()
    await services.networks.aclose()


async def invoices(merchant_id: str, count: int) -> None:
    """So many open invoices, a minute apart, the newest first by its order id."""
    await database.execute(
        """
        INSERT INTO invoices (id, merchant, mode, status, needs_review, service_fee_bps, fee_payer, received_raw,
            refunded_raw, order_id, holds_order_id, metadata, expires_at, created_at, accept_parts, price_raw,
            price_currency)
        SELECT 'INV-' || lpad(n::text, 10, '0'), $1, 'test', 'awaiting_choice', false, 80, 'merchant', 0, 0,
            'order ' || n, true, '{}', $3::timestamptz, $3::timestamptz - n * interval '1 minute', false, 100 * n, 'EUR'
        FROM generate_series(1, $2::int) n
        """,
        merchant_id,
        count,
        clock.now(),
    )


async def started(colleague: Colleague, place: str, page: str, **fields: str) -> str:
    """Send a form that starts long work. Returns the place of its page."""
    answer = await colleague.send(place, fields, page=page)
    assert answer.status_code == 303, answer.text[:500]
    return answer.headers["location"].removeprefix(colleague.path()).strip("/")


async def to_the_end(services: Services) -> int:
    """Work as a worker does until nothing is left. Returns the number of turns."""
    turns = 0
    while await jobs.run_next(works(services)):
        turns += 1
    return turns


async def test_a_short_export_is_downloaded_at_once(office: Office) -> None:
    await invoices(office.merchant_id, 3)
    viewer = await office.new_member("viewer")

    answer = await viewer.browser.get(viewer.path("exports/invoices?status=awaiting_choice"))

    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/exports/invoices.csv?status=awaiting_choice")


async def test_ten_thousand_rows_are_prepared_with_progress_and_kept_for_a_day(
    office: Office, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await invoices(office.merchant_id, LONG)
    viewer = await office.new_member("viewer")
    assert f"The filters leave {group_digits(LONG)} invoices" in await viewer.see("exports/invoices")
    place = await started(viewer, "exports/invoices", "exports/invoices")
    assert "A worker begins" in await viewer.see(place)

    monkeypatch.setattr(jobs, "SLICE_S", -1)  # a turn is one step
    for _ in range(7):
        assert await jobs.run_next(works(services))
    half = await viewer.see(place)
    assert f"{group_digits(3_500)} of {group_digits(LONG)} invoices" in half
    assert 'value="35"' in half
    assert 'data-live="exports export:JOB-' in half
    assert (await viewer.browser.get(viewer.path(f"{place}/file"))).status_code == 404
    monkeypatch.setattr(jobs, "SLICE_S", 60)
    assert await to_the_end(services) == 1

    done = await viewer.see(place)
    assert f"The file has {group_digits(LONG)} rows." in done
    assert "Export of invoices" in await viewer.see("exports")
    answer = await viewer.browser.get(viewer.path(f"{place}/file"))
    assert answer.headers["content-disposition"].endswith('.csv"')
    direct = await viewer.browser.get(viewer.path("exports/invoices.csv"))
    assert answer.content == direct.content
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len({row["id"] for row in rows}) == LONG
    stranger = await Office(await other_merchant(), office.settings, office.browsers).new_member("owner", name="other")
    assert (await stranger.browser.get(stranger.path(f"{place}/file"))).status_code == 404

    clock.shift(timedelta(hours=24, seconds=1))
    assert (await viewer.browser.get(viewer.path(f"{place}/file"))).status_code in (303, 404)
    assert await jobs.purge(clock.now()) == 1
    assert await database.fetch_value("SELECT count(*) FROM background_job_parts") == 0


async def other_merchant() -> str:
    """Another merchant's id."""
    from tests.factories.merchants import merchant

    return await merchant(name="Elsewhere")


async def test_a_cancelled_export_leaves_nothing(
    office: Office, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await invoices(office.merchant_id, 6_000)
    viewer = await office.new_member("viewer")
    place = await started(viewer, "exports/invoices", "exports/invoices")
    kinds = works(services)
    step = 0

    async def watched(job: Job) -> AsyncIterator[jobs.Step]:
        nonlocal step
        async for each in kinds["export_invoices"](job):
            step += 1
            if step == 3:  # while the worker is at it
                assert "It is cancelled." in await viewer.do(f"{place}/cancel")
            yield each

    assert await jobs.run_next({"export_invoices": watched})

    assert step == 3
    page = await viewer.see(place)
    assert "what was prepared is deleted" in page
    assert "Download" not in page
    assert await database.fetch_value("SELECT count(*) FROM background_job_parts") == 0
    assert not await jobs.run_next(kinds)
    assert "It had ended before you cancelled it." in await viewer.do(f"{place}/cancel")


async def test_another_worker_goes_on_where_one_died(office: Office, services: Services) -> None:
    await invoices(office.merchant_id, 6_000)
    viewer = await office.new_member("viewer")
    place = await started(viewer, "exports/invoices", "exports/invoices")

    class Killed(BaseException):
        """The end of a process."""

    async def dies(job: Job) -> AsyncIterator[jobs.Step]:
        count = 0
        async for each in works(services)["export_invoices"](job):
            yield each
            count += 1
            if count == 4:
                raise Killed

    with pytest.raises(Killed):
        await jobs.run_next({"export_invoices": dies})
    assert f"{group_digits(2_000)} of {group_digits(6_000)} invoices" in await viewer.see(place)
    assert not await jobs.run_next(works(services)), "its lease is not over"
    clock.shift(jobs.LEASE + timedelta(seconds=1))
    assert await to_the_end(services) == 1

    answer = await viewer.browser.get(viewer.path(f"{place}/file"))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["order_id"] for row in rows] == [f"order {n}" for n in range(1, 6_001)]


async def test_a_fault_of_ours_ends_the_work_with_words_and_too_many_are_refused(
    office: Office, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MOST_OPEN", 2)
    await invoices(office.merchant_id, 5_001)
    viewer = await office.new_member("viewer")
    places = [await started(viewer, "exports/invoices", "exports/invoices") for _ in range(jobs.MOST_OPEN)]
    refused = await viewer.do("exports/invoices")
    assert "That was not started: 2 are at work already" in refused

    async def broken(job: Job) -> AsyncIterator[jobs.Step]:
        yield jobs.Step(done=1, total=2, part=b"x")
        raise ZeroDivisionError

    assert await jobs.run_next({"export_invoices": broken})
    assert "a fault on our side" in await viewer.see(places[0])
    assert await to_the_end(services) == jobs.MOST_OPEN - 1, "the others go on"


async def test_a_long_ledger_is_verified_in_steps(
    office: Office, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_pages, "VERIFIED_AT_ONCE", 100)
    monkeypatch.setattr(verify, "REPORTED_EACH", 60)
    await database.execute(
        "INSERT INTO assets (network, symbol, contract, decimals) VALUES ('ethereum:test', 'USDT', '0x1', 6)"
        " ON CONFLICT DO NOTHING"
    )
    chain = ChainId(owner=office.merchant_id, network="ethereum:test", asset="USDT")
    async with database.transaction():
        await ledger.post(
            [Posting(chain, "invoice_credit", 5, 0, Reference("deposit", f"DEP-{n}")) for n in range(250)], clock.now()
        )
    viewer = await office.new_member("viewer")
    place = await started(viewer, "ledger/USDT@ethereum/verify", "ledger/USDT@ethereum")
    monkeypatch.setattr(jobs, "SLICE_S", -1)
    assert await jobs.run_next(works(services))
    assert "60 of 250 entries" in await viewer.see(place)
    assert await to_the_end(services) == 4
    head = await database.fetch_value("SELECT head_hash FROM ledger_heads WHERE owner = $1", office.merchant_id)
    page = await viewer.see(place)
    assert "The chain holds: 250 entries re-computed." in page
    assert head in page

    async with database.transaction():
        await database.execute("SET LOCAL session_replication_role = replica")  # past the triggers
        await database.execute("UPDATE ledger_entries SET available_delta_raw = 6 WHERE seq = 200")
    place = await started(viewer, "ledger/USDT@ethereum/verify", "ledger/USDT@ethereum")
    await to_the_end(services)
    assert "The chain breaks at entry 200" in await viewer.see(place)


async def test_thousands_of_events_are_sent_again_by_a_worker(
    office: Office, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_pages, "SENT_AT_ONCE", 20)
    monkeypatch.setattr(replay, "BATCH", 10)
    developer, viewer = await office.new_member("developer"), await office.new_member("viewer")
    keys = office.settings.data_keys
    endpoint = await make_endpoint(
        merchant_id=office.merchant_id, mode="test", url="https://shop.example/", keys=keys, now=clock.now()
    )
    await happen(office.merchant_id, 25)
    await sequencer.number_events(fan_out_with(keys))
    await database.execute(
        "UPDATE webhook_deliveries SET status = 'delivered', delivered_at = now(), step = 1 WHERE seq <= 22"
    )
    form, since = f"webhooks/{endpoint.id}/replay", f"{clock.now():%Y-%m-%d}"
    place = await started(developer, form, form, since=since, missed_only="yes")
    assert "Sending events again" in await developer.see(place)
    await viewer.see(place, status=403)

    assert await to_the_end(services) == 1

    assert "3 events go out again, oldest first." in await developer.see(place)
    pending = await database.fetch_value("SELECT count(*) FROM webhook_deliveries WHERE status = 'pending'")
    assert pending == 3
    place = await started(developer, form, form, since=since)
    await to_the_end(services)
    assert "25 events go out again" in await developer.see(place)
    place = await started(developer, form, form, since=since)
    await database.execute("UPDATE webhook_endpoints SET status = 'disabled', status_reason = 'merchant'")
    await to_the_end(services)
    assert "The endpoint was disabled or deleted meanwhile." in await developer.see(place)
