"""Prices in the cabinet: their settings, a new invoice, and what its page shows of quotes."""

import re

from app.core import clock, database
from app.merchants import settings
from app.merchants.settings import PriceSettings
from app.wiring import Services
from tests.cabinet.people import Office, problems
from tests.factories.merchants import takes
from tests.factories.rates import store_rate

FILLED = {
    "currencies": "eur, CHF",
    "spread_bps": "0.5",
    "quote_minutes": "20",
    "late_quote_bps": "1,25",
    "reporting_currency": "eur",
    "place.USDT@ethereum": "1",
    "place.ETH@ethereum": "2",
}
NEW = {"amount": "49.90", "currency": "EUR", "expires_in": "60", "fee_payer": "merchant"}


async def test_the_settings_of_prices_are_saved_and_told(office: Office, works: Services) -> None:
    await takes(office.merchant_id, "USDT", "ETH")
    owner, viewer = await office.new_member("owner"), await office.new_member("viewer")
    shown = await owner.do("settings/prices", FILLED)
    assert "EUR, CHF" in shown
    assert await settings.price_terms(office.merchant_id) == PriceSettings(
        currencies=("EUR", "CHF"), spread_bps=50, quote_minutes=20, late_quote_bps=125, reporting_currency="EUR"
    )
    order = [one.asset for one in await settings.offered_assets(office.merchant_id, "test") if one.offered]
    assert order == ["USDT", "ETH"]
    assert 'value="0.5"' in await owner.see("settings/prices")
    await owner.do("settings/prices", {**FILLED, "place.ETH@ethereum": ""})
    order = [one.asset for one in await settings.offered_assets(office.merchant_id, "test") if one.offered]
    assert order == ["USDT"]
    log = await owner.see("audit")
    for words in ("Changed the spread of prices", "Changed the currency of the books", "what a price may be paid with"):
        assert words in log
    await viewer.see("settings/prices", status=403)
    assert (await viewer.send("settings/prices", FILLED)).status_code == 403


async def test_impossible_settings_are_refused_and_nothing_is_saved(office: Office, works: Services) -> None:
    await takes(office.merchant_id, "USDT", "ETH")
    owner = await office.new_member("owner")
    before = await settings.price_terms(office.merchant_id)
    for field, value, words in (
        ("currencies", "EUR, XAU", "Enter codes of currencies, such as EUR: “XAU” is none."),
        ("reporting_currency", "ZZZ", "Enter codes of currencies, such as EUR: “ZZZ” is none."),
        ("spread_bps", "0.555", "Enter a percentage with a point, such as 0.5."),
        ("spread_bps", "11", "Enter at most 10 percent."),
        ("late_quote_bps", "-1", "Enter a percentage with a point, such as 0.5."),
        ("quote_minutes", "61", "Enter a whole number from 5 to 60."),
        ("quote_minutes", "", "Enter a whole number from 5 to 60."),
        ("place.USDT@ethereum", "x", "Choose a place from the list for each asset."),
    ):
        assert problems(await owner.send("settings/prices", {**FILLED, field: value})) == [words]
    nothing = {**FILLED, "place.USDT@ethereum": "", "place.ETH@ethereum": ""}
    assert problems(await owner.send("settings/prices", nothing)) == [
        "Choose at least one asset, by giving it a place."
    ]
    assert await settings.price_terms(office.merchant_id) == before


async def test_an_invoice_with_a_price_is_made_and_its_quote_is_shown(office: Office, works: Services) -> None:
    await takes(office.merchant_id, "USDT", "ETH")
    owner = await office.new_member("owner")
    await store_rate("USDT", "EUR", "0.92", clock.now())
    assert "EUR, paid in coins" in await owner.see("invoices/new")
    page = await owner.do("invoices/new", NEW)
    assert "The customer has yet to choose what to pay with" in page
    page = await owner.do("invoices/new", {**NEW, "pay_in_assets": "USDT@ethereum"})
    assert "49.90" in page
    assert re.search(r"QT-[0-9A-Z]{10}", page)
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Asked for now" in text
    assert "kraken 0.92 , coinbase 0.92" in text
    assert await database.fetch_value("SELECT count(*) FROM invoices WHERE price_raw = 4990") == 2
    wrong = await owner.send("invoices/new", {**NEW, "currency": "JPY"})
    assert problems(wrong) == ["Choose an asset."]
    wrong = await owner.send("invoices/new", {**NEW, "pay_in_assets": "BTC@bitcoin"})
    assert problems(wrong) == ["Choose an asset."]
    assert re.search(r"49\.90.*EUR", await owner.see("invoices"), re.DOTALL)
