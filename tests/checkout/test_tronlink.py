"""Paying from TronLink: the running app, the double of a Tron node, Chromium, and a fake of TronLink that signs with
unmodified tronweb."""

import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from eth_keys.datatypes import PrivateKey
from playwright.async_api import Page, async_playwright, expect

from app.core.settings import Settings, load
from app.merchants.terms import Terms
from app.networks.port import NotATransfer
from app.networks.sending import Payment
from app.networks.tron import transactions
from app.sandbox.tron_driver import CUSTOMER_KEY, TronDriver
from app.sandbox.tron_node import TronNode
from app.wiring import Services
from tests.checkout.running import RunningApp, running_app
from tests.chromium import launch_options
from tests.complaints import complaints_of
from tests.factories.invoices import invoice, reread
from tests.factories.merchants import merchant, takes
from tests.factories.tron import tron_networks_toml
from tests.fakes.tronlink import TronLink, install

NETWORK = "tron:test"


@pytest.fixture
async def usdt(tron: TronDriver) -> str:
    """A token with USDT's traps; the customer has some."""
    token = await tron.deploy_stablecoin(10**15)
    await tron.mine(25)
    return token


@pytest.fixture
def chain_settings(
    environment: dict[str, str], tmp_path: Path, tron_node: TronNode, usdt: str
) -> Callable[..., Settings]:
    def make(**options: Any) -> Settings:
        text = tron_networks_toml(tron_node.api_url, usdt, tron_node.genesis_id, **options)
        (tmp_path / "networks.toml").write_text(text)
        return load(environment)

    return make


@pytest.fixture
async def web(services: Services, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[RunningApp]:
    async with running_app(environment, tmp_path / "web", sandbox=False) as app:
        yield app


@pytest.fixture
async def terms(services: Services) -> Terms:
    merchant_id = await merchant(service_fee_bps=0)
    for asset in ("USDT", "TRX"):
        await takes(merchant_id, asset, network=NETWORK)
    return Terms(merchant_id, "test", 0, "merchant")


async def test_tronlink_signs_and_the_payment_arrives(
    services: Services, terms: Terms, web: RunningApp, tron: TronDriver, tron_node: TronNode
) -> None:
    token = await invoice(services, terms, amount="25", currency="USDT", chain="tron")
    coin = await invoice(services, terms, amount="7", currency="TRX", chain="tron")
    huge = await invoice(services, terms, amount="90000000", currency="TRX", chain="tron")
    chain_id, complaints = f"0x{tron_node.genesis_id[-8:]}", list[str]()
    (watcher,) = services.watchers()
    await watcher.tick()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options())

        async def opened(slug: str, wallet: TronLink, *, old: bool = False) -> Page:
            context = await browser.new_context(viewport={"width": 320, "height": 800})
            await install(context, wallet, old=old)
            page = await context.new_page()
            complaints_of(page, complaints)
            await page.goto(web.url(slug))
            return page

        wallet = TronLink("0xcd8690dc")  # of Nile
        page = await opened(services.links.slug(token.id), wallet)
        button, says = page.get_by_role("button", name="TronLink"), page.locator(".wallets__says")
        for method, code, words in (
            ("eth_requestAccounts", 4001, "declined in your wallet"),
            ("eth_requestAccounts", -32002, "another question open"),
            ("wallet_switchEthereumChain", 4902, "on another network. Change to Tron there"),
            ("sign", 0, "declined in your wallet"),
        ):
            wallet.refuses = {method: code}
            await button.click()
            await expect(says).to_contain_text(words)
        wallet.refuses = {}
        await button.click()
        await expect(page.get_by_text("Sent from your wallet:")).to_be_visible(timeout=15_000)
        assert wallet.chain_id == chain_id, "changed before it signs"

        old = await opened(services.links.slug(coin.id), TronLink(chain_id), old=True)
        await old.get_by_role("button", name="TronLink").click()
        await expect(old.get_by_text("Sent from your wallet:")).to_be_visible(timeout=15_000)

        poor = await opened(services.links.slug(huge.id), TronLink(chain_id))
        await poor.get_by_role("button", name="TronLink").click()
        await expect(poor.locator(".wallets__says")).to_contain_text("This account holds less than")

        await tron.mine()
        await watcher.tick()
        await expect(page.locator("#headline")).to_have_text("We see your payment")
        await expect(page.get_by_text("Sent from your wallet:")).to_have_count(0)
        await tron.mine(25)
        for _ in range(3):
            await watcher.tick()
        await expect(page.locator("#headline")).to_have_text("Payment complete")
        await expect(old.locator("#headline")).to_have_text("Payment complete")
        await browser.close()
    assert complaints == []
    for new in (token, coin):
        assert (await reread(services, new)).received_raw == new.pay_in.amount_raw


