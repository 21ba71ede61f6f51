"""Money in the cabinet: forms sent twice, codes, searches, exports, and who may approve a request."""

import asyncio
import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest

from app.cabinet import exports
from app.core import clock, database
from app.core.settings import Settings
from app.events import sequencer
from app.merchants import service as merchants
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals.approvals import ApprovalRefused
from tests.cabinet.world import ELSEWHERE, World
from tests.factories.invoices import invoice
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


async def test_search_finds_by_each_name_of_an_invoice_and_only_ones_own(
    world: World, browser: Callable[..., Browser]
) -> None:
    person, stranger = await owner(world, browser), browser()
    await stranger.sign_in(world.stranger)
    late = world.late_invoice
    for text in (late.id, late.id.lower(), "1042", "c-77", late.pay_in.address.lower(), late.deposits[0].txid):
        page = await person.get(f"{world.base}/invoices?search={text}")
        assert f"/invoices/{late.id}" in page.text, text
        foreign = await stranger.get(f"/cabinet/{world.foreign_id}/test/invoices?search={text}")
        assert "INV-" not in foreign.text.replace(text, ""), text
    assert "Nothing matches" in (await person.get(f"{world.base}/invoices?search=104")).text
    elsewhere = (await person.get(f"{world.base}/invoices?search={'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq'}")).text
    assert "This is a Bitcoin mainnet address: no invoice here has it." in elsewhere


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
    assert (paid["id"], paid["amount"], paid["credited_raw"]) == (world.paid_invoice.id, "25.00", "24800001")
    assert len(rows_of(await person.get(f"{world.base}/exports/payouts.csv"))) == 1
    entries = rows_of(await person.get(f"{world.base}/exports/ledger/USDT@ethereum.csv"))
    assert [entry["seq"] for entry in entries] == ["1", "2", "3"]


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
