"""From a payment on Tron to the credit in the ledger: final before it counts, moved by forks, late by a provider's
limit, and in how many requests."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core import clock
from app.core.settings import Settings, load
from app.deposits.watcher import Watcher
from app.doctor.reachability import examine_networks
from app.ledger import repository as ledger
from app.ledger.hashchain import ChainId
from app.merchants.terms import Terms
from app.networks.port import NodeUnavailable
from app.reconciliation import repository as reconciliation
from app.sandbox.anvil import Anvil
from app.sandbox.tron_double.state import SOLID_BEHIND
from app.sandbox.tron_driver import TronDriver
from app.sandbox.tron_node import TronNode
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes
from tests.factories.networks import networks_toml
from tests.factories.tron import tron_networks_toml
from tests.services import empty_redis

NETWORK = "tron:test"
NODE = "gateway"
"""The node that the gateway uses: what is wrong with it does not concern the customer's, nor is it counted there."""

SUSPENDED = '{"Error":"The key exceeds the frequency limit(15), and the query server is suspended for 1s"}'


@pytest.fixture
def options() -> dict[str, Any]:
    """Fields of the network; a test may have its own."""
    return {}


@pytest.fixture
async def usdt(tron: TronDriver) -> str:
    """A token with USDT's traps."""
    return await tron.deploy_stablecoin(10**15)


@pytest.fixture
def chain_settings(
    environment: dict[str, str], tmp_path: Path, tron_node: TronNode, usdt: str, options: dict[str, Any]
) -> Callable[..., Settings]:
    def make(**more: Any) -> Settings:
        text = tron_networks_toml(f"{tron_node.api_url}/{NODE}", usdt, tron_node.genesis_id, **options, **more)
        (tmp_path / "networks.toml").write_text(text)
        return load(environment)

    return make


@pytest.fixture
async def terms(services: Services) -> Terms:
    merchant_id = await merchant(service_fee_bps=80)
    for asset in ("USDT", "TRX"):
        await takes(merchant_id, asset, network=NETWORK)
    return Terms(merchant_id, "test", 80, "merchant")


@pytest.fixture
async def watcher(services: Services) -> Watcher:
    """The network's watcher after its first tick: later blocks are new."""
    (watcher,) = services.watchers()
    await watcher.tick()
    return watcher


async def new_invoice(services: Services, terms: Terms, currency: str = "USDT") -> AskedInvoice:
    return await invoice(services, terms, amount="25", currency=currency, chain="tron")


async def pay(tron: TronDriver, to: AskedInvoice, usdt: str | None) -> str:
    return await tron.pay(to.pay_in.address, int(to.pay_in.amount_raw), contract=usdt)


async def balance(owner: str, asset: str = "USDT") -> int:
    head = await ledger.head(ChainId(owner=owner, network=NETWORK, asset=asset))
    return 0 if head is None else head.state.available_raw


async def drift(services: Services) -> list[str]:
    """The findings about the chain of a whole run."""
    run_id = await services.reconciliation.run(clock.now(), full=True)
    return [found.subject for found in await reconciliation.findings(run_id) if NETWORK in found.subject]


async def test_a_payment_is_credited_once_its_block_is_final(
    services: Services, terms: Terms, watcher: Watcher, tron: TronDriver, usdt: str
) -> None:
    token, coin = await new_invoice(services, terms), await new_invoice(services, terms, "TRX")
    assert token.pay_in.address.startswith("T")
    assert token.pay_in.payment_uri == f"tron:{token.pay_in.address}?token={usdt}&amount={token.pay_in.amount_decimal}"
    txids = [await pay(tron, token, usdt), await pay(tron, coin, None)]
    await tron.mine()
    await watcher.tick()
    for new, txid in zip((token, coin), txids, strict=True):
        seen = await reread(services, new)
        (deposit,) = seen.deposits
        assert (seen.status, deposit.txid) == ("confirming", txid)
        assert deposit.from_address == tron.customer
    await tron.mine(SOLID_BEHIND - 1)
    await watcher.tick()
    assert (await reread(services, token)).status == "confirming", "its block is not final yet"

    await tron.mine()
    await watcher.tick()
    assert [(await reread(services, new)).status for new in (token, coin)] == ["paid", "paid"]
    assert await balance(terms.merchant_id) == int(token.net_raw)
    assert await drift(services) == []
    await assert_books()
    await assert_invoices()


