"""The button of the sandbox's checkout page, on Bitcoin. On an EVM chain: tests/checkout/test_checkout_live.py."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.checkout.wallet import Choice
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.settings import Settings, load
from app.merchants.terms import Terms
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.wallet import SandboxWallet
from app.wiring import Services
from tests.factories.bitcoin import NETWORK, bitcoin_networks_toml
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes

ASKED_RAW = 1_000_000


@pytest.fixture
def chain_settings(environment: dict[str, str], tmp_path: Path, bitcoind: Bitcoind) -> Callable[..., Settings]:
    def make() -> Settings:
        (tmp_path / "networks.toml").write_text(bitcoin_networks_toml(bitcoind.rpc_url))
        return load(environment)

    return make


@pytest.fixture
async def asked(services: Services) -> AskedInvoice:
    """An invoice of 0.01 BTC."""
    merchant_id = await merchant()
    await takes(merchant_id, "BTC", network=NETWORK)
    terms = Terms(merchant_id, "test", 80, "merchant")
    return await invoice(services, terms, amount="0.01", currency="BTC", chain="bitcoin")


@pytest.mark.parametrize(
    ("choice", "sent_raw"),
    [(Choice.EXACT, ASKED_RAW), (Choice.SHORT, ASKED_RAW * 9 // 10), (Choice.OVER, ASKED_RAW * 11 // 10)],
)
async def test_a_press_of_the_button_pays_into_the_pool(
    services: Services, asked: AskedInvoice, bitcoin: BitcoinDriver, choice: Choice, sent_raw: int
) -> None:
    await SandboxWallet(services.invoices).pay(asked, services.networks.get(NETWORK), choice)
    (txid,) = await bitcoin.pool()
    paid = await bitcoin.call("getrawtransaction", txid, 1)
    (output,) = [out for out in paid["vout"] if out["scriptPubKey"]["address"] == asked.pay_in.address]
    assert output["value"] * 10**8 == sent_raw


async def test_a_late_payment_comes_after_the_invoices_end(
    services: Services, asked: AskedInvoice, bitcoin: BitcoinDriver
) -> None:
    await SandboxWallet(services.invoices).pay(asked, services.networks.get(NETWORK), Choice.LATE)
    assert len(await bitcoin.pool()) == 1
    ended_at = datetime.fromisoformat((await reread(services, asked)).expires_at)
    assert ended_at < clock.now() - timedelta(seconds=59)


async def test_bitcoin_has_no_other_token(services: Services, asked: AskedInvoice, bitcoin: BitcoinDriver) -> None:
    with pytest.raises(ApiError) as refused:
        await SandboxWallet(services.invoices).pay(asked, services.networks.get(NETWORK), Choice.WRONG_TOKEN)
    assert refused.value.code is Code.INVALID_INPUT
    assert await bitcoin.pool() == []
