"""Where is my payment? The checkout page: what people paste, what they learn, and what nobody learns."""

from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from playwright.sync_api import Browser

from app.asgi import create_app
from app.checkout import lookup
from app.core.settings import Settings
from app.invoices.states import Status
from app.lookups import wording
from app.lookups.judging import Finding, Verdict
from app.sandbox.chain_driver import AnvilDriver
from app.web.languages import ENGLISH
from app.wiring import Services
from tests.browsing import opened, overflow_px
from tests.checkout.site import DEPOSIT_ID, FINDINGS, NETWORKS, Site, a_view
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms
from tests.factories.payments import CONFIRMATIONS
from tests.services import empty_redis

NOWHERE = "0x00000000000000000000000000000000000000AA"
UNKNOWN = f"0x{64 * '7'}"


@pytest.fixture
async def client(services: Services, chain_settings: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """The app without its lifespan: the gateway's pool and Redis are open."""
    transport = httpx.ASGITransport(app=create_app(chain_settings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        yield client


def page(services: Services, asked: AskedInvoice) -> str:
    return f"/pay/{services.links.slug(asked.id)}/transaction"


async def test_from_what_people_paste_to_what_became_of_it(
    services: Services, client: httpx.AsyncClient, driver: AnvilDriver, token: str
) -> None:
    (watcher,) = services.watchers()
    await watcher.tick()
    asked = await invoice(services, await terms(service_fee_bps=0))
    path = page(services, asked)
    assert "I have paid, and nothing happens" in (await client.get(path.removesuffix("/transaction"))).text
    assert "Where is my payment?" in (await client.get(path)).text
    paid = await driver.transfer_token(token, asked.pay_in.address, int(asked.pay_in.amount_raw))
    txid = str(paid["transactionHash"])
    # The watcher has not read the block yet: the node has.
    first = await client.get(path, params={"txid": txid})
    assert "We see your payment" in first.text
    assert f"1 of {CONFIRMATIONS} confirmations" in first.text
    await driver.mine(CONFIRMATIONS)
    await watcher.tick()
    for text in (
        txid,
        f"  {txid[:20]} {txid[20:]}\n",
        f"https://etherscan.io/tx/{txid}?lang=en#eventlog",
        txid.removeprefix("0x").upper(),
    ):
        answer = await client.get(path, params={"txid": text})
        assert "This transaction has paid" in answer.text, text
        assert "noindex" in answer.text
    assert "doesn’t know this transaction yet" in (await client.get(path, params={"txid": UNKNOWN})).text
    for text in ("no id", txid[:-1], f"{txid} {UNKNOWN}", "<script>", "7" * 600):
        answer = await client.get(path, params={"txid": text})
        assert (answer.status_code, "This is no transaction ID" in answer.text) == (200, True), text
        assert "<script>" not in answer.text


async def test_what_came_wrong_is_said_plainly(
    services: Services, client: httpx.AsyncClient, driver: AnvilDriver, token: str
) -> None:
    (watcher,) = services.watchers()
    await watcher.tick()
    asked = await invoice(services, await terms(service_fee_bps=0))
    address, amount_raw = asked.pay_in.address, int(asked.pay_in.amount_raw)
    fake = await driver.deploy_token(10**15, symbol="USDТ")
    failed = await driver.transfer_token(token, address, amount_raw, sender=driver.accounts[6])
    sent = {
        "This token only looks like": await driver.transfer_token(fake, address, amount_raw),
        "This transaction failed": failed,
        "Less came in than was asked for": await driver.transfer_token(token, address, amount_raw - 10**6),
        "Something other than": await driver.transfer_native(address, 10**18),
    }
    await watcher.tick()
    for words, receipt in sent.items():
        answer = await client.get(page(services, asked), params={"txid": receipt["transactionHash"]})
        assert words in answer.text, words
    look_alike = await client.get(
        page(services, asked), params={"txid": sent["This token only looks like"]["transactionHash"]}
    )
    assert fake in look_alike.text


async def test_strangers_learn_nothing(
    services: Services, client: httpx.AsyncClient, driver: AnvilDriver, token: str
) -> None:
    """A customer who asks about another customer's payment, of the same merchant or of another one, gets the bytes of
    the answer about a transaction that pays nobody."""
    (watcher,) = services.watchers()
    await watcher.tick()
    merchant = await terms(service_fee_bps=0)
    mine, of_same = await invoice(services, merchant), await invoice(services, merchant)
    of_other = await invoice(services, await terms(service_fee_bps=0))
    receipts = [
        await driver.transfer_token(token, each.pay_in.address, int(each.pay_in.amount_raw))
        for each in (of_same, of_other)
    ]
    receipts.append(await driver.transfer_token(token, NOWHERE, 5_000_000))
    for _ in range(2):  # before the watcher has read the blocks, and after
        bodies = set()
        for receipt in receipts:
            txid = receipt["transactionHash"]
            answer = await client.get(page(services, mine), params={"txid": txid})
            assert "It doesn’t pay this payment" in answer.text
            bodies.add(answer.text.replace(txid, "the id").replace(answer.headers["x-request-id"], "…"))
        assert len(bodies) == 1
        await driver.mine(CONFIRMATIONS)
        await watcher.tick()


async def test_sixty_a_minute_and_not_one_page_load_less(services: Services, client: httpx.AsyncClient) -> None:
    asked = await invoice(services, await terms(service_fee_bps=0))
    await empty_redis()
    path = page(services, asked)
    answers = [(await client.get(path, params={"txid": "no id"})).status_code for _ in range(61)]
    assert answers == [200] * 60 + [429]
    assert (await client.get(path.removesuffix("/transaction"))).status_code == 200


async def test_a_node_that_does_not_answer_leaves_what_was_seen_before(
    services: Services, client: httpx.AsyncClient, driver: AnvilDriver, token: str
) -> None:
    (watcher,) = services.watchers()
    await watcher.tick()
    asked = await invoice(services, await terms(service_fee_bps=0))
    paid = await driver.transfer_token(token, asked.pay_in.address, int(asked.pay_in.amount_raw))
    await watcher.tick()
    path = services.settings.networks_file
    assert path is not None
    whole = path.read_text()
    path.write_text(whole.replace(driver.rpc_url, "http://127.0.0.1:1"))
    try:
        transport = httpx.ASGITransport(app=create_app(services.settings), raise_app_exceptions=False)
    finally:
        path.write_text(whole)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as alone:
        seen = await alone.get(page(services, asked), params={"txid": paid["transactionHash"]})
        assert "We see your payment" in seen.text
        assert "this is what we have seen before" in seen.text
        nothing = await alone.get(page(services, asked), params={"txid": UNKNOWN})
        assert (nothing.status_code, "We can’t ask the network at the moment" in nothing.text) == (200, True)


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_words_for_customers_and_for_the_rest(verdict: Verdict) -> None:
    """With all figures and with none; no name is left out of a sentence."""
    whole = Finding(
        verdict=verdict,
        network="ethereum:test",
        confirmations=1,
        confirmations_required=3,
        invoice_id="INV-1",
        asset="USDT",
        amount_raw=5_000_073,
        fee_rate_raw=10**12,
        usual_fee_rate_raw=10**12,
        replaced_by=DEPOSIT_ID,
        token="USDT",
        contract="a contract",
        expected_network="tron:test",
    )
    for finding in (whole, Finding(verdict=verdict, network="ethereum:test", from_books=True)):
        told = lookup.tell(finding, DEPOSIT_ID, a_view(), NETWORKS, ENGLISH)
        shown = wording.shown(finding, DEPOSIT_ID, NETWORKS)
        for text in (told.headline, told.words, shown.title, shown.message):
            assert text, verdict
            assert not set("%{}") & set(text), text
            assert "None" not in text or finding is not whole, text


def test_without_a_script_at_320_px(browser: Browser, site: Site) -> None:
    """From the box to the answer: the page reloads by itself there, so the field is on a page of its own."""
    url = site.put("plain", a_view(Status.CONFIRMING, confirmations_seen=7))
    with opened(browser, url, 320, java_script_enabled=False) as page:
        page.get_by_text("I have paid, and nothing happens").click()
        page.get_by_role("link", name="Look for a transaction").click()
        for name, finding in FINDINGS.items():
            page.get_by_label("Transaction ID").fill(name)
            page.get_by_role("button", name="Look for it").click()
            page.wait_for_load_state()  # with its sheets
            heading = page.get_by_role("heading", level=1).inner_text()
            assert heading != "Where is my payment?", finding.verdict
            assert page.get_by_text(DEPOSIT_ID).first.is_visible()
            assert overflow_px(page) == 0, name
        page.get_by_label("Transaction ID").fill("no id")
        page.get_by_role("button", name="Look for it").click()
        assert page.get_by_role("alert").inner_text().startswith("This is no transaction ID")
        assert page.get_by_label("Transaction ID").input_value() == "no id"
        page.get_by_role("link", name="Back to the payment").click()
        assert page.get_by_role("heading", name="We see your payment").is_visible()


def test_with_a_script_what_is_typed_outlives_changes_of_the_page(browser: Browser, site: Site) -> None:
    url = site.put("live", a_view(Status.CONFIRMING, confirmations_seen=7))
    with opened(browser, url) as page:
        page.get_by_text("I have paid, and nothing happens").click()
        page.get_by_label("Transaction ID").fill("short")
        site.put("live", a_view(Status.CONFIRMING, confirmations_seen=8))
        site.tell("live")
        page.get_by_text("8 of 20 confirmations", exact=True).wait_for()
        assert page.get_by_label("Transaction ID").input_value() == "short"
        page.get_by_label("Transaction ID").press("Enter")
        assert page.get_by_role("heading", name="Less came in than was asked for").is_visible()
