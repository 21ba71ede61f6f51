"""Where a transaction is, on real EVM nodes: every verdict that a chain can give, a twin chain, nodes that don't
answer, and how long a stranger waits."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from app.core import clock
from app.core.settings import Settings, load
from app.lookups.facts import Viewer
from app.lookups.judging import Finding, Verdict
from app.lookups.service import QUESTIONS_PER_MINUTE
from app.merchants.terms import Terms
from app.networks.config import NetworkConfig
from app.sandbox import anvil as anvil_module
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from app.web.rate_limits import RateLimiter
from app.wiring import Services
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import terms as new_terms
from tests.factories.networks import ANVIL_CHAIN_ID, networks_toml
from tests.factories.payments import CONFIRMATIONS
from tests.fakes.evm_proxy import EvmProxy, evm_proxy
from tests.services import empty_redis

TWIN_CHAIN_ID = 8_453
NOWHERE = "0x00000000000000000000000000000000000000AA"
UNKNOWN = f"0x{64 * '7'}"


@pytest.fixture(scope="module")
def twin_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anvil]:
    """A second EVM chain."""
    node = anvil_module.start(tmp_path_factory.mktemp("twin"), chain_id=TWIN_CHAIN_ID)
    yield node
    node.stop()


@pytest.fixture
async def twin(twin_node: Anvil) -> AsyncIterator[AnvilDriver]:
    driver = await AnvilDriver.connect(twin_node.rpc_url)
    yield driver
    await driver.aclose()


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[EvmProxy]:
    """Between the gateway and the first chain's node."""
    async with evm_proxy(anvil.rpc_url) as proxy:
        yield proxy


@pytest.fixture
def chain_settings(
    environment: dict[str, str], tmp_path: Path, proxy: EvmProxy, token: str, twin_node: Anvil
) -> Callable[..., Settings]:
    def make(**options: object) -> Settings:
        first = networks_toml(proxy.url, token, **options)
        second = networks_toml(twin_node.rpc_url, token).replace('"ethereum"', '"base"').replace('"Ethereum"', '"Base"')
        second = second.replace(str(ANVIL_CHAIN_ID), str(TWIN_CHAIN_ID))
        (tmp_path / "networks.toml").write_text(first + second)
        return load(environment)

    return make


@pytest.fixture
async def terms(services: Services) -> Terms:
    return await new_terms(service_fee_bps=0)


class Asking:
    """The customer of one invoice, its merchant, and the chain."""

    def __init__(self, services: Services, asked: AskedInvoice, terms: Terms, driver: AnvilDriver, token: str) -> None:
        self.services, self.asked, self.terms, self.driver, self.token = services, asked, terms, driver, token
        self.network: NetworkConfig = services.networks.get("ethereum:test")

    async def customer(self, txid: str) -> Finding:
        return await self.services.lookups.find(self.network, txid, Viewer.customer(self.asked.id))

    async def merchant(self, txid: str) -> Finding:
        return await self.services.lookups.find(self.network, txid, Viewer.merchant(self.terms.merchant_id, "test"))

    async def pay(self, more_raw: int = 0, to: AskedInvoice | None = None) -> str:
        target = to or self.asked
        receipt = await self.driver.transfer_token(
            self.token, target.pay_in.address, int(target.pay_in.amount_raw) + more_raw
        )
        return str(receipt["transactionHash"])

    async def watch(self) -> None:
        for watcher in self.services.watchers():
            await watcher.tick()


@pytest.fixture
async def asking(services: Services, terms: Terms, driver: AnvilDriver, token: str) -> Asking:
    asking = Asking(services, await invoice(services, terms), terms, driver, token)
    await asking.watch()
    return asking


async def test_from_the_first_block_to_paid_and_once_more(asking: Asking) -> None:
    txid = await asking.pay()
    before = await asking.customer(txid)
    await asking.watch()
    after = await asking.customer(txid)
    for found in (before, after):
        assert (found.verdict, found.confirmations, found.confirmations_required) == (
            Verdict.CONFIRMING,
            1,
            CONFIRMATIONS,
        )
    await asking.driver.mine(CONFIRMATIONS)
    await asking.watch()
    for found in (await asking.customer(txid), await asking.merchant(txid)):
        assert (found.verdict, found.invoice_id) == (Verdict.PAID, asking.asked.id)
    again = await asking.pay()
    await asking.watch()
    assert (await asking.customer(again)).verdict is Verdict.PAID_AGAIN


@pytest.mark.parametrize(
    ("more_raw", "verdict"),
    [(-1_000_000, Verdict.PAID_SHORT), (1_000_000, Verdict.PAID_OVER), (-4_999_000, Verdict.DUST)],
)
async def test_another_amount(asking: Asking, more_raw: int, verdict: Verdict) -> None:
    txid = await asking.pay(more_raw)
    await asking.watch()
    assert (await asking.customer(txid)).verdict is verdict


async def test_late_and_after_cancellation(services: Services, asking: Asking, terms: Terms) -> None:
    other = await invoice(services, terms)
    await services.invoices.cancel(terms.merchant_id, "test", other.id, clock.now())
    txid = await asking.pay(to=other)
    await asking.watch()
    found = await services.lookups.find(asking.network, txid, Viewer.customer(other.id))
    assert found.verdict is Verdict.PAID_AFTER_CANCELLATION
    await asking.driver.mine(1, interval_s=7_200)
    late = await asking.pay()
    await asking.watch()
    assert (await asking.customer(late)).verdict is Verdict.PAID_LATE


