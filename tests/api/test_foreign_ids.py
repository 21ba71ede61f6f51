"""On every API route with an id, another merchant's id is answered like one that does not exist."""

import re
from collections.abc import Callable
from typing import Any

from app.core.settings import DataKeys, Settings
from app.events.sequencer import number_events
from app.sandbox.chain_driver import AnvilDriver
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services, wire
from tests.api.conftest import BASE, Integrator, NewIntegrator
from tests.factories.payments import pay_on_chain
from tests.factories.withdrawals import STRANGER

HOOK = {"url": "https://93.184.216.34/hook"}

NOTHING = {
    "invoice_id": "INV-0000000000",
    "payout_id": "PO-0000000000",
    "refund_id": "RF-0000000000",
    "webhook_id": "WH-0000000000",
    "link_id": "PL-0000000000",
    "event_id": "5d3f6f0e-0000-4000-8000-000000000000",
    "month": "2001-01",
}

BODIES: dict[str, Any] = {
    "refunds": {"amount": "1.00", "refund_address": STRANGER},
    "replay": {"since": "2026-01-01T00:00:00Z"},
    "quotes": {"asset": "USDT", "chain": "ethereum"},
}
"""The body that a path needs, by its last part; all others get an empty one."""

QUERIES = {"entries": {"asset": "USDT", "chain": "ethereum"}}
"""The query that a path needs, by its last part."""


async def one_of_everything(
    owner: Integrator, services: Services, driver: AnvilDriver, token: str, keys: DataKeys
) -> dict[str, str]:
    """Create one object of each kind for the other merchant. Returns the ids by path parameter."""
    paid = await owner.invoice("k")
    await pay_on_chain(services, driver, token, paid["pay_in"]["address"], int(paid["pay_in"]["amount_raw"]))
    body = {"asset": "USDT", "chain": "ethereum", "amount": "1.00", "destination": STRANGER}
    made = {
        "payout_id": await owner.post("/payouts", body, once="p"),
        "refund_id": await owner.post(f"/invoices/{paid['id']}/refunds", BODIES["refunds"], once="r"),
        "webhook_id": await owner.post("/webhooks", HOOK, once="w"),
        "link_id": await owner.post("/payment-links", {"currency": "USDT", "chain": "ethereum"}, once="l"),
    }
    assert [answer.text for answer in made.values() if answer.status_code != 201] == []
    await number_events(fan_out_with(keys))
    event = (await owner.get("/events")).json()["data"][0]["event_id"]
    month = (await owner.get("/statements")).json()["data"][0]["month"]
    return {"invoice_id": paid["id"], "event_id": event, "month": month} | {
        name: answer.json()["id"] for name, answer in made.items()
    }


def filled(path: str, ids: dict[str, str]) -> str:
    """The path with each parameter replaced by its id."""
    return re.sub(r"\{(\w+)\}", lambda parameter: ids[parameter[1]], path)


async def test_another_merchants_ids_are_not_found_on_any_route(
    integrator: Integrator,
    new_integrator: NewIntegrator,
    chain_settings: Callable[..., Settings],
    driver: AnvilDriver,
    token: str,
) -> None:
    settings = chain_settings()
    theirs = await one_of_everything(await new_integrator(), wire(settings), driver, token, settings.data_keys)
    document = (await integrator.client.get("/api/v1/openapi.json")).json()
    walked = 0
    for path, methods in document["paths"].items():
        if "{" not in path or path.startswith(f"{BASE}/transactions/"):  # the chain's, told alike (test_transactions)
            continue
        for method in methods:
            answers = []
            for ids in (theirs, NOTHING):
                answer = await integrator.client.request(
                    method.upper(),
                    filled(path, ids),
                    params=QUERIES.get(path.rpartition("/")[2]),
                    json=BODIES.get(path.rpartition("/")[2], {}) if method in ("post", "patch") else None,
                    headers=integrator.headers() | {"Idempotency-Key": f"{method} {path}"},
                )
                assert answer.status_code == 404, (method, path, answer.text)
                answers.append({k: v for k, v in answer.json()["error"].items() if k != "request_id"})
            assert answers[0] == answers[1], path
            walked += 1
    assert walked >= 17, "too few routes were tested"
    assert all(path.startswith(BASE) for path in document["paths"])
