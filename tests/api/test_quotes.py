"""Prices over HTTP: creation, the choice, replays, filters, events."""

from typing import Any

import httpx
import pytest

from app.core import clock, database
from tests.api.conftest import Integrator
from tests.factories.rates import store_rate

PRICE = {"amount": "49.90", "currency": "EUR", "order_id": "3010"}
USDT = {"asset": "USDT", "chain": "ethereum"}
ETH = {"asset": "ETH", "chain": "ethereum"}


@pytest.fixture
async def rated(integrator: Integrator) -> Integrator:
    """With rates of both assets in euros."""
    await store_rate("USDT", "EUR", "0.92", clock.now())
    await store_rate("ETH", "EUR", "2400", clock.now())
    return integrator


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_price_is_created_chosen_and_read(rated: Integrator) -> None:
    made = (await rated.post("/invoices", PRICE, once="a")).json()
    assert (made["status"], made["pay_in"], made["quotes"], made["pay_in_assets"]) == (
        "awaiting_choice",
        None,
        [],
        None,
    )
    assert (made["price"], made["amount_raw"]) == ({"amount_decimal": "49.90", "currency": "EUR"}, None)
    path = f"/invoices/{made['id']}/quotes"
    first = await rated.post(path, USDT, once="q")
    body = first.json()
    assert (first.status_code, body["status"], body["amount_decimal"]) == (201, "awaiting_deposit", "54.2392")
    (quote,) = body["quotes"]
    assert (quote["state"], quote["rate"], quote["pay_in"]) == ("open", "0.92", body["pay_in"])
    assert [(each["name"], each["used"]) for each in quote["sources"]] == [("kraken", True), ("coinbase", True)]
    replay = await rated.post(path, USDT, once="q")
    assert (replay.content, replay.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert error(await rated.post(path, ETH, once="q")) == (422, "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY")
    assert (await rated.get(f"/invoices/{made['id']}")).json() == body
    second = (await rated.post(path, ETH, once="r")).json()
    assert [each["pay_in"]["asset"] for each in second["quotes"]] == ["ETH", "USDT"]
    events = await database.fetch_all("SELECT type, data FROM events ORDER BY id")
    assert [row["type"] for row in events] == ["invoice.created", "invoice.quoted", "invoice.quoted"]
    assert '"currency":"EUR"' in events[2]["data"]


async def test_one_asset_is_quoted_with_the_creation(rated: Integrator) -> None:
    made = (await rated.post("/invoices", PRICE | {"pay_in_assets": [USDT]}, once="a")).json()
    assert (made["status"], made["pay_in"]["asset"], len(made["quotes"])) == ("awaiting_deposit", "USDT", 1)
    assert made["pay_in_assets"] == [USDT]
    again = await rated.post("/invoices", PRICE | {"pay_in_assets": [USDT]}, once="a")
    assert again.json() == made
    twice = await rated.post("/invoices", PRICE | {"pay_in_assets": [USDT]}, once="b")
    assert (*error(twice), twice.json()["error"]["invoice_id"]) == (409, "DUPLICATE_ORDER_ID", made["id"])
    assert error(await rated.post(f"/invoices/{made['id']}/quotes", ETH, once="c")) == (400, "PAY_IN_ASSET_NOT_ALLOWED")


async def test_a_repetition_needs_no_rate(rated: Integrator) -> None:
    body = PRICE | {"pay_in_assets": [USDT]}
    first = await rated.post("/invoices", body, once="a")
    await store_rate("USDT", "EUR", None, clock.now())
    again = await rated.post("/invoices", body, once="a")
    assert (again.status_code, again.content) == (201, first.content)
    assert error(await rated.post("/invoices", body | {"order_id": "8"}, once="b")) == (503, "RATE_UNAVAILABLE")


async def test_lists_are_filtered_by_the_prices_currency(rated: Integrator) -> None:
    await rated.invoice("x", order_id="1")
    priced = (await rated.post("/invoices", PRICE, once="a")).json()

    async def found(**filters: str) -> list[Any]:
        return [each["id"] for each in (await rated.get("/invoices", **filters)).json()["data"]]

    assert await found(currency="EUR") == await found(status="awaiting_choice") == [priced["id"]]
    assert len(await found(currency="USDT")) == 1
    assert await found(currency="CHF") == []
    assert error(await rated.get("/invoices", currency="XYZ")) == (400, "INVALID_INPUT")


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"currency": "USDT"}, 400, "INVALID_INPUT"),
    ({"currency": "eur"}, 400, "INVALID_INPUT"),
    ({"currency": "GBP"}, 400, "PAY_IN_ASSET_NOT_ALLOWED"),
    ({"amount": "49.901"}, 400, "INVALID_INPUT"),
    ({"amount": "0.00"}, 400, "INVALID_INPUT"),
    ({"amount": "9" * 20}, 400, "INVALID_INPUT"),
    ({"pay_in_assets": []}, 400, "INVALID_INPUT"),
    ({"pay_in_assets": [USDT, USDT]}, 400, "INVALID_INPUT"),
    ({"pay_in_assets": [{"asset": "USDC", "chain": "ethereum"}]}, 400, "PAY_IN_ASSET_NOT_ALLOWED"),
    ({"pay_in_assets": [{"asset": "USDT", "chain": "tron"}]}, 400, "PAY_IN_ASSET_NOT_ALLOWED"),
    ({"currency": "USDT", "chain": "ethereum", "pay_in_assets": [USDT]}, 400, "INVALID_INPUT"),
    ({"currency": "USD", "pay_in_assets": [USDT]}, 503, "RATE_UNAVAILABLE"),
]
"""Changes of PRICE that are refused, each with status and code."""


async def test_what_is_refused(rated: Integrator) -> None:
    for change, status, code in REFUSED:
        assert error(await rated.post("/invoices", PRICE | change, once="a")) == (status, code), change
    assert await database.fetch_value("SELECT count(*) FROM invoices") == 0


async def test_what_cannot_be_quoted(rated: Integrator) -> None:
    plain = await rated.invoice("x", order_id="1")
    assert error(await rated.post(f"/invoices/{plain['id']}/quotes", USDT, once="a")) == (409, "INVOICE_NOT_QUOTABLE")
    assert error(await rated.post("/invoices/INV-0000000000/quotes", USDT, once="b")) == (404, "INVOICE_NOT_FOUND")
    priced = (await rated.post("/invoices", PRICE, once="c")).json()
    assert error(await rated.post(f"/invoices/{priced['id']}/quotes", USDT)) == (400, "IDEMPOTENCY_REQUIRED")
    await database.execute("INSERT INTO switches (name, paused_at, reason) VALUES ('invoices', now(), 'x')")
    assert error(await rated.post(f"/invoices/{priced['id']}/quotes", USDT, once="d")) == (503, "INVOICES_DISABLED")
    assert error(await rated.post("/invoices", PRICE | {"order_id": "9"}, once="e")) == (503, "INVOICES_DISABLED")