async def test_tokens_coins_failures_and_what_pays_nobody(asking: Asking) -> None:
    driver, address = asking.driver, asking.asked.pay_in.address
    fake = await driver.deploy_token(10**15, symbol="USDТ")
    other = await driver.deploy_token(10**15, symbol="GIFT")
    rows = {
        Verdict.LOOKALIKE_TOKEN: await driver.transfer_token(fake, address, 5_000_000),
        Verdict.OTHER_TOKEN: await driver.transfer_token(other, address, 5_000_000),
        Verdict.OTHER_ASSET: await driver.transfer_native(address, 10**18),
        Verdict.FAILED: await driver.transfer_token(asking.token, address, 1, sender=driver.accounts[7]),
        Verdict.ELSEWHERE: await driver.transfer_token(asking.token, NOWHERE, 5_000_000),
    }
    for _ in range(2):  # before the books have it, and after
        for verdict, receipt in rows.items():
            for found in (
                await asking.customer(receipt["transactionHash"]),
                await asking.merchant(receipt["transactionHash"]),
            ):
                assert found.verdict is verdict
        await asking.watch()
    assert (await asking.customer(rows[Verdict.LOOKALIKE_TOKEN]["transactionHash"])).token == "USDТ"
    assert (await asking.customer(UNKNOWN)).verdict is Verdict.UNKNOWN


async def test_unmined_then_replaced(asking: Asking) -> None:
    """Nobody looks at an EVM pool but who asks: what a waiting transaction claims is remembered from then on."""
    driver, sender = asking.driver, asking.driver.accounts[4]
    nonce = await driver.call("eth_getTransactionCount", sender, "latest")
    await driver.call("evm_setAutomine", False)
    try:
        offer = {"from": sender, "to": asking.asked.pay_in.address, "value": "0x1", "nonce": nonce}
        first = await driver.submit({**offer, "gasPrice": hex(3 * 10**9)})
        waiting = await asking.customer(first)
        assert (waiting.verdict, waiting.fee_rate_raw) == (Verdict.WAITING, 3 * 10**12)
        assert waiting.usual_fee_rate_raw
        await driver.submit({**offer, "gasPrice": hex(9 * 10**9)})
        await driver.mine(1)
    finally:
        await driver.call("evm_setAutomine", True)
    assert (await asking.customer(first)).verdict is Verdict.REPLACED
    await empty_redis()  # without the hint it is only unknown
    assert (await asking.customer(first)).verdict is Verdict.UNKNOWN


async def test_thrown_out_by_a_reorganisation(asking: Asking) -> None:
    txid = await asking.pay()
    await asking.watch()
    await asking.driver.reorg(1)
    await asking.driver.mine(1)
    await asking.watch()
    assert (await asking.customer(txid)).verdict is Verdict.REORGANISED


async def test_the_right_address_on_the_twin_chain(asking: Asking, twin: AnvilDriver) -> None:
    sent = await twin.transfer_native(asking.asked.pay_in.address, 10**18)
    txid = sent["transactionHash"]
    for _ in range(2):
        for found in (await asking.customer(txid), await asking.merchant(txid)):
            assert (found.verdict, found.network, found.expected_network) == (
                Verdict.OTHER_NETWORK,
                "base:test",
                "ethereum:test",
            )
            assert found.invoice_id == asking.asked.id
        await asking.watch()  # the twin's books have nothing of it: the address is leased on the first chain alone
    nobody = await twin.transfer_native(NOWHERE, 10**18)
    assert (await asking.customer(nobody["transactionHash"])).verdict is Verdict.ELSEWHERE


async def test_a_node_that_is_down_or_slow_leaves_the_books(asking: Asking, proxy: EvmProxy) -> None:
    txid = await asking.pay()
    await asking.watch()
    proxy.is_down = True
    found = await asking.customer(txid)
    assert (found.verdict, found.from_books, found.confirmations) == (Verdict.CONFIRMING, True, 1)
    assert (await asking.customer(UNKNOWN)).verdict is Verdict.UNAVAILABLE
    stranger = await asking.services.lookups.find(
        asking.network, txid, Viewer.merchant((await new_terms(service_fee_bps=0)).merchant_id, "test")
    )
    assert stranger.verdict is Verdict.UNAVAILABLE


async def test_many_questions_leave_the_node_to_the_watcher(asking: Asking) -> None:
    txid = await asking.pay()
    await asking.watch()
    limiter = RateLimiter()
    await asyncio.gather(*(limiter.take("lookups-on:ethereum:test", 1_000) for _ in range(QUESTIONS_PER_MINUTE - 1)))
    assert not (await asking.customer(txid)).from_books
    found = await asking.customer(txid)
    assert (found.verdict, found.from_books) == (Verdict.CONFIRMING, True)


async def test_a_strangers_answer_takes_as_long_as_any(asking: Asking) -> None:
    """In the middle of many questions, to within the time of one more statement."""
    other = await invoice(asking.services, await new_terms(service_fee_bps=0))
    of_other = await asking.pay(to=other)
    nobody = str((await asking.driver.transfer_token(asking.token, NOWHERE, 5_000_000))["transactionHash"])
    await asking.watch()
    took: dict[str, list[float]] = {of_other: [], nobody: []}
    for _ in range(25):
        for txid, times in took.items():
            before = time.perf_counter()
            assert (await asking.customer(txid)).verdict is Verdict.ELSEWHERE
            times.append(time.perf_counter() - before)
    one, two = (statistics.median(times) for times in took.values())
    assert abs(one - two) < max(one, two) / 2
