"""The button of the sandbox's checkout page, on Tron."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from app.checkout.wallet import Choice
from app.core.errors import ApiError, Code
from app.core.settings import Settings, load
from app.invoices.presentation import InvoiceBody
from app.merchants.terms import Terms
from app.sandbox.tron_driver import TronDriver
from app.sandbox.tron_node import TronNode
from app.sandbox.wallet import SandboxWallet
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.merchants import merchant, takes
from tests.factories.tron import tron_networks_toml

NETWORK = "tron:test"
ASKED_RAW = 5_000_000


@pytest.fixture
async def usdt(tron: TronDriver) -> AsyncIterator[str]:
    """A token on a chain that makes blocks by itself."""
    contract = await tron.deploy_stablecoin(10**9)
    await tron.double("automine", every_ms=50)
    yield contract
    await tron.double("automine", every_ms=None)


@pytest.fixture
def chain_settings(
    environment: dict[str, str], tmp_path: Path, tron_node: TronNode, usdt: str
) -> Callable[..., Settings]:
    def make() -> Settings:
        (tmp_path / "networks.toml").write_text(tron_networks_toml(tron_node.api_url, usdt, tron_node.genesis_id))
        return load(environment)

    return make


@pytest.fixture
async def asked(services: Services) -> InvoiceBody:
    """An invoice of 5 USDT."""
    merchant_id = await merchant()
    await takes(merchant_id, "USDT", network=NETWORK)
    terms = Terms(merchant_id, "test", 80, "merchant")
    return await invoice(services, terms, amount="5", currency="USDT", chain="tron")


@pytest.mark.parametrize(
    ("choice", "tokens_raw", "coins_sun"),
    [(Choice.EXACT, ASKED_RAW, 0), (Choice.SHORT, ASKED_RAW * 9 // 10, 0), (Choice.WRONG_TOKEN, 0, 10)],
)
async def test_a_press_of_the_button_pays_into_a_block(
    services: Services, asked: InvoiceBody, tron: TronDriver, usdt: str, choice: Choice, tokens_raw: int, coins_sun: int
) -> None:
    network = services.networks.get(NETWORK)
    await SandboxWallet(services.invoices).pay(asked, network, choice)
    assert await tron.balance_of(asked.pay_in.address, usdt) == pytest.approx(tokens_raw, abs=1)
    assert await tron.balance_of(asked.pay_in.address) == coins_sun


async def test_what_the_chain_refuses_is_told(
    services: Services, asked: InvoiceBody, tron: TronDriver, usdt: str
) -> None:
    await tron.mined(await tron.call_contract(usdt, "pause()"))
    with pytest.raises(ApiError) as refused:
        await SandboxWallet(services.invoices).pay(asked, services.networks.get(NETWORK), Choice.EXACT)
    assert refused.value.code is Code.NETWORK_UNAVAILABLE