async def test_a_fork_before_the_final_block_credits_once(
    services: Services, terms: Terms, watcher: Watcher, tron: TronDriver, usdt: str
) -> None:
    new = await new_invoice(services, terms)
    txid = await pay(tron, new, usdt)
    await tron.mine(5)
    await watcher.tick()
    (first,) = (await reread(services, new)).deposits

    await tron.fork(5, empty=True)
    await watcher.tick()
    assert (await reread(services, new)).status == "awaiting_deposit"
    await tron.mine(2)
    await watcher.tick()
    again = await reread(services, new)
    assert [deposit.id for deposit in again.deposits] == [first.id]
    assert again.status == "confirming"
    await tron.fork(3)
    await tron.mine(SOLID_BEHIND)
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, [deposit.txid for deposit in paid.deposits]) == ("paid", [txid])
    assert await balance(terms.merchant_id) == int(new.net_raw)
    await assert_books()


async def test_under_a_providers_limit_a_payment_in_time_stays_in_time(
    services: Services, terms: Terms, watcher: Watcher, tron: TronDriver, usdt: str
) -> None:
    """The provider answers nothing for the rest of the invoice's time: the invoice is not expired for that, and what
    was paid meanwhile counts by the time of its block."""
    new = await new_invoice(services, terms)
    await tron.faults(NODE, answers=[{"status": 429, "body": SUSPENDED, "times": 10_000}])
    await pay(tron, new, usdt)
    await tron.mine(SOLID_BEHIND + 1)
    for _ in range(3):
        with pytest.raises(NodeUnavailable, match="limit of requests"):
            await watcher.tick()
    clock.shift(timedelta(days=1))
    with pytest.raises(NodeUnavailable):
        await watcher.tick()
    assert (await reread(services, new)).status == "awaiting_deposit"
    symptoms = [symptom async for symptom in examine_networks(services.networks)]
    assert any("its limit of requests is reached" in each.message for each in symptoms)
    assert (await new_invoice(services, terms)).pay_in.address  # the method stays on offer

    await tron.faults(NODE)
    await asyncio.sleep(1.1)  # the time that the provider has named
    await watcher.tick()
    paid = await reread(services, new)
    assert (paid.status, paid.deposits[0].verdict) == ("paid", "exact")


async def test_steady_blocks_stay_within_a_providers_day(
    services: Services, terms: Terms, watcher: Watcher, tron: TronDriver, usdt: str
) -> None:
    """100,000 requests a day are 3.47 a block. A payment in each block is the worst case: finality is asked at each."""
    new = await new_invoice(services, terms)

    async def asked_for(blocks: int, *, paying: bool) -> int:
        before = int(sum((await tron.state())["requests"][NODE].values()))
        for _ in range(blocks):
            if paying:
                await tron.pay(new.pay_in.address, 1_000_000, contract=usdt)
            await tron.mine()
            await watcher.tick()
        return int(sum((await tron.state())["requests"][NODE].values())) - before

    rounds = 30
    assert await asked_for(rounds, paying=False) <= 2 * rounds + 2
    assert await asked_for(rounds, paying=True) <= 3 * rounds + 2


async def test_a_network_that_is_limited_stops_no_other(
    environment: dict[str, str], tmp_path: Path, tron_node: TronNode, tron: TronDriver, usdt: str, anvil: Anvil
) -> None:
    from app.wiring import running, wire

    tron_text = tron_networks_toml(f"{tron_node.api_url}/{NODE}", usdt, tron_node.genesis_id)
    (tmp_path / "networks.toml").write_text(tron_text + networks_toml(anvil.rpc_url, "0x" + "ab" * 20))
    async with running(wire(load(environment))) as services:
        await empty_redis()
        watchers = services.watchers()
        await tron.faults(NODE, answers=[{"status": 403, "body": SUSPENDED, "times": 10_000}])
        with pytest.raises(NodeUnavailable):
            await watchers[0].tick()
        await watchers[1].tick()
