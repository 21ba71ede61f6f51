"""Webhooks and events in the cabinet, with a real receiver at the other end."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from app.core import clock, database
from app.webhooks import endpoints_repository
from app.webhooks.endpoints_repository import EndpointView
from tests.cabinet.people import Office, problems, secret_in
from tests.factories.webhooks import make_endpoint
from tests.webhooks.receiving import Receiver, dispatching, receiving, response
from tests.webhooks.test_delivery import happen, until_settled

EVERYTHING = {"which": "all", "description": "Orders"}


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Receiver]:
    """The merchant's server."""
    async with receiving(tmp_path) as running:
        yield running


async def the_endpoint(office: Office) -> EndpointView:
    """The only endpoint."""
    (endpoint,) = await endpoints_repository.list_endpoints(office.merchant_id, "test", implicit=False, limit=5)
    return endpoint


async def until_waiting(count: int, *, tried: int = 0, timeout_s: float = 30) -> None:
    """Wait until this many deliveries are pending, each after this many attempts."""
    async with asyncio.timeout(timeout_s):
        while (
            await database.fetch_value(
                "SELECT count(*) FROM webhook_deliveries WHERE status = 'pending' AND claimed_until IS NULL"
                " AND attempts = $1",
                tried,
            )
            != count
        ):
            await asyncio.sleep(0.02)


async def test_a_new_endpoints_secret_is_shown_and_signs_a_test_event(office: Office, receiver: Receiver) -> None:
    developer = await office.new_member("developer")
    assert "No endpoints yet" in await developer.see("webhooks")

    answer = await developer.shown("webhooks/new", {**EVERYTHING, "url": receiver.url()})

    secret = secret_in(answer.text)
    endpoint = await the_endpoint(office)
    async with dispatching(receiver, office.settings.data_keys):
        assert "on its way" in await developer.do(f"webhooks/{endpoint.id}/test")
        await receiver.until(lambda: len(receiver.requests) == 1)
        await until_settled()
    (request,) = receiver.requests
    Webhook(secret).verify(request.body, request.headers)
    page = await developer.see(f"webhooks/{endpoint.id}")
    assert "webhook.test" in page
    assert "Delivered" in page
    assert "HTTP 200" in page
    assert secret not in page
    assert "are kept for 90 days" in page
    assert "at least 56 days" in page
    await database.execute("DELETE FROM webhook_attempts")  # as after that time
    page = await developer.see(f"webhooks/{endpoint.id}")
    assert "HTTP 200" not in page
    assert re.search(r"1 attempt <span[^>]*>no longer kept", page)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://shop.example/hook", "https"),
        ("https://10.0.0.1/hook", ""),
        ("https://user:pass@shop.example/", ""),
        ("", ""),
    ],
)
async def test_an_address_that_we_would_not_send_to_is_refused(office: Office, url: str, problem: str) -> None:
    developer = await office.new_member("developer")
    answer = await developer.send("webhooks/new", {**EVERYTHING, "url": url})
    assert answer.status_code == 422
    (words,) = problems(answer)
    assert problem in words
    assert 'href="#field-url"' in answer.text
    assert "No endpoints yet" in await developer.see("webhooks")


async def test_only_chosen_events_are_asked_for(office: Office, receiver: Receiver) -> None:
    developer = await office.new_member("developer")
    some = {"which": "some", "url": receiver.url(), "description": ""}
    assert problems(await developer.send("webhooks/new", some)) == ["Choose at least one event, or “Everything” above."]
    await developer.do("webhooks/new", {**some, "event_types": ["invoice.paid", "refund.confirmed"]})
    endpoint = await the_endpoint(office)
    assert set(endpoint.event_types) == {"invoice.paid", "refund.confirmed"}
    form = await developer.see(f"webhooks/{endpoint.id}/edit")
    assert 'value="invoice.paid" checked' in form
    await developer.do(f"webhooks/{endpoint.id}/edit", {**some, "which": "all", "description": "Everything"})
    endpoint = await the_endpoint(office)
    assert (endpoint.event_types, endpoint.description) == ((), "Everything")


