"""Lists of money: their total, filters one by one, longer pages, both orders, and exports of what is shown."""

import re
from collections.abc import Callable

import pytest

from app.core import database, keyset
from app.wiring import Services
from tests.cabinet.world import World
from tests.factories.invoices import invoice
from tests.identity.browsing import Browser


@pytest.fixture
async def owner(world: World, works: Services, browser: Callable[..., Browser]) -> Browser:
    """An owner of the world's merchant, which has 33 invoices, 30 of them expired."""
    for number in range(30):
        made = await invoice(works, world.terms, amount="1.00", order_id=f"O-{number:02}")
        await database.execute("UPDATE invoices SET status = 'expired' WHERE id = $1", made.id)
    person = browser()
    await person.sign_in(world.people["owner"])
    return person


def count(page: str) -> str:
    (found,) = re.findall(r"data-count>(.*?)</p>", page)
    return re.sub(r"<[^>]+>", "", found)


def ids(page: str) -> list[str]:
    return re.findall(r'class="table__lead"[^>]*>.*?href="[^"]*/(?:invoices|payouts|refunds)/([A-Z0-9-]+)"', page)


async def test_a_list_says_how_many_it_has_and_exports_what_it_shows(
    world: World, owner: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def see(query: str) -> str:
        return (await owner.get(f"{world.base}/{query}")).text

    every = await see("invoices")
    assert (count(every), len(ids(every))) == ("33 invoices", 25)
    assert "Show 8 more" in every
    longer = await see("invoices?rows=75")
    assert (len(ids(longer)), "more</span>" in longer) == (33, False)
    assert len(ids(await see("invoices?rows=1000000"))) == 25
    oldest = ids(await see("invoices?order=oldest&rows=75"))
    assert oldest == ids(longer)[::-1]
    second = re.search(r'href="([^"]*)" rel="next"', await see("invoices?order=oldest"))
    assert second is not None
    assert ids((await owner.get(second[1].replace("&amp;", "&"))).text) == oldest[25:]

    for query, words in {
        "invoices?status=expired": "30 invoices",
        "invoices?status=paid": "1 invoice",
        "invoices?search=O-07": "1 invoice",
        "invoices?asset=ETH@ethereum": "0 invoices",
        "invoices?asset=USDT@ethereum&status=expired": "30 invoices",
        "invoices?to=2000-01-01": "0 invoices",
        "payouts": "1 payout",
        "payouts?status=confirmed": "0 payouts",
        "refunds?asset=USDT@ethereum": "1 refund",
    }.items():
        shown = await see(query)
        assert count(shown) == words, query
        export = re.search(r'list-bar__export" href="([^"]+)"', shown)
        assert (export is None) == words.startswith("0 "), query
        if export:
            answer = await owner.get(export[1].replace("&amp;", "&"))
            lines = (await owner.led_on(answer)).text.splitlines()  # few rows are downloaded at once
            assert len(lines) == 1 + int(words.split()[0]), query

    filtered = await see("invoices?asset=USDT@ethereum&status=expired")
    chips = re.findall(r'filter-chip" href="[^"]*/invoices([^"]*)"><span[^>]*>(\w+):</span> <bdi>(.*?)</bdi>', filtered)
    assert chips == [
        ("?asset=USDT%40ethereum", "Status", "Expired"),
        ("?status=expired", "Asset", "USDT on Ethereum"),
    ]
    monkeypatch.setattr("app.invoices.reading_repository.MOST_COUNTED", 20)
    assert keyset.MOST_COUNTED == 10_000
    assert count(await see("invoices")) == "25+ invoices or more"
    assert count(await see("invoices?status=paid")) == "1 invoice"


async def test_one_asset_is_ordered_by_amount_and_several_are_not(
    world: World, works: Services, owner: Browser
) -> None:
    # Given 30 invoices of 1.00 USDT and some of other amounts,
    for amount in ("250.00", "9.50", "1000.00"):
        await invoice(works, world.terms, amount=amount, order_id=f"A-{amount}")

    async def shown(query: str) -> tuple[str, list[str]]:
        page = (await owner.get(f"{world.base}/invoices?{query}")).text
        amounts = re.findall(r'class="money"[^>]*>(.*?)&nbsp;', page)
        return page, [re.sub(r"<[^>]+>|[^0-9.]", "", amount) for amount in amounts]

    # when one asset is ordered by amount, then its pages are in that order, forwards and back;
    page, amounts = await shown("asset=USDT@ethereum&order=largest")
    assert amounts[:2] == ["1000.00", "250.00"]
    assert [float(amount) for amount in amounts] == sorted((float(amount) for amount in amounts), reverse=True)
    assert count(page) == "36 invoices"
    onwards = re.search(r'href="([^"]*)" rel="next"><span>Next', page)
    assert onwards is not None
    second = (await owner.get(onwards[1].replace("&amp;", "&"))).text
    assert len(set(ids(page)) | set(ids(second))) == 36
    back = re.search(r'href="([^"]*)" rel="prev"', second)
    assert back is not None
    assert ids((await owner.get(back[1].replace("&amp;", "&"))).text) == ids(page)
    assert 'data-head=""' in page, "newer ones belong anywhere in this order"
    every = ids((await shown("asset=USDT@ethereum&order=smallest&rows=75"))[0])
    assert every[-1] == ids(page)[0]
    # a place of another order is no place;
    stray = onwards[1].replace("&amp;", "&").replace("order=largest", "order=oldest")
    assert (await owner.get(stray)).status_code == 200
    # several assets have no order by amount, and the page says why.
    mixed, _ = await shown("order=largest")
    assert "amounts of several assets can’t be compared" in mixed
    assert ids(mixed) == ids((await shown(""))[0])
    for place in ("payouts", "refunds"):
        few = (await owner.get(f"{world.base}/{place}?asset=USDT@ethereum&order=smallest")).text
        assert count(few).startswith("1 "), place
        assert "can’t be compared" not in few


async def test_the_smaller_lists_say_how_many_they_have(world: World, owner: Browser) -> None:
    for path, words in {
        "events": r"\d+ events?",
        "reviews": r"\d+ reviews?",
        "audit": r"\d+ entr(y|ies)",
        "audit?area=refund": r"\d+ entr(y|ies)",
        "ledger/USDT@ethereum": r"\d+ entr(y|ies)",
        f"ledger/USDT@ethereum?reference={world.ids['payout_id']}": "1 entry",
    }.items():
        page = (await owner.get(f"{world.base}/{path}")).text
        assert re.fullmatch(words, count(page)), (path, count(page))
        results = page[page.index('id="results"') :]
        assert int(count(page).split()[0]) == results.count('<td role="cell" class="table__lead"'), path


async def test_a_ledgers_references_lead_on_and_are_found(world: World, owner: Browser) -> None:
    place = f"{world.base}/ledger/USDT@ethereum"
    page = (await owner.get(place)).text
    paid, payout, refund = world.paid_invoice.id, world.ids["payout_id"], world.ids["refund_id"]
    for href in (f"invoices/{paid}#payments", f"payouts/{payout}", f"refunds/{refund}"):
        assert f'href="{world.base}/{href}"' in page
    for reference, kinds in {
        paid.lower(): ["Locked for a refund", "Invoice credited"],
        payout: ["Locked for a payout"],
        "DEP-0000000000": [],
    }.items():
        found = (await owner.get(f"{place}?reference={reference}")).text
        assert re.findall(r"table__lead.*?<a[^>]*>([^<]+)</a>", found) == kinds, reference
