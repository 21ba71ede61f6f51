"""What a page says was sent: stored a few times, shown until the network has it, and counted for nothing."""

import asyncio
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
from app.live import topics
from app.live.hub import LiveHub
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.factories.invoices import invoice, reread
from tests.factories.merchants import terms
from tests.services import empty_redis

ORIGIN = {"Origin": "https://pay.example.test"}
TXID = "0x" + "3f" * 32


@pytest.fixture
async def client(services: Services, chain_settings: Callable[..., Settings]) -> AsyncIterator[httpx.AsyncClient]:
    """The app without its lifespan: the gateway's pool and Redis are open."""
    transport = httpx.ASGITransport(app=create_app(chain_settings()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
        yield client


async def stored(invoice_id: str) -> list[str]:
    rows = await database.fetch_all("SELECT txid FROM announced_transactions WHERE invoice = $1 ORDER BY 1", invoice_id)
    return [row["txid"] for row in rows]


async def test_it_is_shown_until_the_network_has_it_and_changes_no_state(
    services: Services, client: httpx.AsyncClient, driver: AnvilDriver, token: str
) -> None:
    await driver.mine(1)  # scanning begins at the head, which is not the token's first block then
    new = await invoice(services, await terms(service_fee_bps=0))
    (watcher,) = services.watchers()
    await watcher.tick()
    path = f"/pay/{services.links.slug(new.id)}"
    hub = LiveHub()
    hub.open()
    events = hub.stream({topics.of_thing("invoice", new.id): "invoice"})
    assert b"retry" in await anext(events)
    await anext(events)  # the subscription has begun
    for text in (TXID, TXID, TXID.upper().replace("0X", "0x")):
        answer = await client.post(f"{path}/sent", data={"txid": text}, headers=ORIGIN)
        assert (answer.status_code, answer.content) == (204, b"")
    async with asyncio.timeout(30):
        assert b"event: changed" in await anext(events)
    await hub.close()
    assert [each async for each in events] == []
    assert await stored(new.id) == [TXID]

    page = await client.get(path)
    assert "Sent from your wallet:" in page.text
    assert "0x3f3f3f…3f3f3f" in page.text
    assert new.pay_in.address in page.text, "it can still be paid by hand"
    after = await reread(services, new)
    assert (after.status, after.received_raw, after.deposits) == ("awaiting_deposit", "0", [])

    receipt = await driver.transfer_token(token, new.pay_in.address, int(new.pay_in.amount_raw))
    await client.post(f"{path}/sent", data={"txid": receipt["transactionHash"]}, headers=ORIGIN)
    await watcher.tick()
    page = await client.get(path)
    assert "We see your payment" in page.text
    assert "Sent from your wallet:" not in page.text, "another one is seen; what was announced is no longer of use"
    await driver.mine(3)
    await watcher.tick()
    await client.post(f"{path}/sent", data={"txid": "0x" + "4e" * 32}, headers=ORIGIN)
    assert len(await stored(new.id)) == 2, "nothing is announced for a paid invoice"


async def test_five_of_an_invoice_are_kept_also_of_those_that_arrive_together(
    services: Services, client: httpx.AsyncClient
) -> None:
    merchant = await terms(service_fee_bps=0)
    new, other = await invoice(services, merchant), await invoice(services, merchant)
    path = f"/pay/{services.links.slug(new.id)}/sent"

    async def announce(number: int) -> int:
        answer = await client.post(path, data={"txid": f"0x{number:064x}"}, headers=ORIGIN)
        return answer.status_code

    assert set(await asyncio.gather(*map(announce, range(9)))) == {204}
    assert len(await stored(new.id)) == 5
    answer = await client.post(f"/pay/{services.links.slug(other.id)}/sent", data={"txid": TXID}, headers=ORIGIN)
    assert answer.status_code == 204
    assert await stored(other.id) == [TXID]


async def test_what_is_no_id_or_comes_from_elsewhere_is_refused(services: Services, client: httpx.AsyncClient) -> None:
    merchant = await terms(service_fee_bps=0)
    new = await invoice(services, merchant)
    price = NewInvoice(amount="49.90", currency="EUR", expires_in=timedelta(hours=1))
    made = await services.invoice_creation.create(merchant, price, None, clock.now())
    priced = msgspec.json.decode(made, type=InvoiceBody)
    slug = services.links.slug(new.id)
    for text in ("", "ab" * 32, "0x" + "ab" * 31, TXID + "\n", "\0", "x" * 5_000):
        refused = await client.post(f"/pay/{slug}/sent", data={"txid": text}, headers=ORIGIN)
        assert refused.status_code == 400
    for headers in ({}, {"Origin": "https://other.example"}, {"Sec-Fetch-Site": "cross-site"}):
        for part in ("sent", "unsigned", "signed"):
            refused = await client.post(f"/pay/{slug}/{part}", data={"txid": TXID}, headers=headers)
            assert refused.status_code == 404
    unchosen = f"/pay/{services.links.slug(priced.id)}"
    assert (await client.post(f"{unchosen}/sent", data={"txid": TXID}, headers=ORIGIN)).status_code == 400
    altered = slug[:-1] + ("A" if slug[-1] != "A" else "B")
    assert (await client.post(f"/pay/{altered}/sent", data={"txid": TXID}, headers=ORIGIN)).status_code == 404
    for part in ("unsigned", "signed"):  # wallets of this chain send by themselves
        assert (await client.post(f"/pay/{slug}/{part}", data={}, headers=ORIGIN)).status_code == 404
    assert await database.fetch_value("SELECT count(*) FROM announced_transactions") == 0

    await empty_redis()
    codes = [
        (await client.post(f"/pay/{slug}/sent", data={"txid": TXID}, headers=ORIGIN)).status_code for _ in range(21)
    ]
    assert codes == [204] * 20 + [429]
