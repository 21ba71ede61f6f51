"""`/invoices`: creation, replays, lists, scopes."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.errors import ApiError
from app.core.settings import Settings
from app.events.sequencer import number_events
from app.invoices import creation
from app.invoices.creation import NewInvoice
from app.invoices.return_urls import check_return_url
from app.webhooks.fan_out import fan_out_with
from tests.api.conftest import BASE, INVOICE, Integrator, NewIntegrator
from tests.factories.merchants import terms


async def test_an_invoice_is_made_read_and_cancelled(integrator: Integrator) -> None:
    made = await integrator.invoice("order-1042", order_id="1042", metadata={"cart": [1, "two"]}, amount="5")
    assert made["amount_decimal"] == "5.00"
    assert made["pay_in"]["amount_raw"] == str(5_000_000 + made["pay_in"]["cent_tail"])
    assert (made["service_fee_raw"], made["status"], made["mode"]) == ("40000", "awaiting_deposit", "test")
    assert made["pay_in"]["payment_uri"].startswith("ethereum:0x")
    assert f"/pay/{made['id']}." in made["payment_url"]

    read = await integrator.get(f"/invoices/{made['id']}")
    assert (read.status_code, read.json()) == (200, made)

    cancelled = await integrator.post(f"/invoices/{made['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    again = await integrator.post(f"/invoices/{made['id']}/cancel")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "INVOICE_NOT_CANCELLABLE")


async def test_an_invoice_keeps_the_rule_for_parts_from_its_creation(integrator: Integrator) -> None:
    before = await integrator.invoice("order-1")
    await database.execute("UPDATE merchants SET accept_parts = true WHERE id = $1", integrator.merchant_id)
    after = await integrator.invoice("order-2")
    rows = await database.fetch_all("SELECT id, accept_parts FROM invoices")
    assert {row["id"]: row["accept_parts"] for row in rows} == {before["id"]: False, after["id"]: True}
    assert set(before) == set(after), "the answer has no field of it"


async def test_one_key_creates_one_invoice_however_many_requests_at_once(integrator: Integrator) -> None:
    answers = await asyncio.gather(
        *(integrator.post("/invoices", INVOICE | {"order_id": "1042"}, once="same") for _ in range(100))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await database.fetch_value("SELECT count(*) FROM invoices") == 1


async def test_a_replay_is_the_same_bytes_and_ends_after_a_day(integrator: Integrator) -> None:
    first = await integrator.post("/invoices", INVOICE, once="k")
    await integrator.post(f"/invoices/{first.json()['id']}/cancel")
    clock.shift(timedelta(hours=23))
    replay = await integrator.post("/invoices", INVOICE, once="k")
    assert (replay.status_code, replay.content) == (201, first.content)
    assert replay.headers["Idempotent-Replayed"] == "true"
    clock.shift(timedelta(hours=2))
    fresh = await integrator.post("/invoices", INVOICE, once="k")
    assert fresh.json()["id"] != first.json()["id"]


async def test_another_body_under_a_used_key_is_refused(integrator: Integrator) -> None:
    await integrator.post("/invoices", INVOICE, once="k")
    reused = await integrator.post("/invoices", INVOICE | {"amount": "6.00"}, once="k")
    assert (reused.status_code, reused.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY")


async def test_a_failed_creation_can_be_retried_under_its_key(integrator: Integrator) -> None:
    bad = await integrator.post("/invoices", INVOICE | {"amount": "0.001000001"}, once="k")
    assert bad.status_code == 400
    assert (await integrator.post("/invoices", INVOICE, once="k")).status_code == 201


async def test_two_merchants_may_use_the_same_key(integrator: Integrator, new_integrator: NewIntegrator) -> None:
    other = await new_integrator()
    mine, theirs = await integrator.invoice("k"), await other.invoice("k")
    assert mine["id"] != theirs["id"]


WRONG: list[tuple[dict[str, object], str, str]] = [
    ({"amount": "0"}, "INVALID_INPUT", "amount"),
    ({"amount": "-5"}, "INVALID_INPUT", "amount"),
    ({"amount": "5e3"}, "INVALID_INPUT", "amount"),
    ({"amount": "1.0000001"}, "INVALID_INPUT", "amount"),
    ({"amount": 5}, "INVALID_INPUT", "amount"),
    ({"amount": "9" * 79}, "INVALID_INPUT", "amount"),
    ({"amount": "9" * 73}, "INVALID_INPUT", "amount"),
    ({"currency": "DOGE"}, "PAY_IN_ASSET_NOT_ALLOWED", "currency"),
    ({"chain": "tron"}, "PAY_IN_ASSET_NOT_ALLOWED", "currency"),
    ({"expires_in": 9}, "INVALID_INPUT", "expires_in"),
    ({"expires_in": 10_081}, "INVALID_INPUT", "expires_in"),
    ({"success_url": "http://shop.example/done"}, "INVALID_INPUT", "success_url"),
    ({"success_url": "http://localhost.shop.example/"}, "INVALID_INPUT", "success_url"),
    ({"success_url": "http://user@localhost/"}, "INVALID_INPUT", "success_url"),
    ({"success_url": "https://user@shop.example/"}, "INVALID_INPUT", "success_url"),
    ({"fail_url": "javascript:alert(1)"}, "INVALID_INPUT", "fail_url"),
    ({"metadata": {"note": "x" * 4096}}, "INVALID_INPUT", "metadata"),
    ({"metadata": [1]}, "INVALID_INPUT", "metadata"),
    ({"description": "x" * 501}, "INVALID_INPUT", "description"),
    ({"customer_email": "nobody"}, "INVALID_INPUT", "customer_email"),
    ({"surprise": 1}, "INVALID_INPUT", "surprise"),
    ({"fee_payer": "bank"}, "INVALID_INPUT", "fee_payer"),
]
"""Changes that make INVOICE wrong, each with the error's code and the field that it names."""


