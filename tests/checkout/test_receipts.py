"""A receipt has a link of its own, which opens nothing else."""

import re
from collections.abc import AsyncIterator, Callable

import httpx
import msgspec
import pytest

from app.asgi import create_app
from app.checkout.receipt_words import receipt_words
from app.checkout.source import checkout_view
from app.core import clock, database
from app.core.settings import Settings
from app.invoices.states import Status
from app.merchants import branding
from app.web.languages import ENGLISH
from app.wiring import Services
from app.worth.presentation import WorthBody
from tests.checkout.pictures import PNG
from tests.checkout.site import a_quoted_view
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms
from tests.services import empty_redis


@pytest.fixture
async def client(services: Services, chain_settings: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """The app without its lifespan: the gateway's pool and Redis are open."""
    transport = httpx.ASGITransport(app=create_app(chain_settings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        yield client


async def pay(asked: AskedInvoice) -> None:
    """Mark an invoice as paid."""
    await database.execute(
        "UPDATE invoices SET status = 'paid', paid_at = $2, credited_raw = net_raw WHERE id = $1", asked.id, clock.now()
    )


async def test_the_link_of_a_receipt_opens_the_receipt_and_nothing_else(
    services: Services, client: httpx.AsyncClient
) -> None:
    merchant = await terms(service_fee_bps=80)
    await branding.set_branding(
        merchant.merchant_id, display_name="Nordlicht", accent="#E4572E", logo=PNG, now=clock.now()
    )
    new = await invoice(services, merchant, description="Two shirts")
    slug, receipt_slug = services.links.slug(new.id), services.links.receipt_slug(new.id)
    mac, url = slug.partition(".")[2], f"/receipt/{receipt_slug}"
    nothing = await client.get("/receipt/INV-0000000000.AAAAAAAAAAAAAAAAAAAAAA")
    assert nothing.status_code == 404

    # Before it is paid, a stranger learns nothing.
    assert (await client.get(url)).status_code == 404
    assert (await client.get(f"/pay/{slug}/receipt")).headers["location"] == f"/pay/{slug}?lang=en"

    await pay(new)
    page = await client.get(url)
    assert page.status_code == 200
    for words in ("Receipt", "Nordlicht", "Two shirts", new.id, new.pay_in.amount_decimal, new.pay_in.address):
        assert words in page.text
    assert mac not in page.text + repr(page.headers.raw)
    assert f'data-copy="{services.settings.public_url}{url}"' in page.text
    assert page.headers["x-frame-options"] == "DENY"
    assert (await client.get(f"{url}?embed")).headers["x-frame-options"] == "DENY"
    (logo_url,) = re.findall(r'src="([^"]+/logo[^"]*)"', page.text)
    (sheet_url,) = re.findall(r'href="([^"]+/brand.css[^"]*)"', page.text)
    assert logo_url.startswith(url)
    assert (await client.get(logo_url)).content == PNG
    assert "--petrol: #" in (await client.get(sheet_url)).text

    # Neither link stands for the other one.
    for part in ("", "/status", "/events", "/logo", "/receipt"):
        assert (await client.get(f"/pay/{receipt_slug}{part}")).status_code == 404
    for wrong in (slug, receipt_slug[:-1], receipt_slug + "A", new.id, receipt_slug + "/", receipt_slug.lower()):
        await empty_redis()
        for part in ("", "/logo", "/brand.css"):
            assert (await client.get(f"/receipt/{wrong}{part}")).status_code == 404, (wrong, part)


async def test_the_paid_page_offers_the_link_to_keep(services: Services, client: httpx.AsyncClient) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    slug, link = services.links.slug(new.id), services.links.receipt_url(new.id)
    assert link not in (await client.get(f"/pay/{slug}")).text
    await pay(new)
    page = await client.get(f"/pay/{slug}?lang=de")
    path = link.removeprefix(services.settings.public_url)
    assert f'data-copy="{link}"' in page.text
    assert f'href="{path}?lang=de"' in page.text
    assert f'data-copy="{services.links.url(new.id)}"' in page.text
    # The address before it had a link of its own.
    assert (await client.get(f"/pay/{slug}/receipt")).headers["location"] == f"{path}?lang=en"


async def test_a_receipt_tells_what_the_whole_payment_was_worth(services: Services) -> None:
    """The books keep the worth of the credit, which is less by the service fee of 20 percent."""
    new = await invoice(services, await terms(service_fee_bps=2000))
    await pay(new)
    public = await services.invoice_reader.get_public(new.id)
    assert public is not None
    body = msgspec.structs.replace(public.body, worth=WorthBody(amount_decimal="3.68", currency="EUR"))
    view = checkout_view(
        msgspec.structs.replace(public, body=body),
        [],
        services.networks.by("ethereum", "test"),
        slug="a",
        links=services.links,
        language=ENGLISH,
        with_wallet=False,
        now=clock.now(),
    )
    assert view.credited_decimal == new.pay_in.amount_decimal
    assert receipt_words(view, ENGLISH).worth == "4.60 EUR"


def test_a_receipt_tells_price_and_rate() -> None:
    words = receipt_words(a_quoted_view(status=Status.PAID, worth="49.10 EUR"), ENGLISH)
    assert (words.price, words.worth) == ("49.90 EUR", "")
    assert words.rate == "1 BTC = 51\u202f200.5 EUR"
