"""Who finds what on pages and in lists while the standby is behind, and that each declared read works there."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.cabinet.works import export_request, works
from app.core import clock, database, redis
from app.core.redis import RedisAway
from app.core.settings import Settings
from app.invoices.reading_repository import Filters
from app.jobs import service as jobs
from app.sandbox.postgres import Postgres
from app.web import standby_reads
from app.web.standby_reads import SEEN, Writes
from app.wiring import Services, wire
from tests.cabinet.people import Colleague, Office
from tests.factories.api_keys import IssuedKey, api_key
from tests.factories.merchants import merchant, takes
from tests.factories.networks import networks_toml
from tests.factories.withdrawals import fund
from tests.identity.browsing import Browser, an_account
from tests.standby.replication import on, reads, until_shown
from tests.standby.test_standby import PAUSE, RESUME
from tests.web.test_standby_reads import API, CABINET, DESK, FROM_STANDBY

LEDGER = {"asset": "USDT", "chain": "ethereum"}
QUERIES = {"ledger": LEDGER, "entries": LEDGER, "search": {"q": "order"}, "found": {"q": "order"}}
"""What addresses need, by their end."""

INVOICE = {"amount": "5.00", "currency": "USDT", "chain": "ethereum"}


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """A deployment that knows a network; nothing here asks its node."""
    path = tmp_path / "networks.toml"
    path.write_text(networks_toml("http://127.0.0.1:9", "0x71C7656EC7ab88b098defB751B7401B5f6d8976F"))
    return environment | {"NETWORKS_FILE": str(path)}


@pytest.fixture
async def office(browser: Callable[..., Browser], settings: Settings) -> Office:
    """An approved merchant."""
    office = Office(await merchant(name="Harbour & Pine"), settings, browser)
    await takes(office.merchant_id, "USDT")
    return office


@pytest.fixture
async def key(office: Office, settings: Settings) -> IssuedKey:
    """The key of its server."""
    scopes = ("invoices.write", "payouts.read", "refunds.read", "balance.read")
    return await api_key(settings.api_key_peppers, scopes=scopes, merchant_id=office.merchant_id)


@pytest.fixture
async def paused(replica: Postgres) -> AsyncIterator[Callable[[], Any]]:
    """Called, it stops the standby from following, once it shows all that there is; after the test it goes on."""

    async def pause() -> None:
        one = await until_shown()
        one.max_lag_s = 600
        await on(replica, PAUSE)

    yield pause
    await on(replica, RESUME)


class Shop:
    """A merchant's server."""

    def __init__(self, browser: Browser, key: IssuedKey) -> None:
        self.client, self.key = browser.client, key

    async def create(self, order_id: str) -> str:
        headers = self.key.bearer | {"Idempotency-Key": order_id}
        answer = await self.client.post(f"{API}/invoices", json=INVOICE | {"order_id": order_id}, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def orders(self, query: str = "") -> list[str]:
        """The orders of the list of invoices, newest first."""
        answer = await self.client.get(f"{API}/invoices{query}", headers=self.key.bearer)
        assert answer.status_code == 200, answer.text
        return [invoice["order_id"] for invoice in answer.json()["data"]]


async def listed(person: Colleague, **headers: str) -> list[str]:
    """The orders of a person's list of invoices."""
    answer = await person.browser.get(person.path("invoices"), **headers)
    assert answer.status_code == 200, answer.text
    return re.findall(r">(order \d)<", answer.text)


async def test_who_wrote_or_was_told_sees_it_and_others_may_see_what_was(
    office: Office,
    browser: Callable[..., Browser],
    key: IssuedKey,
    paused: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nora, olaf = await office.new_member("developer", name="nora"), await office.new_member("viewer", name="olaf")
    shop = Shop(browser(), key)
    await shop.create("order 1")
    await paused()
    assert await listed(nora) == await listed(olaf) == await shop.orders() == ["order 1"]
    assert await shop.orders("?order_id=order+2") == []

    # A merchant's server finds what it made: in this process and in others, by any of its keys.
    await shop.create("order 2")
    assert await shop.orders() == ["order 2", "order 1"]
    monkeypatch.setattr(standby_reads, "writes", Writes())  # what another process knows by itself
    assert await shop.orders() == ["order 2", "order 1"]
    assert await shop.orders("?order_id=order+2") == ["order 2"]
    unseen = reads("primary_unseen")

    # People of the merchant may not see it yet, and their page is told of all that it can't show.
    page = await olaf.see("invoices")
    assert "order 2" not in page
    (at,) = re.findall(r'data-live-at="(\d+)"', page)
    assert datetime.fromtimestamp(int(at) / 1000, UTC) < datetime.now(UTC)
    created_at = await database.fetch_value("SELECT created_at FROM invoices WHERE order_id = 'order 2'")
    assert datetime.fromtimestamp(int(at) / 1000, UTC) < created_at
    assert reads("primary_unseen") == unseen

    # Told of the change, the page reads it; from then on this person sees it on every page, and others still don't.
    told = await olaf.browser.get(olaf.path("invoices"), **{"X-Live-Parts": "results"})
    assert "order 2" in told.text
    assert await listed(olaf) == ["order 2", "order 1"]
    assert reads("primary_unseen") == unseen + 1
    assert await listed(nora) == ["order 1"]

    # Who makes one in the cabinet sees it in the list; so does who has opened its page, which is never old.
    form = {"amount": "7", "currency": "USDT@ethereum", "expires_in": "60", "fee_payer": "merchant"}
    answer = await nora.send("invoices/new", form | {"order_id": "order 3"}, page="invoices/new")
    assert answer.status_code == 303, answer.text
    assert f"{SEEN}=" in answer.headers["set-cookie"]
    made = answer.headers["location"].rpartition("/")[2]
    assert await listed(nora) == ["order 3", "order 2", "order 1"]
    mira = await office.new_member("viewer", name="mira")
    assert await listed(mira) == ["order 1"]
    await mira.see(f"invoices/{made}")
    assert await listed(mira) == ["order 3", "order 2", "order 1"]


async def test_without_redis_a_servers_lists_are_read_from_the_primary(
    office: Office,
    browser: Callable[..., Browser],
    key: IssuedKey,
    paused: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(browser(), key)
    await shop.create("order 1")
    await paused()
    await redis.close_client()
    redis.open_client("redis://127.0.0.1:9")
    with pytest.raises(RedisAway):
        await redis.ask(lambda client: client.ping())
    await shop.create("order 2")
    monkeypatch.setattr(standby_reads, "writes", Writes())
    assert await shop.orders() == ["order 2", "order 1"]


async def test_an_export_has_what_there_was_when_it_was_asked_for_and_is_read_on_the_standby(
    office: Office, browser: Callable[..., Browser], key: IssuedKey, settings: Settings, paused: Callable[[], Any]
) -> None:
    shop, person = Shop(browser(), key), await office.new_member("viewer")
    for number in range(3):
        await shop.create(f"order {number}")
    services = wire(settings)

    async def file_of(job_id: str) -> list[str]:
        before, again = reads("standby"), reads("primary_again")
        assert await jobs.run_next(works(services))
        counted.append(reads("standby") - before)
        assert reads("primary_again") == again
        answer = await person.browser.get(person.path(f"work/{job_id}/file"))
        assert answer.status_code == 200, answer.text
        return [row["order_id"] for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))]

    async def start() -> str:
        wanted = export_request(Filters(), "invoices.csv", UTC)
        return await jobs.start(await person.member(), "test", "export_invoices", wanted, clock.now())

    counted: list[float] = []
    asked_before = await start()
    await paused()
    await shop.create("order 3")
    assert await file_of(asked_before) == ["order 2", "order 1", "order 0"]
    assert await file_of(await start()) == ["order 3", "order 2", "order 1", "order 0"]
    assert counted == [2, 0], "the count and the page of rows, then nothing"
    await _close(services)


async def test_each_declared_read_is_carried_out_on_the_standby(
    office: Office,
    browser: Callable[..., Browser],
    key: IssuedKey,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(browser(), key)
    await shop.create("order 1")
    await fund(office.merchant_id, 5_000_000)
    owner, operator = await office.new_member("owner"), browser()
    await operator.sign_in(await an_account(settings, "ops@example.test", totp=True, is_operator=True))
    clock.unshift()
    owner.browser.client.cookies.delete(SEEN)
    operator.client.cookies.delete(SEEN)
    shop.client.headers.update(key.bearer)
    monkeypatch.setattr(standby_reads, "writes", Writes())
    await redis.client().flushall()
    await until_shown()
    month = f"{clock.now():%Y-%m}"
    for route in FROM_STANDBY:
        client = shop.client if route.startswith(API) else operator.client if route.startswith(DESK) else None
        name = "USDT@ethereum" + (".csv" if "exports" in route else "")
        if "exports/statements" in route:
            name = f"{month}.csv"
        path = route.replace(CABINET, owner.path()).replace("{name:str}", name).replace("{month:str}", month)
        query = {} if "exports" in path else QUERIES.get(path.rpartition("/")[2], {})
        before = reads("standby"), reads("primary_again")
        answer = await (client or owner.browser.client).get(path, params=query)
        assert answer.status_code == (303 if re.search(r"exports/\w+$", path) else 200), f"{path}: {answer.text[:300]}"
        assert (reads("standby"), reads("primary_again")) == (before[0] + 1, before[1]), path
        assert SEEN not in str(answer.headers.get_list("set-cookie")), path


async def _close(services: Services) -> None:
    await services.addresses.close()
    await services.outbound.aclose()
    await services.networks.aclose()
