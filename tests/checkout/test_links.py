"""A wrong link reveals nothing, and a right one only what a customer needs."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest

from app.asgi import create_app
from app.checkout.wallet import Choice
from app.core import clock, database
from app.core.settings import Settings
from app.invoices.links import PaymentLinks
from app.invoices.presentation import InvoiceBody
from app.merchants import branding
from app.networks.config import NetworkConfig
from app.wiring import Services
from tests.checkout.pictures import PNG
from tests.factories.invoices import invoice
from tests.factories.merchants import terms
from tests.services import empty_redis
from tests.work import work


class NoWallet:
    """A customer's wallet that pays nothing."""

    async def pay(self, invoice: InvoiceBody, network: NetworkConfig, choice: Choice) -> None:
        raise AssertionError


CANARY = "canary-5f1c"


@pytest.fixture
async def client(services: Services, chain_settings: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """The app without its lifespan: the gateway's pool and Redis are open."""
    transport = httpx.ASGITransport(app=create_app(chain_settings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        yield client


def without_request_id(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    replies = answer.headers["x-request-id"]
    # The length is that of the compressed page, which has the request's id in it.
    varying = {"x-request-id", "ratelimit-remaining", "ratelimit-reset", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name not in varying}
    return answer.status_code, answer.text.replace(replies, "…"), headers


async def test_every_wrong_link_gets_the_same_answer_in_the_same_time(
    services: Services, client: httpx.AsyncClient
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    slug = services.links.slug(new.id)
    foreign = PaymentLinks("https://other.example", b"another deployment's secret, 32 b")
    wrong = {
        "tampered": slug[:-1] + ("A" if slug[-1] != "A" else "B"),
        "other invoice's": services.links.slug("INV-0000000000").replace("INV-0000000000", new.id),
        "truncated": slug[:-1],
        "extended": slug + "A",
        "bare": new.id,
        "foreign": foreign.slug(new.id),
        "unknown": services.links.slug("INV-0000000000"),
        "lower case": slug.lower(),
        "not ASCII": quote(slug + "é"),
        "not UTF-8": slug + "%ff",
        "half a surrogate": slug + "%ed%a0%80",
        "of two parts": slug + "." + slug,
        "with a NUL": slug + "%00",
        "with a slash before it": "/" + slug,
    }
    for part in ("", "/status", "/events", "/receipt", "/transaction", "/logo", "/brand.css", "/link.svg"):
        await empty_redis()  # of the loads that are counted
        answers = [await client.get(f"/pay/{each}{part}") for each in wrong.values()]
        replies = {name: without_request_id(answer) for name, answer in zip(wrong, answers, strict=True)}
        assert {name: each for name, each in replies.items() if each != replies["unknown"]} == {}, part
        assert replies["unknown"][0] == 404

        for slashes in ("/", "//", "%2f"):
            more = without_request_id(await client.get(f"/pay/{slug}{part}{slashes}"))
            assert more == replies["unknown"], (part, slashes)

    # A link with a wrong MAC still causes a look-up of an invoice, which finds none.
    for name in ("tampered", "other invoice's", "foreign", "truncated", "unknown"):
        await empty_redis()
        with work() as done:
            assert (await client.get(f"/pay/{wrong[name]}")).status_code == 404
        assert done.cost == (1, 0), (name, done.statements)


async def test_the_payment_links_code_is_there_while_the_invoice_can_be_paid(
    services: Services, client: httpx.AsyncClient
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    page = await client.get(f"/pay/{services.links.slug(new.id)}")
    (url,) = re.findall(r'src="(/pay/[^"]+/link\.svg[^"]*)"', page.text)
    code = await client.get(url)
    assert (code.status_code, code.headers["content-type"]) == (200, "image/svg+xml")
    assert code.text.startswith("<svg")
    await services.invoices.cancel(merchant.merchant_id, "test", new.id, clock.now())
    over = await client.get(url)
    assert (over.status_code, over.content) == (204, b"")


async def test_nothing_private_reaches_the_page_its_parts_or_headers(
    services: Services, client: httpx.AsyncClient
) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(
        services,
        merchant,
        customer_id=f"{CANARY}-customer",
        customer_email=f"{CANARY}@example.com",
        metadata=f'{{"{CANARY}": "metadata"}}'.encode(),
        order_id=f"{CANARY}-order",
        success_url="https://shop.example/thanks",
    )
    await database.execute(
        "UPDATE invoices SET status = 'paid', paid_at = $2, credited_raw = net_raw WHERE id = $1", new.id, clock.now()
    )
    slug = services.links.slug(new.id)
    receipt = f"/receipt/{services.links.receipt_slug(new.id)}"
    for url in (f"/pay/{slug}", f"/pay/{slug}/status", receipt):
        answer = await client.get(url)
        everything = answer.text + repr(answer.headers.raw)
        assert answer.status_code == 200
        assert CANARY not in everything
        assert merchant.merchant_id not in everything
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "set-cookie" not in answer.headers
        assert "style=" not in answer.text
        assert "<script>" not in answer.text


async def test_pages_and_files_are_compressed_and_robots_stay_out(
    services: Services, client: httpx.AsyncClient
) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    url = f"/pay/{services.links.slug(new.id)}"
    page = await client.get(url)
    weight = await on_the_wire(client, url)
    for linked in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        weight += await on_the_wire(client, linked)
    assert weight < 30_000
    assert (await client.get("/robots.txt")).text == "User-agent: *\nDisallow: /\n"
    assert (await client.post(f"{url}/wallet", data={"choice": "exact"})).status_code in (404, 405)


async def on_the_wire(client: httpx.AsyncClient, url: str) -> int:
    """Bytes of the body as sent."""
    async with client.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        body = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert answer.headers.get("content-encoding") == "gzip" or len(body) < 500, url
    return len(body)


async def test_the_reader_s_language_is_asked_for_or_accepted(services: Services, client: httpx.AsyncClient) -> None:
    new = await invoice(services, await terms(service_fee_bps=0))
    url = f"/pay/{services.links.slug(new.id)}"
    for query, accepted, code, sentence in (
        ("", "", "en", "Waiting for your payment"),
        ("", "sv, de-AT;q=0.8, en;q=0.5", "de", "Wir warten auf Ihre Zahlung"),
        ("?lang=es", "de", "es", "Esperamos su pago"),
        ("?lang=xx", "zh-TW,zh;q=0.9", "zh-Hant", "正在等待您付款"),
        ("?lang=" + "x" * 500, "ar;q=0.1, *;q=nonsense", "ar", "بانتظار دفعتك"),
    ):
        answer = await client.get(url + query, headers={"Accept-Language": accepted})
        assert answer.headers["content-language"] == code
        assert sentence in answer.text
        assert f'data-status-url="{url}/status?lang={code}"' in answer.text
        wrong = await client.get(f"/pay/nothing{query}", headers={"Accept-Language": accepted})
        assert f'lang="{code}"' in wrong.text


async def test_a_merchant_s_name_colour_and_logo_are_on_its_page(services: Services, client: httpx.AsyncClient) -> None:
    merchant = await terms(service_fee_bps=0)
    await branding.set_branding(
        merchant.merchant_id, display_name="Nordlicht", accent="#E4572E", logo=PNG, now=clock.now()
    )
    new = await invoice(services, merchant)
    page = await client.get(f"/pay/{services.links.slug(new.id)}")
    assert "<bdi>Nordlicht</bdi>" in page.text

    (logo_url,) = re.findall(r'src="([^"]+/logo[^"]*)"', page.text)
    logo = await client.get(logo_url)
    assert logo.content == PNG
    assert logo.headers["content-type"] == "image/png"
    assert logo.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in logo.headers["content-security-policy"]
    (sheet_url,) = re.findall(r'href="([^"]+/brand.css[^"]*)"', page.text)
    sheet = await client.get(sheet_url)
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    assert "--petrol: #" in sheet.text


async def test_no_wallet_pays_outside_a_sandbox(chain_settings: Callable[..., Settings]) -> None:
    for environment in ("production", "test"):
        with pytest.raises(ValueError, match="only a sandbox"):
            create_app(replace(chain_settings(), environment=environment), wallet=lambda services: NoWallet())
