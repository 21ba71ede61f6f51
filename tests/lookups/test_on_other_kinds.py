"""Where a transaction is, on a real Bitcoin node, the double of a Tron node, and the kind that only the tests have."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.settings import Settings, load
from app.lookups.facts import Viewer
from app.lookups.judging import Finding, Verdict
from app.merchants.terms import Terms
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.sandbox.tron_double.state import SOLID_BEHIND
from app.sandbox.tron_driver import TronDriver
from app.sandbox.tron_node import TronNode
from app.wiring import Services, running, wire
from tests.factories.bitcoin import Account, bitcoin_networks_toml
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import merchant, takes
from tests.factories.tron import tron_networks_toml
from tests.factories.tron_accounts import RECIPIENT
from tests.fakes.coin_world import CoinWorld, coin_chain, write_networks_file
from tests.services import empty_redis

UNKNOWN = 64 * "7"


class Asking:
    """The customer of one invoice, and a stranger: another merchant."""

    def __init__(self, services: Services, asked: AskedInvoice, network: str, stranger: str) -> None:
        self.services, self.asked, self.stranger_id = services, asked, stranger
        self.network = services.networks.get(network)
        (self.watcher,) = services.watchers()

    @classmethod
    async def of(cls, services: Services, chain: str, asset: str, amount: str) -> "Asking":
        merchant_id = await merchant(service_fee_bps=0)
        await takes(merchant_id, asset, network=f"{chain}:test")
        terms = Terms(merchant_id, "test", 0, "merchant")
        asked = await invoice(services, terms, amount=amount, currency=asset, chain=chain)
        asking = cls(services, asked, f"{chain}:test", await merchant())
        await asking.watcher.tick()
        return asking

    async def customer(self, txid: str) -> Finding:
        return await self.services.lookups.find(self.network, txid, Viewer.customer(self.asked.id))

    async def stranger(self, txid: str) -> Finding:
        return await self.services.lookups.find(self.network, txid, Viewer.merchant(self.stranger_id, "test"))

    @property
    def amount_raw(self) -> int:
        return int(self.asked.pay_in.amount_raw)

    @property
    def address(self) -> str:
        return self.asked.pay_in.address


class TestBitcoin:
    @pytest.fixture
    def chain_settings(
        self, environment: dict[str, str], tmp_path: Path, bitcoind: Bitcoind
    ) -> Callable[..., Settings]:
        def make(**options: object) -> Settings:
            text = bitcoin_networks_toml(bitcoind.rpc_url, Account().tpub, confirmations=3, **options)
            (tmp_path / "networks.toml").write_text(text)
            return load(environment)

        return make

    @pytest.fixture
    async def asking(self, services: Services, bitcoin: BitcoinDriver) -> Asking:
        return await Asking.of(services, "bitcoin", "BTC", "0.5")

    async def test_from_the_pool_to_paid(self, asking: Asking, bitcoin: BitcoinDriver) -> None:
        txid = await bitcoin.pay(asking.address, asking.amount_raw, fee_rate=3)
        for _ in range(2):  # before the watcher has looked into the pool, and after
            waiting = await asking.customer(txid)
            assert (waiting.verdict, waiting.invoice_id) == (Verdict.WAITING, asking.asked.id)
            assert waiting.fee_rate_raw is not None
            assert 2_900 <= waiting.fee_rate_raw <= 3_100
            await asking.watcher.tick()
        assert (await asking.stranger(txid)).verdict is Verdict.ELSEWHERE
        await bitcoin.mine()
        await asking.watcher.tick()
        first = await asking.customer(txid)
        assert (first.verdict, first.confirmations, first.confirmations_required) == (Verdict.CONFIRMING, 1, 3)
        await bitcoin.mine(2)
        await asking.watcher.tick()
        assert (await asking.customer(txid)).verdict is Verdict.PAID
        assert (await asking.stranger(txid)).verdict is Verdict.ELSEWHERE
        assert (await asking.customer(UNKNOWN)).verdict is Verdict.UNKNOWN

    async def test_too_little_and_what_pays_nobody(self, asking: Asking, bitcoin: BitcoinDriver) -> None:
        short = await bitcoin.pay(asking.address, asking.amount_raw - 1_000_000)
        nobody = await bitcoin.pay(await bitcoin.address(), 1_000_000)
        await bitcoin.mine()
        await asking.watcher.tick()
        assert (await asking.customer(short)).verdict is Verdict.PAID_SHORT
        assert await asking.stranger(short) == await asking.stranger(nobody)

    async def test_replaced_and_named(self, asking: Asking, bitcoin: BitcoinDriver) -> None:
        first = await bitcoin.pay(asking.address, asking.amount_raw, fee_rate=2)
        await asking.watcher.tick()
        second = await bitcoin.replace(first, {await bitcoin.address(): 30_000})
        for _ in range(2):  # before the watcher has noticed, and after
            found = await asking.customer(first)
            assert (found.verdict, found.replaced_by) == (Verdict.REPLACED, second)
            await asking.watcher.tick()
        # Nobody may see the deposit, and nobody has asked before: the stranger learns that it is not known.
        assert (await asking.stranger(first)).verdict is Verdict.UNKNOWN
        # What somebody has asked about while it waited is remembered for everybody.
        third = await bitcoin.pay(await bitcoin.address(), 40_000, fee_rate=2)
        assert (await asking.stranger(third)).verdict is Verdict.ELSEWHERE
        fourth = await bitcoin.replace(third, {await bitcoin.address(): 30_000})
        found = await asking.stranger(third)
        assert (found.verdict, found.replaced_by) == (Verdict.REPLACED, fourth)

    async def test_thrown_out_by_a_reorganisation(self, asking: Asking, bitcoin: BitcoinDriver) -> None:
        txid = await bitcoin.pay(asking.address, asking.amount_raw)
        await bitcoin.mine()
        await asking.watcher.tick()
        await bitcoin.roll_back(1)
        await bitcoin.mine_empty(2)
        await asking.watcher.tick()
        # It is in the pool again.
        assert (await asking.customer(txid)).verdict is Verdict.WAITING


class TestTron:
    @pytest.fixture
    async def usdt(self, tron: TronDriver) -> str:
        return await tron.deploy_stablecoin(10**15)

    @pytest.fixture
    def chain_settings(
        self, environment: dict[str, str], tmp_path: Path, tron_node: TronNode, usdt: str
    ) -> Callable[..., Settings]:
        def make(**options: Any) -> Settings:
            text = tron_networks_toml(tron_node.api_url, usdt, tron_node.genesis_id, **options)
            (tmp_path / "networks.toml").write_text(text)
            return load(environment)

        return make

    @pytest.fixture
    async def asking(self, services: Services) -> Asking:
        return await Asking.of(services, "tron", "USDT", "25")

    async def test_every_outcome(self, asking: Asking, tron: TronDriver, usdt: str) -> None:
        fake = await tron.deploy_stablecoin(10**15)
        paid = await tron.pay(asking.address, asking.amount_raw, contract=usdt)
        assert (await asking.customer(paid)).verdict is Verdict.WAITING
        rows = {
            Verdict.LOOKALIKE_TOKEN: await tron.pay(asking.address, 5_000_000, contract=fake),
            Verdict.OTHER_ASSET: await tron.pay(asking.address, 9_000_000),
            Verdict.FAILED: await tron.pay(asking.address, 10**30, contract=usdt),
            Verdict.ELSEWHERE: await tron.pay(RECIPIENT, 7_000_000, contract=usdt),
            Verdict.CONFIRMING: paid,
        }
        await tron.mine()
        for verdict, txid in rows.items():
            assert (await asking.customer(txid)).verdict is verdict
        await asking.watcher.tick()
        await tron.mine(SOLID_BEHIND + 1)
        await asking.watcher.tick()
        rows[Verdict.PAID] = rows.pop(Verdict.CONFIRMING)
        found = {verdict: (await asking.customer(txid)).verdict for verdict, txid in rows.items()}
        assert found == {verdict: verdict for verdict in found}
        assert await asking.stranger(paid) == await asking.stranger(rows[Verdict.ELSEWHERE])
        assert (await asking.customer(UNKNOWN)).verdict is Verdict.UNKNOWN

    async def test_thrown_out_by_a_fork(self, asking: Asking, tron: TronDriver, usdt: str) -> None:
        txid = await tron.pay(asking.address, asking.amount_raw, contract=usdt)
        await tron.mine()
        await asking.watcher.tick()
        await tron.fork(1, keep=[], empty=True)
        await asking.watcher.tick()
        assert (await asking.customer(txid)).verdict is Verdict.REORGANISED


class TestCoin:
    @pytest.fixture
    async def world(self, environment: dict[str, str], tmp_path: Path, steady_clock: None) -> AsyncIterator[CoinWorld]:
        with coin_chain() as chain:
            write_networks_file(tmp_path / "networks.toml", chain, can_send=False)
            async with running(wire(load(environment))) as services:
                await empty_redis()
                yield await CoinWorld.open(services, chain)

    async def test_waiting_replaced_confirming_and_paid(self, world: CoinWorld) -> None:
        chain, watcher = world.chain, world.watcher
        asked = await world.invoice(50_000_000)
        address, amount_raw = asked.pay_in.address, int(asked.pay_in.amount_raw)
        network = world.services.networks.get("coin:test")

        async def verdict(txid: str, viewer: Viewer) -> Verdict:
            return (await world.services.lookups.find(network, txid, viewer)).verdict

        customer, stranger = Viewer.customer(asked.id), Viewer.merchant(await merchant(), "test")
        first = chain.pay((address, amount_raw))
        await watcher.tick()
        assert [await verdict(first, each) for each in (customer, stranger)] == [Verdict.WAITING, Verdict.ELSEWHERE]
        second = chain.replace(first, (address, amount_raw))
        await watcher.tick()
        assert await verdict(first, customer) is Verdict.REPLACED
        chain.mine()
        await watcher.tick()
        assert [await verdict(second, each) for each in (customer, stranger)] == [
            Verdict.CONFIRMING,
            Verdict.ELSEWHERE,
        ]
        chain.mine_empty(5)
        await watcher.tick()
        assert await verdict(second, customer) is Verdict.PAID
        chain.reorganise(6)
        await watcher.tick()
        assert await verdict(second, customer) is Verdict.WAITING  # it is in the pool again
        chain.drop(second)
        await watcher.tick()
        assert await verdict(second, customer) is Verdict.DROPPED
