"""Coins sent by a contract, as exchanges pay in batches: they leave no log, and are found all the same."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest

from app.core import clock, database
from app.networks.port import NodeUnavailable
from app.sandbox.anvil import Anvil
from app.sandbox.chain_driver import AnvilDriver
from app.signer import balance_check
from app.signer.keystore import SpendingKeys
from app.wiring import Services
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.fakes.evm_proxy import EvmProxy, evm_proxy
from tests.signer.signer_under_test import SignerUnderTest

# Passes what it is sent on to the address in its call data: CALL(GAS, CALLDATALOAD(0), CALLVALUE, 0, 0, 0, 0).
PASSES_ON = "600060006000600034600035" + "5af100"
DEPLOY = "600f600c600039600f6000f3"  # returns the 15 bytes that follow
LOOKS_EVERY = timedelta(seconds=61)


@pytest.fixture
async def setup(services: Services, driver: AnvilDriver, token: str, keys: SpendingKeys) -> SignerUnderTest:
    """A setup in which nobody has paid yet."""
    return await SignerUnderTest.open(services, driver, token, keys)


async def pass_on(setup: SignerUnderTest, to: str, amount_raw: int) -> None:
    """Send coins through a contract."""
    contract = await setup.driver.send({"from": setup.driver.accounts[0], "data": "0x" + DEPLOY + PASSES_ON})
    sent = await setup.driver.send(
        {
            "from": setup.driver.accounts[0],
            "to": contract["contractAddress"],
            "value": hex(amount_raw),
            "data": "0x" + to[2:].lower().rjust(64, "0"),
        }
    )
    assert sent["logs"] == []
    assert await setup.driver.balance_of(to) >= amount_raw


@pytest.fixture(params=["auto", "trace_block", "debug"])
def traced(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestWhereTheNodeTraces:
    """With each of the two trace methods."""

    @pytest.fixture
    def network_options(self, traced: str) -> Mapping[str, object]:
        return {"native_traces": traced}

    async def test_it_pays_the_invoice(self, setup: SignerUnderTest) -> None:
        new = await invoice(setup.services, setup.terms, amount="0.50", currency="ETH")
        await pass_on(setup, new.pay_in.address, int(new.pay_in.amount_raw))
        await setup.confirm_blocks()
        paid = await reread(setup.services, new)
        assert (paid.status, paid.credited_raw) == ("paid", new.net_raw)
        assert await setup.balance("ETH") == (int(new.net_raw), 0)
        await setup.check()

    async def test_a_top_up_by_contract_is_the_treasurys(self, setup: SignerUnderTest) -> None:
        await pass_on(setup, setup.hot, 10**18)
        await setup.confirm_blocks()
        assert await setup.treasury_raw("ETH") == 10**18
        await setup.check()


class TestWhereItDoesNot:
    """The balance of the address is compared with the transfers seen."""

    @pytest.fixture
    def network_options(self) -> Mapping[str, object]:
        return {"native_traces": "off", "sweep_interval_s": 1}

    @pytest.fixture
    def asset_options(self) -> Mapping[str, Mapping[str, int]]:
        return {"ETH": {"sweep_min_raw": 10**15}}

    async def test_it_is_in_review(self, setup: SignerUnderTest) -> None:
        new = await invoice(setup.services, setup.terms, amount="0.50", currency="ETH")
        await pass_on(setup, new.pay_in.address, int(new.pay_in.amount_raw))
        await setup.confirm_blocks()
        clock.shift(LOOKS_EVERY)
        await setup.confirm_blocks()
        reviewed = await reread(setup.services, new)
        assert (reviewed.status, reviewed.received_raw) == ("manual_review", new.pay_in.amount_raw)
        assert await setup.alerts() == {"unseen_deposit": "warning"}
        assert await setup.balance("ETH") == (0, 0)
        await setup.check()  # the suspense ledger has it
        # And it is found only once.
        clock.shift(LOOKS_EVERY)
        await setup.confirm_blocks()
        assert await database.fetch_value("SELECT count(*) FROM deposits") == 1

    async def test_seen_coins_are_not_found_again_nor_after_a_sweep(self, setup: SignerUnderTest) -> None:
        await setup.top_up("ETH", 10**18)
        await setup.receive_payment("ETH", "0.50")
        await setup.confirm_blocks()
        for _ in range(6):
            setup.signer._swept_at = None
            clock.shift(LOOKS_EVERY)
            await setup.rounds(blocks=1)
        assert [row["status"] for row in await setup.transactions(purpose="sweep")] == ["confirmed"]
        assert await database.fetch_value("SELECT count(*) FROM deposits") == 1
        assert await setup.alerts() == {}
        await setup.check()


class TestMoreAddressesThanOneLookChecks:
    """A check of balances goes on over several looks of the watcher, and keeps no payment waiting."""

    @pytest.fixture
    async def proxy(self, anvil: Anvil) -> AsyncIterator[EvmProxy]:
        async with evm_proxy(anvil.rpc_url) as proxy:
            yield proxy

    @pytest.fixture
    def node_url(self, proxy: EvmProxy) -> str:
        return proxy.url

    @pytest.fixture
    def network_options(self) -> Mapping[str, object]:
        return {"native_traces": "off"}

    async def test_each_address_is_checked(
        self, setup: SignerUnderTest, proxy: EvmProxy, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(balance_check, "FEWEST_PER_LOOK", 1)
        unseen = [await invoice(setup.services, setup.terms, amount="0.50", currency="ETH") for _ in range(3)]
        for each in unseen:
            await pass_on(setup, each.pay_in.address, int(each.pay_in.amount_raw))
        seen = await setup.receive_payment("ETH", "0.50")

        clock.shift(LOOKS_EVERY)
        proxy.refuses = {"eth_getBalance": "too many requests"}
        with pytest.raises(NodeUnavailable):
            await setup.confirm_blocks()
        assert (await reread(setup.services, seen)).status == "paid", "what was seen waits for no balance"

        proxy.refuses = {}
        await setup.confirm_blocks()
        assert await in_review(setup, unseen) == 0, "a check that has failed is over until the next one is due"
        clock.shift(LOOKS_EVERY)
        by_look = []
        for _ in range(5):
            await setup.watcher.tick()
            by_look.append(await in_review(setup, unseen))
        assert by_look[0] <= 1, "a look checks one address"
        assert by_look[-1] == 3
        assert await database.fetch_value("SELECT count(*) FROM deposits") == 4
        assert await setup.alerts() == {"unseen_deposit": "warning"}
        await setup.check()  # the suspense ledger has them


async def in_review(setup: SignerUnderTest, invoices: list[AskedInvoice]) -> int:
    return sum([(await reread(setup.services, each)).status == "manual_review" for each in invoices])