async def test_what_is_wrong_is_named(integrator: Integrator) -> None:
    for change, code, field in WRONG:
        refused = await integrator.post("/invoices", INVOICE | change, once="k")
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (400, code), change
        assert error["message"].startswith(field), change
        assert error["request_id"] == refused.headers["X-Request-Id"], change
    assert await database.fetch_value("SELECT count(*) FROM invoices") == 0


async def test_a_shop_on_the_developers_own_machine_needs_no_tls_in_test_mode(integrator: Integrator) -> None:
    at_home = {"success_url": "http://localhost:3000/done", "fail_url": "http://[::1]/basket"}
    created = await integrator.invoice("k", **at_home)
    assert {field: created[field] for field in at_home} == at_home
    assert created["mode"] == "test"
    with pytest.raises(ApiError, match="success_url: must be an absolute https:// URL"):
        check_return_url("success_url", at_home["success_url"], mode="live")


async def test_a_creation_needs_a_key_of_its_own(integrator: Integrator) -> None:
    missing = await integrator.post("/invoices", INVOICE)
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "IDEMPOTENCY_REQUIRED")
    too_long = await integrator.post("/invoices", INVOICE, once="k" * 129)
    assert (too_long.status_code, too_long.json()["error"]["code"]) == (400, "INVALID_INPUT")


async def test_refused_requests_do_not_use_up_the_pool(integrator: Integrator) -> None:
    await database.execute("UPDATE merchant_assets SET min_raw = 1000000")
    for n in range(50):
        refused = await integrator.post("/invoices", INVOICE | {"amount": "0.5"}, once=f"k{n}")
        assert refused.json()["error"]["code"] == "AMOUNT_TOO_SMALL"
    held = await database.fetch_value("SELECT count(*) FROM deposit_addresses WHERE reserved_until IS NOT NULL")
    assert held <= 100