async def test_a_paused_endpoint_is_shown_everywhere_and_gets_waiting_events_in_order(
    office: Office, receiver: Receiver
) -> None:
    developer = await office.new_member("developer")
    await developer.send("webhooks/new", {**EVERYTHING, "url": receiver.url()})
    endpoint = await the_endpoint(office)
    assert "is paused. Events wait" in await developer.do(f"webhooks/{endpoint.id}/pause")
    await database.execute("UPDATE webhook_endpoints SET status_reason = 'failures' WHERE id = $1", endpoint.id)
    async with dispatching(receiver, office.settings.data_keys):
        await happen(office.merchant_id, 3)
        await until_waiting(3)
        assert "A webhook is paused." in await developer.see("team")
        page = await developer.see(f"webhooks/{endpoint.id}")
        assert "20 deliveries in a row failed" in page
        assert "<dd>3</dd>" in page
        assert receiver.requests == []

        assert "What waited goes out now" in await developer.do(f"webhooks/{endpoint.id}/enable")
        await receiver.until(lambda: len(receiver.requests) == 3)
        await until_settled()
    assert [request.seq for request in receiver.requests] == [1, 2, 3]
    assert "A webhook is paused." not in await developer.see("team")


async def test_attempts_show_what_the_server_answered_as_text(office: Office, receiver: Receiver) -> None:
    developer = await office.new_member("developer")
    await developer.send("webhooks/new", {**EVERYTHING, "url": receiver.url()})
    endpoint = await the_endpoint(office)
    receiver.always(response(503, body="<script>alert(1)</script> overloaded"))
    async with dispatching(receiver, office.settings.data_keys):
        await happen(office.merchant_id, 1)
        await receiver.until(lambda: len(receiver.requests) == 1)
        await until_waiting(1, tried=1)
    raw = (await developer.browser.get(developer.path(f"webhooks/{endpoint.id}"))).text
    assert "HTTP 503" in raw
    assert "&lt;script&gt;alert(1)&lt;/script&gt; overloaded" in raw
    assert "<script>alert" not in raw
    assert "Waiting" in await developer.see(f"webhooks/{endpoint.id}?status=pending")
    assert "No delivery is in this state" in await developer.see(f"webhooks/{endpoint.id}?status=dead")


async def test_one_event_and_everything_since_a_day_go_out_again(office: Office, receiver: Receiver) -> None:
    developer = await office.new_member("developer")
    await developer.send("webhooks/new", {**EVERYTHING, "url": receiver.url()})
    endpoint = await the_endpoint(office)
    async with dispatching(receiver, office.settings.data_keys):
        event_id = await happen(office.merchant_id, 2)
        await receiver.until(lambda: len(receiver.requests) == 2)
        await until_settled()
        await developer.do(f"webhooks/{endpoint.id}/deliveries/{event_id}/replay")
        await receiver.until(lambda: len(receiver.requests) == 3)
        await until_settled()
        today = clock.now().date().isoformat()
        shown = await developer.do(f"webhooks/{endpoint.id}/replay", {"since": today})
        assert "2 events go out again" in shown
        await receiver.until(lambda: len(receiver.requests) == 5)
        await until_settled()
        assert "goes to 1 endpoint again" in await developer.do(f"events/{event_id}/replay")
        await receiver.until(lambda: len(receiver.requests) == 6)
        await until_settled()
    refused = await developer.send(f"webhooks/{endpoint.id}/replay", {"since": "soon"})
    assert problems(refused) == ["Enter a day as year, month and day, such as 2027-01-31."]


