"""The checkout page of a price: what can be chosen, the choice, and what the page shows then. Without JavaScript."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import httpx
import msgspec
import pytest

from app.asgi import create_app
from app.core import clock, database
from app.core.settings import Settings
from app.invoices.creation import NewInvoice
from app.invoices.presentation import InvoiceBody
from app.networks import customer_fees, repository
from app.networks.port import CustomerFee
from app.wiring import Services
from tests.factories.merchants import terms
from tests.factories.rates import store_rate

ORIGIN = {"Origin": "https://pay.example.test"}
GWEI = 10**9
USDT = {"asset": "USDT", "chain": "ethereum"}


@pytest.fixture
async def client(services: Services, chain_settings: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """The app without its lifespan: the pool and Redis are open."""
    transport = httpx.ASGITransport(app=create_app(chain_settings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        yield client


@pytest.fixture
async def priced(services: Services) -> InvoiceBody:
    """An invoice over 49.90 EUR, with rates of its two assets."""
    await store_rate("USDT", "EUR", "0.92", clock.now())
    await store_rate("ETH", "EUR", "2400", clock.now())
    new = NewInvoice(amount="49.90", currency="EUR", expires_in=timedelta(hours=1))
    merchant = await terms(service_fee_bps=0)
    body = await services.invoice_creation.create(merchant, new, None, clock.now())
    return msgspec.json.decode(body, type=InvoiceBody)


def words(page: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


async def test_the_page_offers_assets_and_shows_the_chosen_one(
    services: Services, client: httpx.AsyncClient, priced: InvoiceBody
) -> None:
    path = f"/pay/{services.links.slug(priced.id)}"
    page = await client.get(path)
    assert page.status_code == 200
    assert "Choose what to pay with" in page.text
    shown = words(page)
    assert "49.90 EUR" in shown
    assert re.search(r"USDT Ethereum.* 54\.2392 USDT Usually counts", shown)
    assert "0.0207917 ETH" in shown
    assert "ethereum:" not in page.text, "there is nothing to pay to yet"
    chosen = await client.post(f"{path}/choose", data=USDT, headers=ORIGIN)
    assert (chosen.status_code, chosen.headers["Location"]) == (303, f"{path}?lang=en")
    now = await services.invoice_reader.get_any(priced.id)
    assert now.pay_in is not None
    page = await client.get(path)
    assert now.pay_in.address in page.text
    assert "Your price: 49.90 EUR" in words(page)
    assert "Rate: 1 USDT = 0.92 EUR, less than a minute old" in words(page)
    assert "This amount holds for" in page.text
    assert "Time left to pay at all" in page.text
    assert "Pay with something else" in page.text
    again = await client.post(f"{path}/choose", data={"asset": "ETH", "chain": "ethereum"}, headers=ORIGIN)
    assert again.status_code == 303
    now = await services.invoice_reader.get_any(priced.id)
    assert [quote.pay_in.asset for quote in now.quotes] == ["ETH", "USDT"]


async def test_network_fees_are_shown_while_they_are_fresh(
    services: Services, client: httpx.AsyncClient, priced: InvoiceBody
) -> None:
    """In the price's currency where the coin has a rate, in coins where not, and nothing once they are old."""
    path = f"/pay/{services.links.slug(priced.id)}"
    fees = [CustomerFee("USDT", 65_000 * 2 * GWEI, "ETH", 18), CustomerFee("ETH", 21_000 * 2 * GWEI, "ETH", 18)]
    assert "Network fee:" not in words(await client.get(path)), "nobody has looked yet"
    await repository.record_fees("ethereum:test", fees, clock.now())
    customer_fees.forget()
    shown = words(await client.get(path))
    assert re.search(r"54\.2392 USDT Usually counts [^.]* Network fee: about 0\.32 EUR ", shown)
    assert re.search(r"0\.0207917 ETH Usually counts [^.]* Network fee: about 0\.11 EUR ", shown)
    await client.post(f"{path}/choose", data=USDT, headers=ORIGIN)
    shown = words(await client.get(path))
    assert "Network fees come on top." in shown
    assert "Network fee: about 0.32 EUR" in shown
    await store_rate("ETH", "EUR", "2", clock.now())
    assert "Network fee: less than 0.01 EUR" in words(await client.get(path))
    await store_rate("ETH", "EUR", None, clock.now())
    assert "Network fee: about 0.00013 ETH" in words(await client.get(path))
    clock.shift(timedelta(minutes=14))
    assert "Network fee:" in words(await client.get(path))
    clock.shift(timedelta(minutes=2))
    assert "Network fee:" not in words(await client.get(path))