async def test_an_order_id_is_open_once(integrator: Integrator) -> None:
    first = await integrator.invoice("a", order_id="1042")
    twice = await integrator.post("/invoices", INVOICE | {"order_id": "1042"}, once="b")
    error = twice.json()["error"]
    assert (twice.status_code, error["code"], error["invoice_id"]) == (409, "DUPLICATE_ORDER_ID", first["id"])
    await integrator.post(f"/invoices/{first['id']}/cancel")
    await integrator.invoice("b", order_id="1042")


@pytest.mark.usefixtures("services")
async def test_an_order_id_that_was_given_up_meanwhile_is_tried_again() -> None:
    """The holder expires between the conflict and the look-up of the holder: there is no conflict any more."""
    owner = await terms(service_fee_bps=0)
    new = NewInvoice(amount="5", currency="USDT", chain="ethereum", order_id="1042", expires_in=timedelta(hours=1))
    await creation._explain_clash("invoices_order_id_once", owner, new, None)


async def test_paused_invoices_say_so(integrator: Integrator) -> None:
    await database.execute("INSERT INTO switches VALUES ('invoices', now(), 'maintenance')")
    paused = await integrator.post("/invoices", INVOICE, once="k")
    assert (paused.status_code, paused.json()["error"]["code"]) == (503, "INVOICES_DISABLED")
    assert "Retry-After" in paused.headers


async def test_another_merchants_invoice_is_not_found(integrator: Integrator, new_integrator: NewIntegrator) -> None:
    theirs = (await (await new_integrator()).invoice("k"))["id"]
    for method, suffix in (("GET", ""), ("POST", "/cancel")):
        bodies = []
        for invoice_id in (theirs, "INV-0000000000"):
            answer = await integrator.client.request(
                method, f"{BASE}/invoices/{invoice_id}{suffix}", headers=integrator.headers()
            )
            assert answer.status_code == 404
            bodies.append({k: v for k, v in answer.json()["error"].items() if k != "request_id"})
        assert bodies[0] == bodies[1] == {"code": "INVOICE_NOT_FOUND", "message": "no such invoice"}
    assert (await integrator.get("/invoices")).json()["data"] == []


async def test_pages_hold_every_invoice_once_while_more_are_made(integrator: Integrator) -> None:
    made = [(await integrator.invoice(f"k{n}"))["id"] for n in range(25)]
    listed: list[str] = []
    cursor = None
    while True:
        page = (await integrator.get("/invoices", limit=10, **({"cursor": cursor} if cursor else {}))).json()
        listed += [invoice["id"] for invoice in page["data"]]
        await integrator.invoice(f"later-{len(listed)}")
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert listed == made[::-1]


async def test_filters_are_exact_and_unknown_ones_refused(integrator: Integrator) -> None:
    wanted = await integrator.invoice("a", order_id="7", customer_id="c-7", customer_email="Ann@Example.org")
    await integrator.invoice("b", order_id="8", currency="ETH", amount="0.1")
    for name, value in (
        ("order_id", "7"),
        ("customer_id", "c-7"),
        ("customer_email", "ann@example.ORG"),
        ("currency", "USDT"),
    ):
        found = (await integrator.get("/invoices", **{name: value})).json()["data"]
        assert [invoice["id"] for invoice in found] == [wanted["id"]], name
    assert (await integrator.get("/invoices", status="paid")).json()["data"] == []
    assert len((await integrator.get("/invoices", created_to=wanted["created_at"])).json()["data"]) == 0
    assert len((await integrator.get("/invoices", created_from=wanted["created_at"])).json()["data"]) == 2
    for bad in ({"status": "sold"}, {"colour": "red"}, {"limit": "0"}, {"cursor": "x"}, {"created_from": "today"}):
        refused = await integrator.get("/invoices", **bad)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "INVALID_INPUT"), bad


async def test_only_a_hash_of_the_customers_address_is_stored(integrator: Integrator) -> None:
    await integrator.invoice("k", customer_email="ann@example.org")
    row = await database.fetch_value("SELECT row_to_json(i)::text FROM invoices i")
    event = await database.fetch_value("SELECT data FROM events")
    assert "ann@" not in row + event
    kept = await database.fetch_value("SELECT customer_email_hash FROM invoices")
    assert len(kept) == 32
    assert b"ann@" not in kept