async def test_events_are_listed_with_their_bodies_and_deliveries(office: Office, receiver: Receiver) -> None:
    developer = await office.new_member("developer")
    assert "Nothing has happened yet" in await developer.see("events")
    await developer.send("webhooks/new", {**EVERYTHING, "url": receiver.url()})
    async with dispatching(receiver, office.settings.data_keys):
        event_id = await happen(office.merchant_id, 30)
        await receiver.until(lambda: len(receiver.requests) == 30)
        await until_settled()
    first = await developer.see("events")
    assert first.count("/events/") == 25
    assert "Older" in first
    assert (await developer.see("events?after=6")).count("/events/") == 5
    assert "Newer" in await developer.see("events?after=6")
    page = await developer.see(f"events/{event_id}")
    assert "grüße 💶" in page
    assert receiver.url() in page
    assert '"seq": 30' in page
    await developer.see("events/00000000-0000-0000-0000-000000000000", status=404)
    await developer.see("events/nonsense", status=404)


async def test_rotating_overlaps_and_reveals_are_recorded(office: Office, receiver: Receiver) -> None:
    owner = await office.new_member("owner", totp=True)
    answer = await owner.shown("webhooks/new", {**EVERYTHING, "url": receiver.url()})
    old = secret_in(answer.text)
    endpoint = await the_endpoint(office)
    assert secret_in((await owner.shown(f"webhooks/{endpoint.id}/secret")).text) == old
    assert "Looked at a webhook’s secret" in await owner.see("audit")

    rotated = await owner.shown(f"webhooks/{endpoint.id}/rotate", {"overlap_hours": "24"})

    new = secret_in(rotated.text)
    async with dispatching(receiver, office.settings.data_keys):
        await owner.do(f"webhooks/{endpoint.id}/test")
        await receiver.until(lambda: len(receiver.requests) == 1)
        await until_settled()
    (request,) = receiver.requests
    for secret in (old, new):
        Webhook(secret).verify(request.body, request.headers)
    clock.shift(timedelta(minutes=11))
    for verb in (
        "new",
        f"{endpoint.id}/edit",
        f"{endpoint.id}/secret",
        f"{endpoint.id}/rotate",
        f"{endpoint.id}/delete",
    ):
        refused = await owner.send(f"webhooks/{verb}", {**EVERYTHING, "url": receiver.url(), "overlap_hours": "0"})
        assert problems(refused) == ["Enter the code that your authenticator app shows now."], verb
        assert new not in refused.text


async def test_a_deleted_endpoint_is_gone_and_a_test_of_a_paused_one_is_refused_in_words(
    office: Office, receiver: Receiver
) -> None:
    developer = await office.new_member("developer")
    await developer.send("webhooks/new", {**EVERYTHING, "url": receiver.url()})
    endpoint = await the_endpoint(office)
    await developer.do(f"webhooks/{endpoint.id}/pause")
    assert "This endpoint is paused. Enable it first." in await developer.do(f"webhooks/{endpoint.id}/test")
    assert "The endpoint is deleted." in await developer.do(f"webhooks/{endpoint.id}/delete")
    await developer.see(f"webhooks/{endpoint.id}", status=404)


async def test_viewers_and_strangers_reach_no_endpoint(office: Office) -> None:
    made = await make_endpoint(
        merchant_id=office.merchant_id,
        mode="test",
        url="https://shop.example/hook",
        keys=office.settings.data_keys,
        now=clock.now(),
    )
    viewer, developer = await office.new_member("viewer"), await office.new_member("developer")
    for place in ("webhooks", f"webhooks/{made.id}", "events"):
        await viewer.see(place, status=403)
    for verb in ("pause", "enable", "test", "secret", "rotate", "delete"):
        assert (await viewer.send(f"webhooks/{made.id}/{verb}", {"overlap_hours": "0"})).status_code == 403
    await developer.see(f"webhooks/{made.id}", status=404, mode="live")
    for verb in ("pause", "enable", "test", "secret", "rotate", "delete", "replay"):
        sent = {"overlap_hours": "0", "since": "2026-01-01"}
        assert (await developer.send(f"webhooks/{made.id}/{verb}", sent, mode="live")).status_code == 404
