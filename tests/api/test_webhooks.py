"""`/webhooks` and `/events`; deliveries themselves are in tests/webhooks."""

from collections.abc import Callable

import pytest

from app.core import database
from app.core.settings import DataKeys, Settings
from app.events.sequencer import number_events
from app.webhooks.fan_out import fan_out_with
from tests.api.conftest import BASE, Integrator, NewIntegrator

HOOK = {"url": "https://127.0.0.1:8443/hook", "event_types": ["invoice.paid"]}


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Receivers may be on loopback; nothing is dialled here."""
    return environment | {"WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}


@pytest.fixture
def keys(chain_settings: Callable[..., Settings]) -> DataKeys:
    """The data keys of the deployment."""
    return chain_settings().data_keys


async def test_an_endpoint_from_creation_to_deletion(integrator: Integrator) -> None:
    made = await integrator.post("/webhooks", HOOK, once="k")
    assert made.status_code == 201, made.text
    webhook = made.json()
    assert webhook["secret"].startswith("whsec_")
    replay = await integrator.post("/webhooks", HOOK, once="k")
    assert (replay.content, replay.headers["Idempotent-Replayed"]) == (made.content, "true")
    kept = await database.fetch_value("SELECT string_agg(body, '') FROM idempotency_records")
    assert webhook["secret"] not in kept

    path = f"/webhooks/{webhook['id']}"
    read = (await integrator.get(path)).json()
    assert read == {name: value for name, value in webhook.items() if name != "secret"}
    assert [hook["id"] for hook in (await integrator.get("/webhooks")).json()["data"]] == [webhook["id"]]

    changed = await integrator.client.patch(
        BASE + path, json={"description": "shop", "status": "paused"}, headers=integrator.headers()
    )
    assert (changed.json()["description"], changed.json()["status"]) == ("shop", "paused")
    assert (await integrator.post(path + "/enable")).json()["status"] == "enabled"
    rotated = await integrator.post(path + "/rotate-secret", {"overlap_hours": 1})
    assert rotated.json()["secret"] not in (webhook["secret"], None)
    tested = await integrator.post(path + "/test")
    assert tested.status_code == 202

    gone = await integrator.client.delete(BASE + path, headers=integrator.headers())
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await integrator.get(path)).json()["error"]["code"] == "WEBHOOK_NOT_FOUND"


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/h",
        "https://10.0.0.5/h",
        "https://user@shop.example/h",
        "https://localhost.localdomain/h",
        "nonsense",
    ],
)
async def test_a_refused_url_creates_no_endpoint(integrator: Integrator, url: str) -> None:
    refused = await integrator.post("/webhooks", {"url": url}, once="k")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_INPUT")
    assert refused.json()["error"]["message"].startswith("url: ")
    on_invoice = await integrator.post(
        "/invoices", {"amount": "5", "currency": "USDT", "chain": "ethereum", "webhook_url": url}, once="i"
    )
    assert on_invoice.json()["error"]["message"].startswith("webhook_url: ")


async def test_events_are_numbered_without_a_hole_and_shown_as_their_bytes(
    integrator: Integrator, new_integrator: NewIntegrator, keys: DataKeys
) -> None:
    for n in range(5):
        await integrator.invoice(f"k{n}")
    await (await new_integrator()).invoice("theirs")
    await number_events(fan_out_with(keys))
    newest = (await integrator.get("/events", limit=2)).json()
    assert [event["seq"] for event in newest["data"]] == [5, 4]
    rest = (await integrator.get("/events", cursor=newest["next_cursor"])).json()
    assert [event["seq"] for event in rest["data"]] == [3, 2, 1]
    after = await integrator.get("/events", after_seq=3)
    assert [event["seq"] for event in after.json()["data"]] == [4, 5]
    event = after.json()["data"][0]
    assert (event["type"], event["mode"], event["merchant_id"]) == ("invoice.created", "test", integrator.merchant_id)
    assert event["data"]["invoice_id"] == event["data"]["id"]
    stored = await database.fetch_value("SELECT body FROM events WHERE event_id = $1", event["event_id"])
    one = await integrator.get(f"/events/{event['event_id']}")
    assert one.text == stored
    assert stored in after.text


async def test_another_merchants_webhooks_and_events_are_not_found(
    integrator: Integrator, new_integrator: NewIntegrator, keys: DataKeys
) -> None:
    other = await new_integrator()
    webhook = (await other.post("/webhooks", HOOK, once="k")).json()["id"]
    await other.invoice("k")
    await number_events(fan_out_with(keys))
    event = (await other.get("/events")).json()["data"][0]["event_id"]
    for method, path, body, none in [
        ("GET", f"/webhooks/{webhook}", None, "/webhooks/WH-0000000000"),
        ("PATCH", f"/webhooks/{webhook}", {}, "/webhooks/WH-0000000000"),
        ("DELETE", f"/webhooks/{webhook}", None, "/webhooks/WH-0000000000"),
        ("GET", f"/webhooks/{webhook}/deliveries", None, "/webhooks/WH-0000000000/deliveries"),
        ("POST", f"/webhooks/{webhook}/enable", None, "/webhooks/WH-0000000000/enable"),
        ("POST", f"/webhooks/{webhook}/test", None, "/webhooks/WH-0000000000/test"),
        ("POST", f"/webhooks/{webhook}/rotate-secret", {}, "/webhooks/WH-0000000000/rotate-secret"),
        ("POST", f"/webhooks/{webhook}/replay", {"since": "2026-01-01T00:00:00Z"}, "/webhooks/WH-0000000000/replay"),
        ("GET", f"/events/{event}", None, "/events/5d3f6f0e-0000-4000-8000-000000000000"),
        ("POST", f"/events/{event}/redeliver", {}, "/events/5d3f6f0e-0000-4000-8000-000000000000/redeliver"),
    ]:
        errors = []
        for target in (path, none):
            answer = await integrator.client.request(method, BASE + target, json=body, headers=integrator.headers())
            assert answer.status_code == 404, (method, target, answer.text)
            errors.append({k: v for k, v in answer.json()["error"].items() if k != "request_id"})
        assert errors[0] == errors[1], path
