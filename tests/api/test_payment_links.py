"""Payment links over HTTP: made, listed, changed, and what is refused."""

from typing import Any

import httpx

from app.api_keys.scopes import Scope
from app.core import database
from tests.api.conftest import BASE, Integrator, NewIntegrator

LINK = {"amount": "25.00", "currency": "USDT", "chain": "ethereum"}
OPEN = {"currency": "EUR", "min_amount": "5", "max_amount": "500.00"}
USDT = {"asset": "USDT", "chain": "ethereum"}


def error(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def patch(one: Integrator, link_id: str, **changes: Any) -> httpx.Response:
    return await one.client.patch(f"{BASE}/payment-links/{link_id}", json=changes, headers=one.headers())


async def test_a_link_is_made_once_read_listed_and_changed(integrator: Integrator) -> None:
    given = LINK | {
        "description": "Guided tour",
        "max_payments": 20,
        "expires_at": "2999-01-31T23:59:59+01:00",
        "success_url": "https://shop.example/thanks",
        "metadata": {"tour": "harbour", "n": 0.10},
    }
    first = await integrator.post("/payment-links", given, once="a")
    made = first.json()
    assert first.status_code == 201, made
    assert (made["id"][:3], len(made["id"])) == ("PL-", 13)
    assert made["url"].startswith(f"https://pay.example.test/l/{made['id']}.")
    shown = {name: made[name] for name in ("amount", "min_amount", "currency", "chain", "max_payments", "status")}
    assert shown == {
        "amount": "25.00",
        "min_amount": None,
        "currency": "USDT",
        "chain": "ethereum",
        "max_payments": 20,
        "status": "open",
    }
    assert (made["active"], made["payments_taken"], made["mode"]) == (True, 0, "test")
    assert (made["expires_at"], made["metadata"]) == ("2999-01-31T22:59:59Z", {"tour": "harbour", "n": 0.1})
    again = await integrator.post("/payment-links", given, once="a")
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")
    assert error(await integrator.post("/payment-links", LINK, once="a"))[0] == 422
    assert error(await integrator.post("/payment-links", LINK)) == (400, "IDEMPOTENCY_REQUIRED")
    assert (await integrator.get(f"/payment-links/{made['id']}")).json() == made

    priced = (await integrator.post("/payment-links", OPEN | {"pay_in_assets": [USDT]}, once="b")).json()
    assert (priced["amount"], priced["min_amount"], priced["max_amount"]) == (None, "5.00", "500.00")
    assert (priced["chain"], priced["pay_in_assets"]) == (None, [USDT])
    page = (await integrator.get("/payment-links", limit=1)).json()
    assert [one["id"] for one in page["data"]] == [priced["id"]]
    rest = (await integrator.get("/payment-links", limit=1, cursor=page["next_cursor"])).json()
    assert ([one["id"] for one in rest["data"]], rest["next_cursor"]) == ([made["id"]], None)

    off = await patch(integrator, made["id"], active=False, description=None, max_payments=3)
    assert off.status_code == 200, off.text
    changed = {"active": False, "description": None, "max_payments": 3, "status": "inactive"}
    assert off.json() == made | changed
    assert [one["id"] for one in (await integrator.get("/payment-links", active="true")).json()["data"]] == [
        priced["id"]
    ]
    open_now = (await patch(integrator, made["id"], amount=None, min_amount="1", active=True)).json()
    assert (open_now["amount"], open_now["min_amount"], open_now["status"]) == (None, "1.00", "open")
    fixed = await patch(integrator, made["id"], amount="7")
    assert (*error(fixed), "min_amount" in fixed.text) == (400, "INVALID_INPUT", True)
    fixed = await patch(integrator, made["id"], amount="7.5", min_amount=None)
    assert (fixed.json()["amount"], fixed.json()["min_amount"]) == ("7.50", None)
    audit = await database.fetch_all(
        "SELECT action, actor FROM audit_entries WHERE subject = $1 ORDER BY id", made["id"]
    )
    assert [row["action"] for row in audit] == ["payment_link.created"] + 3 * ["payment_link.changed"]
    assert {row["actor"] for row in audit} == {f"api_key:{integrator.key_id}"}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (LINK | {"amount": "0"}, "INVALID_INPUT", "amount"),
    (LINK | {"amount": "1.1234567"}, "INVALID_INPUT", "amount"),
    (LINK | {"min_amount": "1"}, "INVALID_INPUT", "min_amount"),
    (OPEN | {"max_amount": "4.99"}, "INVALID_INPUT", "max_amount"),
    (OPEN | {"max_amount": "1.001"}, "INVALID_INPUT", "max_amount"),
    (OPEN | {"currency": "XAU"}, "INVALID_INPUT", "chain"),
    (OPEN | {"currency": "CHF"}, "PAY_IN_ASSET_NOT_ALLOWED", "CHF"),
    (OPEN | {"pay_in_assets": [USDT, USDT]}, "INVALID_INPUT", "pay_in_assets"),
    (OPEN | {"pay_in_assets": [{"asset": "DOGE", "chain": "ethereum"}]}, "PAY_IN_ASSET_NOT_ALLOWED", "DOGE"),
    (LINK | {"pay_in_assets": [USDT]}, "INVALID_INPUT", "pay_in_assets"),
    (LINK | {"chain": "nowhere"}, "PAY_IN_ASSET_NOT_ALLOWED", "nowhere"),
    (LINK | {"max_payments": 0}, "INVALID_INPUT", "max_payments"),
    (LINK | {"max_payments": 10_001}, "INVALID_INPUT", "max_payments"),
    (LINK | {"expires_at": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", "expires_at"),
    (LINK | {"expires_at": "2999-01-01T00:00:00"}, "INVALID_INPUT", "expires_at"),
    (LINK | {"success_url": "https://user@shop.example"}, "INVALID_INPUT", "success_url"),
    (LINK | {"metadata": {"x": "y" * 5000}}, "INVALID_INPUT", "metadata"),
    (LINK | {"order_id": "7"}, "INVALID_INPUT", "order_id"),
]
"""A request, the code, and what the message names."""


async def test_what_can_t_be_a_link_is_refused(integrator: Integrator) -> None:
    for given, code, named in REFUSED:
        answer = await integrator.post("/payment-links", given, once="a")
        assert error(answer) == (400, code), (given, answer.text)
        assert named in answer.json()["error"]["message"], given
    assert (await integrator.get("/payment-links")).json()["data"] == []


async def test_links_belong_to_their_merchant_and_need_a_scope(new_integrator: NewIntegrator) -> None:
    mine, other = await new_integrator(), await new_integrator()
    reader = await new_integrator(Scope.INVOICES_READ)
    link = (await mine.post("/payment-links", LINK, once="a")).json()
    for link_id in (link["id"], "PL-0000000000", "x"):
        assert error(await other.get(f"/payment-links/{link_id}")) == (404, "PAYMENT_LINK_NOT_FOUND")
        assert error(await patch(other, link_id, active=False)) == (404, "PAYMENT_LINK_NOT_FOUND")
    assert (await other.get("/payment-links")).json()["data"] == []
    assert (await mine.get(f"/payment-links/{link['id']}")).json()["active"] is True
    assert (await reader.get("/payment-links")).status_code == 200
    assert error(await reader.post("/payment-links", LINK, once="a")) == (403, "MISSING_SCOPE")
