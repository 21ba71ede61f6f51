"""The first steps: each is ticked by what really happened, and they end with the first paid test invoice.

The walk counts what a new merchant meets between the confirmed account and that payment.
"""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pytest

from app.core import clock, database
from app.core.settings import Settings
from app.sandbox.chain_driver import AnvilDriver
from app.web.edge import Edge
from app.wiring import Services
from tests.cabinet.people import SAME_ORIGIN, secret_in
from tests.factories.merchants import join, merchant
from tests.factories.payments import pay_on_chain
from tests.factories.webhooks import make_endpoint
from tests.identity.browsing import Browser, an_account, hidden, letters, mailed_path

DESIGN = (Path(__file__).parents[3] / "docs" / "design.md").read_text()

STEPS = ["Create an API key", "Add a webhook endpoint", "Create a test invoice by API", "Pay it", "Receive a webhook"]


def ticked(page: str) -> list[str]:
    """The steps that are done."""
    steps = re.findall(r'<p class="first__title">([^<]+)(<span[^>]*> \(done\)</span>)?', page)
    assert [title for title, _ in steps] == STEPS
    return [title for title, done in steps if done]


@pytest.mark.usefixtures("steady_clock")
async def test_a_new_merchant_gets_to_a_paid_test_invoice_without_approval(
    app: Edge, browser: Callable[..., Browser], settings: Settings, works: Services, driver: AnvilDriver, token: str
) -> None:
    account = await an_account(settings, "mara@example.test")
    person = browser()
    await person.sign_in(account)
    fields = 0

    async def send(path: str, filled: dict[str, str | list[str]], **left: str) -> httpx.Response:
        """Fill a page's form. `left` are the fields that stay as the page has them."""
        nonlocal fields
        fields += len(filled)
        shown = await person.get(path)
        sent = await person.client.post(path, data={**hidden(shown), **left, **filled}, headers=SAME_ORIGIN)
        assert sent.status_code == 303, sent.text[:2000]
        return await person.get(sent.headers["location"])

    async def home() -> str:
        return unescape((await person.get(base)).text)

    started = await send("/cabinet/try", {"name": "Harbour & Pine"})
    base = str(started.url.path)
    assert base.endswith("/test")
    assert ticked(await home()) == []
    assert "Apply when you want to take real payments." in await home()

    new_key = await send(
        f"{base}/keys/new", {"name": "Shop", "scopes": ["invoices.write"]}, rate_limit_per_minute="600"
    )
    key = secret_in(new_key.text)
    assert ticked(await home()) == STEPS[:1]
    merchant_id = base.split("/")[2]
    await make_endpoint(  # its form is one field; a real address would have to be resolved
        merchant_id=merchant_id, mode="test", url="https://shop.example/hook", keys=settings.data_keys, now=clock.now()
    )
    page = await home()
    assert ticked(page) == STEPS[:2]
    assert (curl := re.search(r"<code[^>]*>(curl -sS .*?)</code>", page, re.DOTALL))
    assert f"'{settings.public_url}/api/v1/merchant/invoices'" in curl[1]
    assert '{"amount": "5.00", "currency": "USDT", "chain": "ethereum"}' in curl[1]

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as server:
        made = await server.post(
            "/api/v1/merchant/invoices",
            headers={"Authorization": f"Bearer {key}", "Idempotency-Key": "first-test-invoice"},
            json={"amount": "5.00", "currency": "USDT", "chain": "ethereum"},
        )
    assert made.status_code == 201, made.text
    invoice = made.json()
    page = await home()
    assert ticked(page) == STEPS[:3]
    assert f'href="{invoice["payment_url"]}"' in page
    await pay_on_chain(works, driver, token, invoice["pay_in"]["address"], int(invoice["pay_in"]["amount_raw"]))
    assert ticked(await home()) == STEPS[:4]
    assert fields == 3  # the merchant's name, a key's name and its scope

    # What the endpoint answers is not this test's business: the delivery counts as answered.
    await database.execute(
        "INSERT INTO webhook_deliveries (event, endpoint, merchant_id, seq, previous_seq, status, attempts, step,"
        " next_attempt_at, created_at, delivered_at) SELECT e.id, w.id, e.merchant_id, 1, 0, 'delivered', 1, 1,"
        " now(), now(), now() FROM events e JOIN webhook_endpoints w ON w.merchant = e.merchant_id LIMIT 1"
    )
    page = await home()
    assert "Your first test payment arrived" in page
    assert invoice["id"] in page
    assert "Apply for live mode" in page

    live = base.replace("/test", "/live")
    assert "Live mode takes real payments." in (await person.get(live)).text
    assert (await person.get(f"{live}/invoices/new")).status_code == 403
    assert "First steps" not in (await person.get(live)).text
    token_of_page = hidden(await person.get(base))["csrf_token"]
    await person.post(f"{base}/first-steps/hide", {"csrf_token": token_of_page})
    assert "Your first test payment arrived" not in await home()
    token_of_page = hidden(await person.get(f"{base}/settings"))["csrf_token"]
    await person.post(f"{base}/first-steps/show", {"csrf_token": token_of_page})
    assert "Your first test payment arrived" in await home()
    clock.shift(timedelta(days=8))
    assert "Your first test payment arrived" not in await home()  # no news any more