async def test_an_amount_of_more_than_the_price_says_what_it_is_worth(
    services: Services, client: httpx.AsyncClient, priced: InvoiceBody
) -> None:
    path = f"/pay/{services.links.slug(priced.id)}"
    assert "about" not in words(await client.get(path)), "rounding alone is not worth a figure"
    await database.execute("UPDATE merchants SET spread_bps = 200")
    shown = words(await client.get(path))
    assert "55.324 USDT about 50.90 EUR Usually counts" in shown
    assert "0.0212075 ETH about 50.90 EUR" in shown


async def test_a_quote_that_has_run_out_is_renewed_with_one_press(
    services: Services, client: httpx.AsyncClient, priced: InvoiceBody
) -> None:
    path = f"/pay/{services.links.slug(priced.id)}"
    await client.post(f"{path}/choose", data=USDT, headers=ORIGIN)
    first = await services.invoice_reader.get_any(priced.id)
    clock.shift(timedelta(minutes=16))
    await store_rate("USDT", "EUR", "0.91", clock.now())
    for blocks_are_scanned in (False, True):
        if blocks_are_scanned:
            await services.invoices.expire_due("ethereum:test", clock.now(), clock.now())
        page = await client.get(path)
        assert "This amount has run out" in page.text
        assert re.search(r"Get a new amount 54\.8352 USDT", words(page))
        assert first.pay_in is not None
        assert first.pay_in.payment_uri not in page.text
    assert (await client.post(f"{path}/choose", data=USDT, headers=ORIGIN)).status_code == 303
    renewed = await services.invoice_reader.get_any(priced.id)
    assert renewed.pay_in is not None
    assert renewed.pay_in.amount_decimal.startswith("54.8352")
    assert "This amount has run out" not in (await client.get(path)).text


async def test_what_has_no_rate_can_t_be_chosen_and_the_rest_can(
    services: Services, client: httpx.AsyncClient, priced: InvoiceBody
) -> None:
    await store_rate("ETH", "EUR", None, clock.now())
    page = await client.get(f"/pay/{services.links.slug(priced.id)}")
    assert re.search(r'id="choose-ETH-ethereum" disabled', page.text)
    assert re.search(r'id="choose-USDT-ethereum">', page.text)
    assert "There is no exchange rate at the moment" in page.text


async def test_without_a_rate_the_page_says_so(
    services: Services, client: httpx.AsyncClient, priced: InvoiceBody
) -> None:
    path = f"/pay/{services.links.slug(priced.id)}"
    for asset in ("USDT", "ETH"):
        await store_rate(asset, "EUR", None, clock.now())
    page = await client.get(path)
    assert "There is no exchange rate at the moment" in page.text
    refused = await client.post(f"{path}/choose", data=USDT, headers=ORIGIN)
    assert refused.status_code == 303, "back to the page"
    assert await database.fetch_value("SELECT count(*) FROM quotes") == 0


async def test_a_choice_of_nonsense_or_of_another_site_is_refused(
    services: Services, client: httpx.AsyncClient, priced: InvoiceBody
) -> None:
    path = f"/pay/{services.links.slug(priced.id)}/choose"
    assert (await client.post(path, data=USDT, headers={"Origin": "https://other.example"})).status_code == 404
    for wrong in ({}, {"asset": "USDT"}, {"asset": "\0", "chain": "ethereum"}, {"asset": "USDT", "chain": "x" * 5_000}):
        assert (await client.post(path, data=wrong, headers=ORIGIN)).status_code == 400
    assert await database.fetch_value("SELECT count(*) FROM quotes") == 0


async def test_an_expired_price_is_shown(services: Services, client: httpx.AsyncClient, priced: InvoiceBody) -> None:
    clock.shift(timedelta(hours=2))
    await services.invoices.expire_due("ethereum:test", clock.now(), clock.now())
    page = await client.get(f"/pay/{services.links.slug(priced.id)}")
    assert "This payment has expired" in page.text
    assert "49.90 EUR" in words(page)
