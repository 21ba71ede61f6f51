"""“Check this endpoint”: test events in awkward ways, sent by a worker, and what the shop did right and wrong."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from playwright.async_api import expect

from app.core import clock, database
from app.jobs import service as jobs
from app.jobs.service import Work
from app.webhooks import check_words, checking
from app.wiring import wire
from tests.cabinet.people import Colleague, Office, problems
from tests.cabinet.shop import Shop, shop
from tests.factories.webhooks import MadeEndpoint, make_endpoint
from tests.page_checks import check_page
from tests.webhooks.receiving import Receiver, receiving, response
from tests.webhooks.shop import GoodShop, PettyShop, answering
from workers.webhooks import check_endpoints

__all__ = ["shop"]

Kinds = Mapping[str, Work]


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """The merchant's server."""
    async with receiving(tmp_path) as running:
        yield running


@pytest.fixture
def kinds(office: Office, receiver: Receiver) -> Kinds:
    """What a worker does; it trusts the receiver's certificate."""
    return {checking.JOB_KIND: checking.work(receiver.client, office.settings.data_keys)}


async def to_the_end(kinds: Kinds) -> int:
    """Work as a worker does until nothing is left. Returns the number of turns."""
    turns = 0
    while await jobs.run_next(kinds):
        turns += 1
    return turns


async def new_endpoint(merchant_id: str, receiver: Receiver, keys: object, mode: str = "test") -> MadeEndpoint:
    return await make_endpoint(merchant_id=merchant_id, mode=mode, url=receiver.url(), keys=keys, now=clock.now())  # type: ignore[arg-type]


async def started(colleague: Colleague, endpoint: MadeEndpoint, mode: str = "test") -> str:
    """Start a check. Returns the place of its page."""
    form = f"webhooks/{endpoint.id}/check"
    answer = await colleague.send(form, page=form, mode=mode)
    assert answer.status_code == 303, answer.text[:500]
    return answer.headers["location"].removeprefix(colleague.path(mode=mode)).strip("/")


async def test_an_endpoint_is_checked_and_its_faults_are_told_with_a_remedy(
    office: Office, kinds: Kinds, receiver: Receiver
) -> None:
    developer, viewer = await office.new_member("developer"), await office.new_member("viewer")
    endpoint = await new_endpoint(office.merchant_id, receiver, office.settings.data_keys)
    await database.execute("UPDATE webhook_endpoints SET status = 'paused', status_reason = 'failures'")
    assert "Check this endpoint" in await developer.see(f"webhooks/{endpoint.id}")
    assert "A forged signature" in await developer.see(f"webhooks/{endpoint.id}/check")
    await viewer.see(f"webhooks/{endpoint.id}/check", status=403)

    receiver.answers["/hook"] = answering(GoodShop(endpoint.secret))
    place = await started(developer, endpoint)
    assert "A worker begins" in await developer.see(place)
    await viewer.see(place, status=403)
    assert await to_the_end(kinds) == 1
    page = await developer.see(place)
    assert "14 of 14 checks passed." in page
    assert "An invoice that you don’t know" in page
    assert "HTTP 401 in" in page
    assert "/docs/webhooks#" not in page, "there is nothing to do"
    assert "Checked a webhook’s endpoint" in await (await office.new_member("owner")).see("audit")

    receiver.answers["/hook"] = answering(PettyShop(endpoint.secret))
    page = await developer.see(await done(developer, endpoint, kinds))
    assert "3 failed and need to be fixed" in page
    assert check_words.CHECKS["rotated"].remedy in page
    assert 'href="/docs/webhooks#rotating-the-secret"' in page
    # Nothing of it is an event, a delivery or a failure of the endpoint.
    for table in ("events", "webhook_deliveries"):
        assert await database.fetch_value(f"SELECT count(*) FROM {table}") == 0
    assert "Failures in a row" in await developer.see(f"webhooks/{endpoint.id}")
    assert await database.fetch_value("SELECT consecutive_failures FROM webhook_queues") == 0


async def done(colleague: Colleague, endpoint: MadeEndpoint, kinds: Kinds) -> str:
    """A check that a worker has done. Returns the place of its page."""
    place = await started(colleague, endpoint)
    await to_the_end(kinds)
    return place


async def test_it_goes_on_after_a_worker_and_ends_with_the_endpoint(
    office: Office, kinds: Kinds, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    developer = await office.new_member("developer")
    endpoint = await new_endpoint(office.merchant_id, receiver, office.settings.data_keys)
    receiver.answers["/hook"] = answering(GoodShop(endpoint.secret))
    monkeypatch.setattr(jobs, "SLICE_S", -1)  # a turn is one check
    place = await started(developer, endpoint)
    for _ in range(3):
        assert await jobs.run_next(kinds)
    half = await developer.see(place)
    assert "3 of 14 checks" in half
    assert "Out of order" in half
    assert "A large body" not in half
    assert "It is cancelled." in await developer.do(f"{place}/cancel")
    cancelled = await developer.see(place)
    assert "What was found before that is below." in cancelled
    assert "Out of order" in cancelled

    place = await started(developer, endpoint)
    assert await jobs.run_next(kinds)
    assert await to_the_end(kinds) == 14
    assert "14 of 14 checks passed." in await developer.see(place)
    place = await started(developer, endpoint)
    await developer.do(f"webhooks/{endpoint.id}/delete")
    await to_the_end(kinds)
    assert "The endpoint was deleted meanwhile." in await developer.see(place)


async def test_too_many_checks_are_refused_and_nobody_checks_what_is_not_theirs(
    office: Office, kinds: Kinds, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MOST", 2)
    developer = await office.new_member("developer")
    endpoint = await new_endpoint(office.merchant_id, receiver, office.settings.data_keys)
    receiver.always(response(200))
    for _ in range(checking.MOST):
        await done(developer, endpoint, kinds)
    form = f"webhooks/{endpoint.id}/check"
    refused = await developer.send(form, page=form)
    assert refused.status_code == 422
    assert problems(refused) == ["2 checks were started within an hour: wait until the first is an hour old."]
    clock.shift(timedelta(hours=1, minutes=1))
    developer = await office.new_member("developer", name="later")
    await started(developer, endpoint)

    assert (await developer.send("webhooks/WH-0000000000/check", page="team")).status_code == 404
    await developer.see(f"webhooks/{endpoint.id}/check", status=404, mode="live")


async def test_its_pages_in_a_browser(shop: Shop, receiver: Receiver) -> None:
    await shop.new_member("developer")
    endpoint = await new_endpoint(shop.merchant_id, receiver, shop.settings.data_keys)
    receiver.answers["/hook"] = answering(PettyShop(endpoint.secret))
    services = replace(wire(shop.settings), outbound=receiver.client)
    page = await shop.sign_in("developer@example.test")
    await page.goto(shop.url(f"webhooks/{endpoint.id}"))
    await check_page(page, "webhook-endpoint")
    await page.get_by_role("link", name="Check this endpoint").click()
    await expect(page.get_by_role("heading", name="Check this endpoint")).to_be_visible()
    await check_page(page, "webhook-check")
    await page.get_by_role("button", name="Send the test events").click()
    await page.get_by_text("A worker begins").wait_for()
    stop = asyncio.Event()
    working = asyncio.create_task(check_endpoints(services, stop))
    await expect(page.get_by_text("3 failed and need to be fixed")).to_be_visible()
    stop.set()
    await working
    await check_page(page, "webhook-checked")