async def test_viewers_have_no_first_steps(browser: Callable[..., Browser], settings: Settings) -> None:
    merchant_id = await merchant()
    for role, is_shown in (("developer", True), ("viewer", False)):
        account = await an_account(settings, f"{role}@example.test")
        await join(merchant_id, account.id, role)
        person = browser()
        await person.sign_in(account)
        page = (await person.get(f"/cabinet/{merchant_id}/test")).text
        assert ('id="first-steps"' in page) is is_shown
        assert "curl -sS" not in page  # no asset is enabled


@pytest.mark.usefixtures("steady_clock")
async def test_the_way_from_signing_up_to_a_paid_test_invoice_is_as_short_as_documented(
    browser: Callable[..., Browser], works: Services, driver: AnvilDriver, token: str
) -> None:
    # Given a stranger who reads no docs: each page is reached by a link, a button or a redirect of the page before.
    person, email = browser(), "new@example.test"
    pages: list[str] = []
    fields = 0

    def opened(page: httpx.Response) -> httpx.Response:
        assert page.status_code == 200, page.text[:1000]
        pages.append(page.url.path)
        return page

    async def follow(page: httpx.Response, href: str) -> httpx.Response:
        assert f'href="{href}"' in unescape(page.text), f"no link to {href} on {page.url.path}"
        return opened(await person.get(href))

    async def fill(page: httpx.Response, action: str, **filled: str) -> httpx.Response:
        """Fill the page's form, all other fields as they are, and open the page that it leads to."""
        nonlocal fields
        fields += len(filled)
        assert f'action="{action}"' in page.text
        for name in filled:
            assert f'name="{name}"' in page.text
        given = hidden(page) | selected(page.text)
        sent = await person.client.post(action, data=given | filled, headers=SAME_ORIGIN)
        assert sent.status_code == 303, sent.text[:3000]
        shown = await person.get(sent.headers["location"])
        while shown.status_code == 303:
            shown = await person.get(shown.headers["location"])
        return opened(shown)

    # When they sign up, follow the email's link, start in test mode and create an invoice that they pay,
    sign_up = await follow(await person.get("/sign-in"), "/sign-up")
    await fill(sign_up, "/sign-up", email=email, name="Mara", password="correct horse battery")
    confirm = opened(await person.get(await mailed_path(email)))
    picker = await fill(confirm, "/confirm-email", password="correct horse battery")
    start = await follow(picker, "/cabinet/try")
    home = await fill(start, "/cabinet/try", name="Harbour & Pine")
    new = await follow(home, f"{home.url.path}/invoices/new")
    made = await fill(new, f"{home.url.path}/invoices/new", amount="5.00")
    (link,) = re.findall(r'href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?<span>Payment page', made.text)
    payment = await follow(made, unescape(link))
    row = await database.fetch_one("SELECT address, pay_in_raw FROM invoices")
    assert row is not None
    assert row["address"] in payment.text
    await pay_on_chain(works, driver, token, row["address"], int(row["pay_in_raw"]))
    assert await database.fetch_value("SELECT status FROM invoices") == "paid"

    # then the table of docs/design.md is true.
    told = [int(number) for number in re.findall(r"^\| (?:Pages|Fields[^|]*|Emails) \| \d+ \| (\d+) \|$", DESIGN, re.M)]
    assert told == [len(pages), fields, len(await letters(email))], pages


def selected(page: str) -> dict[str, str]:
    """What the choices of a page's form are without anybody's doing."""
    chosen = {}
    for name, options in re.findall(r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', page, re.DOTALL):
        values = re.findall(r'<option value="([^"]*)"( selected)?', options)
        chosen[name] = next((value for value, is_selected in values if is_selected), values[0][0])
    for tag in re.findall(r'<input [^>]*type="radio"[^>]*checked[^>]*>', page):
        found = re.search(r'name="(\w+)" value="([^"]*)"', tag)
        assert found is not None
        chosen[found[1]] = found[2]
    return chosen