async def test_a_key_allows_only_its_scopes(new_integrator: NewIntegrator) -> None:
    reader = await new_integrator(Scope.INVOICES_READ)
    assert (await reader.get("/invoices")).status_code == 200
    refused = await reader.post("/invoices", INVOICE, once="k")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "MISSING_SCOPE")
    assert (await reader.get("/balance")).status_code == 403


async def test_balance_and_assets_list_what_the_merchant_accepts(integrator: Integrator) -> None:
    assets = (await integrator.get("/assets")).json()["data"]
    assert [(asset["asset"], asset["chain"], asset["decimals"]) for asset in assets] == [
        ("USDT", "ethereum", 6),
        ("ETH", "ethereum", 18),
    ]
    balances = (await integrator.get("/balance")).json()["data"]
    assert [(b["asset"], b["available_raw"], b["pending_decimal"]) for b in balances] == [
        ("USDT", "0", "0.00"),
        ("ETH", "0", "0.00"),
    ]
    ledger = await integrator.get("/ledger", asset="USDT", chain="ethereum")
    assert ledger.json() == {"data": [], "next_cursor": None}
    assert (await integrator.get("/ledger", asset="USDT")).status_code == 400
    verified = (await integrator.get("/ledger/verify", asset="USDT", chain="ethereum")).json()
    assert (verified["asset"], verified["valid"], verified["seq"]) == ("USDT", True, 0)
    assert all("currency" not in body for body in (*assets, *balances, verified))


AS_SENT = (
    '{"z":1e2,"a":100.0,"deep":[{"rate":0.10},-0.0,1.5E+3],"long":0.1000000000000000055511151231257827,'
    '"int":123456789012345678901234567890,"text":"ä\\u20ac","none":null}'
)
AS_KEPT = AS_SENT.replace("\\u20ac", "€")


async def test_metadata_comes_back_as_it_was_sent(
    integrator: Integrator, chain_settings: Callable[..., Settings]
) -> None:
    spaced = AS_SENT.replace(",", " ,\n ")
    headers = integrator.headers() | {"Content-Type": "application/json"}

    async def create(metadata: str, path: str = "/invoices", **fields: str) -> httpx.Response:
        body = json.dumps(INVOICE | fields)[:-1] + f',"metadata":{metadata}}}'
        once = headers | {"Idempotency-Key": "k"}
        return await integrator.client.post(BASE + path, content=body.encode(), headers=once)

    def kept(answer: httpx.Response) -> bool:
        return f'"metadata":{AS_KEPT}' in answer.text

    made = await create(AS_SENT)
    invoice_id = made.json()["id"]
    assert made.status_code == 201
    await number_events(fan_out_with(chain_settings().data_keys))
    event_id = (await integrator.get("/events")).json()["data"][0]["event_id"]
    for answer in (
        made,
        await create(spaced),  # a replay: white space is no difference
        await integrator.get(f"/invoices/{invoice_id}"),
        await integrator.get("/invoices"),
        await integrator.get(f"/events/{event_id}"),
        await integrator.post(f"/invoices/{invoice_id}/cancel"),
    ):
        assert kept(answer), answer.text
    assert AS_KEPT in await database.fetch_value("SELECT body FROM events")
    moved = AS_SENT.replace('"z":1e2,', "").replace('"none":null', '"none":null,"z":1e2')
    assert (await create(moved)).headers["Idempotent-Replayed"] == "true"  # nor is the order of keys
    reused = await create(AS_SENT.replace("1e2", "100"))
    assert (reused.status_code, reused.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY")


@pytest.mark.parametrize("path", ["/nothing", "/invoices/INV-1/nothing", "/invoices/INV-1/cancel/x"])
async def test_unknown_paths_are_in_the_envelope(client: httpx.AsyncClient, path: str) -> None:
    missing = await client.get(BASE + path)
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NOT_FOUND")
