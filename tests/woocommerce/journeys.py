"""What customers and the shop's people do, with the plug-in in a shop and a real gateway."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from app.core import clock
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.factories.payments import pay_on_chain
from tests.factories.rates import store_rate
from tests.factories.withdrawals import STRANGER
from tests.woocommerce.shop import Shop, fields_of

API = "/api/v1/merchant"
Pay = Callable[..., Awaitable[None]]


@dataclass(frozen=True)
class Gateway:
    """A running gateway, a merchant's key there, and the secret of the shop's endpoint."""

    url: str
    key: str
    small_key: str
    webhook_secret: str
    merchant_id: str
    http: httpx.AsyncClient

    async def get(self, path: str, **query: str) -> Any:
        return (await self.http.get(self.url + API + path, params=query, headers=self._headers())).json()

    async def choose(self, invoice_id: str) -> dict[str, Any]:
        """Choose USDT, as the customer does on the payment page."""
        await store_rate("USDT", "EUR", "0.92", clock.now())
        answer = await self.http.post(
            f"{self.url}{API}/invoices/{invoice_id}/quotes",
            json={"asset": "USDT", "chain": "ethereum"},
            headers=self._headers() | {"Idempotency-Key": f"choose-{invoice_id}"},
        )
        assert answer.status_code == 201, answer.text
        chosen: dict[str, Any] = answer.json()
        return chosen

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


async def every_journey(shop: Shop, gateway: Gateway, services: Services, driver: AnvilDriver, token: str) -> None:
    """All of them, one after the other."""

    async def pay(pay_in: dict[str, Any], part: int = 1) -> None:
        await pay_on_chain(services, driver, token, pay_in["address"], int(pay_in["amount_raw"]) // part)

    await the_settings_are_tried(shop, gateway)
    order, invoice = await one_press_or_two_make_one_invoice(shop, gateway)
    await the_event_pays_the_order(shop, gateway, order, invoice, pay)
    await a_refund_takes_the_customers_address(shop, gateway, order, invoice)
    await what_is_not_paid_in_full_is_no_paid_order(shop, gateway, services, pay)
    everything = "\n".join([*await shop.log(), *(await shop.read(order["id"]))["notes"]])
    for secret in (gateway.key, gateway.webhook_secret, invoice["payment_url"].rsplit(".", 1)[1], order["key"]):
        assert secret not in everything


async def the_settings_are_tried(shop: Shop, gateway: Gateway) -> None:
    await store_rate("USDT", "EUR", "0.92", clock.now())
    secrets = {"gateway_url": gateway.url, "webhook_secret": gateway.webhook_secret}
    shown = await shop.save_settings(secret_key=gateway.small_key, **secrets)
    assert shown[0] == ("message", "Swap Pay: the gateway takes the key, in test mode. It may: invoices.read.")
    assert any("lacks invoices.write" in words for _, words in shown)
    shown = await shop.save_settings(secret_key=gateway.key[:-4] + "AAAA", **secrets)
    assert "refuses the secret key" in shown[0][1]
    await store_rate("USDT", "EUR", "0.92", clock.now())
    shown = await shop.save_settings(secret_key=gateway.key, **secrets)
    scopes = "invoices.read, invoices.write, refunds.read, refunds.write"
    assert shown[0] == ("message", f"Swap Pay: the gateway takes the key, in test mode. It may: {scopes}.")
    assert not any("lacks" in words for _, words in shown)
    assert (await gateway.get("/invoices"))["data"] == []  # asking has made nothing


async def one_press_or_two_make_one_invoice(shop: Shop, gateway: Gateway) -> tuple[dict[str, Any], dict[str, Any]]:
    order = await shop.order("49.90")
    first = await shop.press_pay(order["id"])
    assert first["result"] == "success", first
    assert await shop.press_pay(order["id"]) == first
    (invoice,) = (await gateway.get("/invoices"))["data"]
    assert first["redirect"] == invoice["payment_url"]
    assert invoice["price"] == {"amount_decimal": "49.90", "currency": "EUR"}
    assert invoice["order_id"] == f"{shop.url.removeprefix('https://')}/{order['id']}"
    assert invoice["success_url"].startswith(shop.url)
    # The customer comes back before the chain has anything: the order waits, and nobody says that it failed.
    assert await shop.come_back(order) == received(shop, order)
    assert (await shop.read(order["id"]))["status"] == "pending"
    return order, invoice


async def the_event_pays_the_order(
    shop: Shop, gateway: Gateway, order: dict[str, Any], invoice: dict[str, Any], pay: Pay
) -> None:
    pay_in = (await gateway.choose(invoice["id"]))["pay_in"]
    await pay(pay_in)
    paid = await until(shop, order["id"], "Paid with Swap Pay")
    assert (paid["status"], paid["transaction_id"]) == ("processing", invoice["id"])
    (note,) = [note for note in paid["notes"] if note.startswith("Paid with Swap Pay")]
    settled = await gateway.get(f"/invoices/{invoice['id']}")
    assert settled["deposits"][0]["txid"] in note
    assert f"{pay_in['amount_decimal']} USDT on ethereum" in note
    assert await shop.come_back(order) == received(shop, order)
    assert (await shop.press_pay(order["id"]))["redirect"] == received(shop, order)
    cabinet = f"{gateway.url}/cabinet/{gateway.merchant_id}/test/invoices/{invoice['id']}"
    assert cabinet in await shop.box(order["id"])


async def a_refund_takes_the_customers_address(
    shop: Shop, gateway: Gateway, order: dict[str, Any], invoice: dict[str, Any]
) -> None:
    assert "the customer was asked" in str(await shop.press_refund(order["id"], "24.95"))
    (asked,) = (await shop.read(order["id"]))["customer_notes"]
    link = asked.rsplit(" ", 1)[1]
    page = await shop.open(link)
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    form = {"_wpnonce": fields_of(page.text, "_wpnonce"), "swap_pay_address": STRANGER}
    refused = await shop.send(link, form | {"swap_pay_address": "<b>mine</b>"})
    assert (refused.status_code, "<b>mine" in refused.text) == (422, False)
    checksum_is_wrong = STRANGER[:-1] + STRANGER[-1].swapcase()
    assert (await shop.send(link, form | {"swap_pay_address": checksum_is_wrong})).status_code == 200
    assert "refuses the refund address" in str(await shop.press_refund(order["id"], "24.95"))
    assert "the customer was asked" in str(await shop.press_refund(order["id"], "24.95"))
    link = (await shop.read(order["id"]))["customer_notes"][-1].rsplit(" ", 1)[1]
    assert (await shop.send(link, form)).status_code == 200
    assert await shop.press_refund(order["id"], "24.95") is True
    (refund,) = (await gateway.get(f"/invoices/{invoice['id']}/refunds"))["data"]
    paid = await gateway.get(f"/invoices/{invoice['id']}")
    half_raw = int(paid["pay_in"]["amount_raw"]) // 2
    assert (refund["status"], refund["refund_address"]) == ("pending_approval", STRANGER)
    assert int(refund["amount_raw"]) == half_raw
    assert refund["customer_visible_reason"] == "A shirt came back"
    assert any(refund["id"] in line for line in (await shop.read(order["id"]))["notes"])


async def what_is_not_paid_in_full_is_no_paid_order(shop: Shop, gateway: Gateway, services: Services, pay: Pay) -> None:
    ended = await shop.order("20.00")
    page = (await shop.press_pay(ended["id"]))["redirect"]
    await services.invoices.cancel(gateway.merchant_id, "test", invoice_of(page), clock.now())
    assert (await until(shop, ended["id"], "was cancelled"))["status"] == "cancelled"

    short = await shop.order("20.00")
    page = (await shop.press_pay(short["id"]))["redirect"]
    await pay((await gateway.choose(invoice_of(page)))["pay_in"], part=2)
    assert (await until(shop, short["id"], "not the exact amount in time"))["status"] == "on-hold"
    assert await shop.come_back(short) == received(shop, short)


def received(shop: Shop, order: dict[str, Any]) -> str:
    """The shop's page of a received order."""
    return f"{shop.url}/checkout/order-received/{order['id']}/?key={order['key']}"


def invoice_of(page: str) -> str:
    """The id of the invoice that a payment page is of."""
    return str(re.findall(r"INV-\w{10}", page)[0])


async def until(shop: Shop, order_id: int, words: str) -> dict[str, Any]:
    """The order, once it has a note with these words."""
    async with asyncio.timeout(120):
        while True:
            order = await shop.read(order_id)
            if any(words in note for note in order["notes"]):
                return order
            await asyncio.sleep(0.2)
