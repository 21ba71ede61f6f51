"""The page of a payment link over HTTP: what it asks for, the invoices that it makes, its limits, and races."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx

from app.core import clock, database
from app.web.headers import CONTENT_SECURITY_POLICY
from tests.api.conftest import BASE, Integrator
from tests.factories.rates import store_rate

OURS = {"Sec-Fetch-Site": "same-origin"}
FIXED = {"amount": "25.00", "currency": "USDT", "chain": "ethereum"}
OPEN = {"currency": "EUR", "min_amount": "5.00", "max_amount": "500.00"}


async def link(one: Integrator, once: str = "a", **fields: Any) -> dict[str, Any]:
    answer = await one.post("/payment-links", fields, once=once)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def path(made: dict[str, Any]) -> str:
    return "/l/" + str(made["url"]).partition("/l/")[2]


async def opened(one: Integrator, made: dict[str, Any], **headers: str) -> tuple[httpx.Response, str]:
    """The page, and the key of its form."""
    page = await one.client.get(path(made), headers=headers)
    found = re.search(r'name="key" value="([0-9a-f]{32})"', page.text)
    return page, found[1] if found else ""


async def press(one: Integrator, made: dict[str, Any], key: str, amount: str = "", **headers: str) -> httpx.Response:
    return await one.client.post(path(made), data={"key": key, "amount": amount}, headers=OURS | headers)


async def invoices(one: Integrator, made: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await one.get("/invoices", payment_link=made["id"], limit=100)).json()["data"]
    return found


async def test_a_press_makes_one_invoice_of_the_link(integrator: Integrator) -> None:
    made = await link(
        integrator,
        **FIXED,
        description="Guided <tour>",
        success_url="https://shop.example/thanks",
        metadata={"tour": "harbour"},
    )
    page, key = await opened(integrator, made)
    assert page.status_code == 200
    assert page.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert (page.headers["Cache-Control"], page.headers["X-Frame-Options"]) == ("no-store", "DENY")
    for words in ("Tea &amp; Co", "Guided &lt;tour&gt;", "25.00", "Continue to payment"):
        assert words in page.text, words
    assert "harbour" not in page.text
    assert 'name="amount"' not in page.text

    first, second = await asyncio.gather(press(integrator, made, key), press(integrator, made, key))
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.headers["Location"] == second.headers["Location"]
    (invoice,) = await invoices(integrator, made)
    assert first.headers["Location"].startswith(f"/pay/{invoice['id']}.")
    assert (await integrator.client.get(first.headers["Location"])).status_code == 200
    shown = {name: invoice[name] for name in ("amount_decimal", "payment_link", "description", "success_url")}
    assert shown == {
        "amount_decimal": "25.00",
        "payment_link": made["id"],
        "description": "Guided <tour>",
        "success_url": "https://shop.example/thanks",
    }
    assert (invoice["metadata"], invoice["fail_url"]) == ({"tour": "harbour"}, made["url"])
    data = await database.fetch_value("SELECT data FROM events WHERE type = 'invoice.created'")
    assert f'"payment_link":"{made["id"]}"' in data
    other = await press(integrator, made, "")  # without a key of ours it is a press of its own
    assert other.headers["Location"] != first.headers["Location"]
    taken = (await integrator.get(f"/payment-links/{made['id']}")).json()["payments_taken"]
    assert taken == 2
    assert (await integrator.invoice("z"))["payment_link"] is None

    for altered in (path(made)[:-1], path(made) + "A", path(made) + "/", path(made).replace("PL-", "PL-0", 1)):
        for answer in (
            await integrator.client.get(altered),
            await integrator.client.post(altered, data={"key": key}, headers=OURS),
        ):
            assert answer.status_code == 404, altered
    stranger = await integrator.client.post(path(made), data={"key": key}, headers={"Sec-Fetch-Site": "cross-site"})
    assert stranger.status_code == 404
    assert len(await invoices(integrator, made)) == 2


async def test_an_open_amount_is_asked_for_within_its_bounds(integrator: Integrator) -> None:
    await store_rate("USDT", "EUR", "0.92", clock.now())
    made = await link(integrator, **OPEN, pay_in_assets=[{"asset": "USDT", "chain": "ethereum"}])
    page, key = await opened(integrator, made)
    assert "From 5.00 EUR to 500.00 EUR." in page.text.replace("\N{FIRST STRONG ISOLATE}", "").replace(
        "\N{POP DIRECTIONAL ISOLATE}", ""
    )
    for typed, words in (
        ("", "Please enter an amount."),
        ("much", "in digits"),
        ("4.99", "at least"),
        ("500.01", "at most"),
        ("7.001", "at most 2."),
        ("1,250", "Do you mean"),
        ("20 USD", "amount in"),
        ("0", "in digits"),
        ("9" * 200, "in digits"),
    ):
        answer = await press(integrator, made, key, typed)
        assert answer.status_code == 303
        refused = await integrator.client.get(answer.headers["Location"])  # one may go back to it
        assert (refused.status_code, words in refused.text) == (200, True), (typed, refused.text)
        assert 'aria-invalid="true"' in refused.text
    assert await invoices(integrator, made) == []
    filled = await integrator.client.get(f"{path(made)}?amount=12.50")
    assert ('value="12.50"' in filled.text, "aria-invalid" in filled.text) == (True, False)
    paid = await press(integrator, made, key, " 12,5 EUR ")
    assert paid.status_code == 303
    assert (await press(integrator, made, key, "12.50")).headers["Location"] == paid.headers["Location"]
    other = await press(integrator, made, key, "13")  # went back, and changed the amount
    assert other.headers["Location"] != paid.headers["Location"]
    prices = [(one["price"]["amount_decimal"], one["status"]) for one in await invoices(integrator, made)]
    assert sorted(prices) == [("12.50", "awaiting_deposit"), ("13.00", "awaiting_deposit")]
    german, _ = await opened(integrator, made, **{"Accept-Language": "de"})
    assert german.headers["Content-Language"] == "de"
    assert "How much" not in german.text

    await store_rate("USDT", "EUR", None, clock.now())
    away = await press(integrator, made, key, "14")
    assert (away.status_code, away.headers["Retry-After"]) == (503, "60")
    assert "try again in a few minutes" in away.text


async def test_a_link_that_is_over_says_so_and_makes_nothing(integrator: Integrator) -> None:
    soon = clock.now() + timedelta(hours=2)
    made = await link(integrator, **FIXED, expires_at=soon.isoformat())
    _, key = await opened(integrator, made)

    async def says(words: str) -> None:
        page, no_key = await opened(integrator, made)
        assert (page.status_code, words in page.text, no_key) == (200, True, ""), page.text
        refused = await press(integrator, made, key)
        assert (refused.status_code, words in refused.text) == (409, True)
        assert await database.fetch_value("SELECT count(*) FROM invoices") == 0

    async def change(**fields: Any) -> None:
        url = f"{BASE}/payment-links/{made['id']}"
        assert (await integrator.client.patch(url, json=fields, headers=integrator.headers())).status_code == 200

    await change(active=False)
    await says("no longer in use")
    await change(active=True)
    for standing in ("suspended", "banned"):
        await database.execute("UPDATE merchants SET status = $1 WHERE id = $2", standing, integrator.merchant_id)
        await says("takes no payments at the moment")
    await database.execute("UPDATE merchants SET status = 'approved' WHERE id = $1", integrator.merchant_id)
    assert (await opened(integrator, made))[1]
    await database.execute(
        "UPDATE payment_links SET expires_at = $1 WHERE id = $2", clock.now() - timedelta(seconds=1), made["id"]
    )
    await says("no longer in use")


async def test_more_payments_than_there_may_be_can_t_be_taken_by_a_race(integrator: Integrator) -> None:
    made = await link(integrator, **FIXED, max_payments=3)
    presses = [press(integrator, made, f"{n:032x}") for n in range(12)]
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*presses))
    assert statuses == [303] * 3 + [409] * 9
    taken = await invoices(integrator, made)
    assert len(taken) == 3
    page, _ = await opened(integrator, made)
    assert "used up" in page.text
    shown = (await integrator.get(f"/payment-links/{made['id']}")).json()
    assert (shown["status"], shown["payments_taken"]) == ("used_up", 3)
    # One who has a place gets it again, and one that is not used is given back.
    winners = [await press(integrator, made, f"{n:032x}") for n in range(12)]
    assert [answer.status_code for answer in winners].count(303) == 3
    assert (await integrator.post(f"/invoices/{taken[0]['id']}/cancel")).status_code == 200
    assert (await integrator.get(f"/payment-links/{made['id']}")).json()["status"] == "open"
    assert len(await invoices(integrator, made)) == 3
    again = await asyncio.gather(press(integrator, made, "e" * 32), press(integrator, made, "f" * 32))
    assert sorted(answer.status_code for answer in again) == [303, 409]


async def test_twenty_of_a_link_by_one_address_in_an_hour(integrator: Integrator) -> None:
    made = await link(integrator, **FIXED)
    other = await link(integrator, "b", **FIXED)
    for n in range(20):
        assert (await press(integrator, made, f"{n:032x}")).status_code == 303, n
    assert (await press(integrator, made, f"{7:032x}")).status_code == 303, "no further one"
    refused = await press(integrator, made, "f" * 32)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3600")
    assert "try again in an hour" in refused.text
    assert len(await invoices(integrator, made)) == 20
    assert (await press(integrator, other, "f" * 32)).status_code == 303
