"""Money in the cabinet: forms sent twice, codes, searches, exports, and who may approve a request."""

import asyncio
import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape

import httpx
import msgspec
import pytest
from msgspec.structs import replace

from app.cabinet import exports
from app.core import clock, database
from app.core.money import GROUP_GAP
from app.core.settings import Settings
from app.events import sequencer
from app.invoices.creation import NewInvoice
from app.invoices.presentation import InvoiceBody
from app.merchants import service as merchants
from app.sandbox.chain_driver import AnvilDriver
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals.approvals import ApprovalRefused
from tests.cabinet.world import ELSEWHERE, World
from tests.factories.invoices import invoice
from tests.factories.merchants import PRICES
from tests.factories.payments import pay_on_chain
from tests.factories.rates import store_rate
from tests.identity.browsing import Browser, an_account, hidden

ASKED = {"asset": "USDT@ethereum", "amount": "1.00", "destination": ELSEWHERE, "description": ""}


async def owner(world: World, browser: Callable[..., Browser]) -> Browser:
    person = browser()
    await person.sign_in(world.people["owner"])
    return person


def rows_of(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


async def review_page(person: Browser, world: World) -> httpx.Response:
    query = httpx.QueryParams(ASKED)
    return await person.get(f"{world.base}/payouts/review?{query}")


async def test_a_payout_form_sent_five_times_asks_for_one_payout(world: World, browser: Callable[..., Browser]) -> None:
    person = await owner(world, browser)
    fields = hidden(await review_page(person, world))
    path = f"{world.base}/payouts/review"
    answers = await asyncio.gather(*[person.post(path, fields) for _ in range(5)])
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1
    made = await database.fetch_value("SELECT count(*) FROM withdrawals WHERE requested_by LIKE 'account:%'")
    assert made == 1
    recorded = await database.fetch_value("SELECT count(*) FROM audit_entries WHERE action = 'payout.requested'")
    assert recorded == 1


async def test_an_invoice_form_sent_twice_makes_one_invoice(world: World, browser: Callable[..., Browser]) -> None:
    person = await owner(world, browser)
    path = f"{world.base}/invoices/new"
    fields = hidden(await person.get(path)) | {
        "amount": "3.00",
        "currency": "USDT@ethereum",
        "expires_in": "60",
        "fee_payer": "merchant",
    }
    first, second = await person.post(path, fields), await person.post(path, fields)
    assert first.headers["location"] == second.headers["location"]


async def test_an_amount_above_the_balance_is_refused_beside_its_field(
    world: World, browser: Callable[..., Browser]
) -> None:
    person = await owner(world, browser)
    fields = hidden(await review_page(person, world)) | {"amount": "4000.00"}
    answer = await person.post(f"{world.base}/payouts/review", fields)
    assert answer.status_code == 422
    assert 'href="#field-amount"' in answer.text


async def test_a_payout_says_what_it_costs_and_where_it_goes_while_it_is_filled_in(
    world: World, browser: Callable[..., Browser]
) -> None:
    person = await owner(world, browser)
    path, deposit = f"{world.base}/payouts/review", world.open_invoice.pay_in.address
    page = await person.get(f"{world.base}/payouts/new")
    assert re.search(r'value="USDT@ethereum" selected', page.text), "the form begins with an asset that has money"

    async def said(name: str, **typed: str) -> str:
        fields = hidden(page) | {"asset": "USDT@ethereum", "amount": "1", "destination": ELSEWHERE} | typed
        token = {"X-CSRF-Token": hidden(page)["csrf_token"]}
        return unescape((await person.post(path, fields, **{"X-Check-Field": name}, **token)).text)

    costs = await said("amount", amount="2,5")
    assert re.search(r"fee.* 2\.\d+ USDT leaves your balance, and [\d.]+ USDT stays available\.", costs)
    assert "Enter a smaller amount. Your balance has" in await said("amount", amount="4000 USDT")
    assert "Does 1,250 mean 1250 or 1.250?" in await said("amount", amount="1,250")
    assert await said("destination") == ""
    assert "That is one of our own deposit addresses. Enter an address that is yours." in await said(
        "destination", destination=deposit
    )
    assert "Enter a whole address: 0x and 40 digits" in await said("destination", destination="0x12")
    refused = await person.get(f"{path}?asset=USDT%40ethereum&amount=4000&destination={ELSEWHERE}")
    assert "Request payout" not in refused.text, "the second step is not reached"
    assert 'href="#field-amount"' in refused.text


async def test_a_stolen_cookie_gets_no_payout_without_the_code(
    world: World, browser: Callable[..., Browser], settings: Settings, steady_clock: None
) -> None:
    careful = await an_account(settings, "careful@example.test", totp=True)
    await merchants.add_member(world.terms.merchant_id, careful.id, "owner", clock.now())
    person = browser()
    await person.sign_in(careful)
    clock.shift(timedelta(minutes=11))
    fields = hidden(await review_page(person, world))
    refused = await person.post(f"{world.base}/payouts/review", fields)
    assert refused.status_code == 422
    assert "Enter the code" in refused.text
    refund = f"{world.base}/invoices/{world.paid_invoice.id}/refund"
    refund_form = hidden(await person.get(refund)) | {"amount": "1.00", "refund_address": ELSEWHERE}
    assert (await person.post(refund, refund_form)).status_code == 422
    done = await person.post(f"{world.base}/payouts/review", fields | {"code": careful.code()})
    assert done.status_code == 303


async def test_the_requester_in_the_cabinet_cannot_approve_at_the_desk(
    world: World, browser: Callable[..., Browser], settings: Settings, works: Services, steady_clock: None
) -> None:
    both = await an_account(settings, "both@example.test", totp=True, is_operator=True)
    await merchants.add_member(world.terms.merchant_id, both.id, "owner", clock.now())
    person = browser()
    await person.sign_in(both)
    answer = await person.post(f"{world.base}/payouts/review", hidden(await review_page(person, world)))
    payout_id = answer.headers["location"].rsplit("/", 1)[1]
    with pytest.raises(ApprovalRefused):
        await works.approvals.approve(payout_id, both.id, both.code(), clock.now())


async def test_pages_show_every_invoice_once(world: World, browser: Callable[..., Browser], works: Services) -> None:
    for _ in range(30):
        await invoice(works, world.terms)
    person, path, found = await owner(world, browser), f"{world.base}/invoices", []
    while path:
        page = (await person.get(path)).text
        found += re.findall(r'href="[^"]*/invoices/(INV-\w{10})"', page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1] if following else ""
    assert len(found) == len(set(found)) == 33


async def test_exports_stream_everything_and_no_cell_is_a_formula(
    world: World, browser: Callable[..., Browser], works: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "AT_ONCE", 2)
    evil = ["=HYPERLINK(1)", "+1", "-1", "@x", "\tx", "\rx", 'harmless, "quoted"']
    for description in evil:
        await invoice(works, world.terms, description=description)
    person = await owner(world, browser)
    answer = await person.get(f"{world.base}/exports/invoices.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = rows_of(answer)
    assert len(rows) == 3 + len(evil)
    expected = {row["description"] for row in rows}
    assert {"'=HYPERLINK(1)", "'+1", "'-1", "'@x", "'\tx", 'harmless, "quoted"'} <= expected
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row.values())
    (paid,) = rows_of(await person.get(f"{world.base}/exports/invoices.csv?status=paid"))
    assert (paid["id"], paid["amount_decimal"], paid["amount_raw"]) == (world.paid_invoice.id, "25.00", "25000000")
    assert (paid["credited_decimal"], paid["credited_raw"]) == ("24.800001", "24800001")
    assert (paid["service_fee_decimal"], paid["service_fee_raw"]) == ("0.20", "200000")
    (sent,) = rows_of(await person.get(f"{world.base}/exports/payouts.csv"))
    assert int(sent["amount_raw"]) == 10**6 * Decimal(sent["amount_decimal"])
    assert int(sent["fee_raw"]) == 10**6 * Decimal(sent["fee_decimal"])
    entries = rows_of(await person.get(f"{world.base}/exports/ledger/USDT@ethereum.csv"))
    assert [entry["seq"] for entry in entries] == ["1", "2", "3"]
    assert (entries[0]["available_delta_decimal"], entries[0]["available_delta_raw"]) == ("24.800001", "24800001")


async def test_a_day_is_one_of_the_readers_zone_in_lists_and_exports(
    world: World, browser: Callable[..., Browser]
) -> None:
    """What Tokyo sees on 29 November was made on the 28th of UTC."""
    person, invoice_id = await owner(world, browser), world.paid_invoice.id
    made_at, paid_at = datetime(2026, 11, 28, 15, 30, tzinfo=UTC), datetime(2026, 11, 28, 16, 0, tzinfo=UTC)
    await database.execute(
        "UPDATE invoices SET created_at = $2, paid_at = $3 WHERE id = $1", invoice_id, made_at, paid_at
    )

    async def found(day: str) -> tuple[bool, int]:
        query = f"from={day}&to={day}"
        page = (await person.get(f"{world.base}/invoices?{query}")).text
        rows = rows_of(await person.get(f"{world.base}/exports/invoices.csv?{query}"))
        return invoice_id in page, len(rows)

    assert await found("2026-11-28") == (True, 1)
    assert (await person.send("/account/time-zone", "/account", time_zone="Asia/Tokyo")).status_code == 303
    assert await found("2026-11-28") == (False, 0)
    assert await found("2026-11-29") == (True, 1)
    page = (await person.get(f"{world.base}/invoices/{invoice_id}")).text
    assert 'title="2026-11-28 15:30:00 UTC">29 Nov 2026, 00:30:00</time>' in page
    assert "Asia/Tokyo (UTC+9)" in page
    answer = await person.get(f"{world.base}/exports/invoices.csv?from=2026-11-29&to=2026-11-29")
    (row,) = rows_of(answer)
    assert row["created_at"] == "2026-11-28T15:30:00Z"
    assert (row["created_local"], row["paid_local"], row["time_zone"]) == (
        "2026-11-29 00:30:00",
        "2026-11-29 01:00:00",
        "Asia/Tokyo",
    )
    assert answer.headers["content-disposition"].endswith('-Asia-Tokyo.csv"')


async def test_every_amount_has_its_thousands_set_apart(
    world: World, browser: Callable[..., Browser], works: Services, driver: AnvilDriver, token: str
) -> None:
    """On each page, in text and in figures: a run of five digits with places is in a field or a table to copy alone."""
    big = await invoice(works, world.terms, amount="12345678.90")
    await pay_on_chain(works, driver, token, big.pay_in.address, int(big.pay_in.amount_raw))
    person = await owner(world, browser)
    asked = httpx.QueryParams(ASKED | {"amount": "1234567.89"})
    places = ["", "invoices", f"invoices/{big.id}", "balances", "ledger/USDT@ethereum", f"payouts/review?{asked}"]
    places += ["payouts/new", f"invoices/{big.id}/refund", "ledger/USDT@ethereum/4"]
    too_much = httpx.QueryParams(ASKED | {"amount": "98765432109.00"})
    for place in (*places, f"payouts/review?{too_much}"):
        page = (await person.get(f"{world.base}/{place}".rstrip("/"))).text
        assert "figure__group" in page or GROUP_GAP in page, place
        shown = re.sub(r"<(input|time|a|form|option)\b[^>]*>|data-[a-z]+=\"[^\"]*\"|hx-headers='[^']*'", "", page)
        assert (found := re.search(r".{80}[0-9]{5,}\.[0-9]{2}", shown)) is None, (place, found)


async def test_the_timeline_of_an_invoice_has_every_fact(
    world: World, browser: Callable[..., Browser], settings: Settings
) -> None:
    await sequencer.number_events(fan_out_with(settings.data_keys))
    page = (await (await owner(world, browser)).get(f"{world.base}/invoices/{world.paid_invoice.id}")).text
    expected = ["Invoice created", "Transfer seen on chain", "Invoice credited", "Paid", "Locked for a refund"]
    expected += ["Refund requested", "Webhook not delivered yet"]
    for words in expected:
        assert words in page
    assert page.index("Invoice created") < page.index("Transfer seen on chain") < page.index("Refund requested")


async def test_a_price_is_shown_wherever_an_invoice_is(world: World, browser: Callable[..., Browser]) -> None:
    """While nothing is chosen, after a choice, and once the quote has ended and the time is up."""
    person, now = await owner(world, browser), clock.now()
    await store_rate("USDT", "EUR", "0.92", now)
    new = NewInvoice(amount="49.90", currency="EUR", order_id="1099", expires_in=timedelta(minutes=30))
    body = await world.services.invoice_creation.create(replace(world.terms, prices=PRICES), new, None, now)
    priced = msgspec.json.decode(body, type=InvoiceBody)

    async def seen(status: str) -> str:
        pages = [await person.get(path) for path in (world.base, f"{world.base}/invoices?search=1099")]
        one = await person.get(f"{world.base}/invoices/{priced.id}")
        for page in (*pages, one):
            assert page.status_code == 200
            assert "49.90" in page.text
            assert "EUR" in page.text
            assert status in page.text
        (row,) = rows_of(await person.get(f"{world.base}/exports/invoices.csv?search=1099"))
        assert (row["price"], row["price_currency"]) == ("49.90", "EUR")
        return row["asset"]

    assert await seen("Awaiting choice") == ""
    assert (await person.get(f"{world.base}/invoices/{priced.id}/refund")).status_code == 409
    chosen = await world.services.quotes.choose(priced.id, "USDT", "ethereum", now)
    assert await seen("Awaiting payment") == "USDT"
    assert chosen.pay_in is not None
    found = await person.get(f"{world.base}/invoices?search={chosen.pay_in.address}")
    assert "1099" in found.text
    over = now + timedelta(minutes=40)
    await world.services.invoices.expire_due("ethereum:test", over, over)
    assert await seen("Expired") == ""


async def test_a_priced_invoice_has_its_worth_everywhere_and_is_refunded_by_it(
    world: World, browser: Callable[..., Browser], settings: Settings, works: Services, driver: AnvilDriver, token: str
) -> None:
    merchant_id = world.terms.merchant_id
    await database.execute("UPDATE merchants SET reporting_currency = 'EUR' WHERE id = $1", merchant_id)
    person = await owner(world, browser)
    await store_rate("USDT", "EUR", "0.92", clock.now())
    new = NewInvoice(amount="46.00", currency="EUR", expires_in=timedelta(minutes=30))
    made = await works.invoice_creation.create(replace(world.terms, prices=PRICES), new, None, clock.now())
    invoice_id = msgspec.json.decode(made, type=InvoiceBody).id
    quoted = (await works.quotes.choose(invoice_id, "USDT", "ethereum", clock.now())).pay_in
    assert quoted is not None
    await pay_on_chain(works, driver, token, quoted.address, int(quoted.amount_raw))
    one = await person.get(f"{world.base}/invoices/{invoice_id}")
    assert "Honoured" in one.text
    assert re.search(r"Worth then.*45\.63.*EUR", one.text, re.DOTALL), "50 USDT without the fee of 0.8 %"
    (row,) = [row for row in rows_of(await person.get(f"{world.base}/exports/invoices.csv")) if row["id"] == invoice_id]
    assert (row["worth"], row["worth_currency"]) == ("45.63", "EUR")
    chart = (await person.get(f"{world.base}?asset=EUR")).text
    assert "45.63 EUR credited, at the rates of then, net of fees; the worth of 1 invoice is not known" in chart
    assert "now worth" in (await person.get(f"{world.base}/balances")).text
    await store_rate("USDT", "EUR", None, clock.now())
    assert "worth not known" in (await person.get(f"{world.base}/balances")).text

    path = f"{world.base}/invoices/{invoice_id}/refund"
    assert "There is no exchange rate at the moment" in (await person.get(path)).text
    await store_rate("USDT", "EUR", "0.80", clock.now())
    page = await person.get(path)
    assert "That is 39.68 EUR now." in page.text
    sent = hidden(page) | {"amount": "49.60", "refund_address": ELSEWHERE}
    assert (await person.post(path, sent | {"worth": "10.001"})).status_code == 422
    asked = await person.post(path, sent | {"worth": "10.00"})
    assert asked.status_code == 303
    refund_id = asked.headers["location"].rsplit("/", 1)[1]
    assert await database.fetch_value("SELECT amount_raw FROM withdrawals WHERE id = $1", refund_id) == 12_500_000
    await store_rate("USDT", "EUR", "0.40", clock.now())
    all_of_it = hidden(await person.get(path)) | {"amount": "", "worth": "40.00", "refund_address": ELSEWHERE}
    asked = await person.post(path, all_of_it)
    rest_id = asked.headers["location"].rsplit("/", 1)[1]
    net_raw = int(row["net_raw"])
    rest_raw = await database.fetch_value("SELECT amount_raw FROM withdrawals WHERE id = $1", rest_id)
    assert rest_raw == net_raw - 12_500_000, "never more than is left of the credit"

    operator = browser()
    await operator.sign_in(await an_account(settings, "op@example.test", totp=True, is_operator=True))
    desk = (await operator.get(f"/desk/approvals/{refund_id}")).text
    assert "Worth 5.00 EUR now" in desk
    assert "the invoice’s price is 46.00 EUR" in desk