async def test_only_the_exact_payment_is_sent_on(
    services: Services, terms: Terms, web: RunningApp, tron: TronDriver, usdt: str
) -> None:
    new = await invoice(services, terms, amount="25", currency="USDT", chain="tron")
    other = await invoice(services, terms, amount="26", currency="USDT", chain="tron")
    (watcher,) = services.watchers()
    await watcher.tick()
    path, same = f"/pay/{services.links.slug(new.id)}", {"Sec-Fetch-Site": "same-origin"}
    for account in ("", "0x" + "5f" * 20, TronDriver.customer[:-1]):
        answer = await web.client.post(f"{path}/unsigned", data={"account": account}, headers=same)
        assert answer.status_code == 400
    answer = await web.client.post(f"{path}/unsigned", data={"account": TronDriver.customer}, headers=same)
    made = answer.json()["transaction"]
    assert (await web.client.post(f"{path}/unsigned", data={"account": TronDriver.customer})).status_code == 404

    wallets = services.networks.signing_wallets(NETWORK)
    assert wallets is not None
    asked = Payment(new.pay_in.address, "USDT", int(new.pay_in.amount_raw))
    raw = bytes.fromhex(made["raw_data_hex"])
    signature = signed_by(CUSTOMER_KEY, raw)
    signed = wallets.signed(raw.hex(), signature, asked)
    assert (signed.txid, transactions.decode(signed.raw).owner) == (
        made["txID"],
        TronDriver.customer,
    )
    assert made["raw_data"]["expiration"] <= made["raw_data"]["timestamp"] + 600_000
    older = signature[:-2] + f"{int(signature[-2:], 16) - 27:02x}"
    assert wallets.signed(raw.hex(), older, asked) == signed
    wrong = {
        "more": Payment(asked.to_address, "USDT", asked.amount_raw + 1),
        "another's": Payment(other.pay_in.address, "USDT", asked.amount_raw),
        "a coin": Payment(asked.to_address, "TRX", asked.amount_raw),
    }
    for name, payment in wrong.items():
        with pytest.raises(NotATransfer):
            wallets.signed(raw.hex(), signature, payment)
        assert name
    for bad in ("", "zz", signature[:-4], signed_by(bytes(31) + b"\1", raw)):
        with pytest.raises(NotATransfer):
            wallets.signed(raw.hex(), bad, asked)
    answer = await web.client.post(
        f"/pay/{services.links.slug(other.id)}/signed",
        data={"raw_data": raw.hex(), "signature": signature},
        headers=same,
    )
    assert answer.json() == {"word": "changed"}
    height = await tron.mine()
    assert height
    await watcher.tick()
    assert (await reread(services, other)).deposits == []


def signed_by(key: bytes, raw_data: bytes) -> str:
    """The signature of a transaction's bytes in hex, made apart from the app's code."""
    made = PrivateKey(key).sign_msg_hash(hashlib.sha256(raw_data).digest())
    return (made.to_bytes()[:64] + bytes([made.v + 27])).hex()
