"""The desk, the API and the checkout page of a gateway whose one network is Bitcoin, over HTTP."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.api_keys.scopes import Scope
from app.core import clock
from app.core.settings import Settings, load
from app.deposits import outages_repository
from app.merchants.terms import Terms
from app.monitoring.routes import readiness
from app.networks.port import NodeSyncing, NodeUnavailable
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from tests.factories.api_keys import api_key
from tests.factories.bitcoin import NETWORK, Account, write_networks_file
from tests.factories.invoices import AskedInvoice, invoice, reread
from tests.factories.merchants import merchant, takes
from tests.identity.browsing import Browser
from tests.operator.served import Served
from tests.operator.test_pages import LISTS

MERCHANT_API = "/api/v1/merchant"


@pytest.fixture
def chain_settings(environment: dict[str, str], tmp_path: Path, bitcoind: Bitcoind) -> Callable[..., Settings]:
    account = Account()

    def make(**options: object) -> Settings:
        write_networks_file(tmp_path, bitcoind.rpc_url, account, **options)
        return load(environment)

    return make


@pytest.fixture
async def shop(served: Served) -> Terms:
    """A merchant that takes BTC."""
    merchant_id = await merchant(service_fee_bps=0)
    await takes(merchant_id, "BTC", network=NETWORK)
    return Terms(merchant_id, "test", 0, "merchant")


@pytest.fixture
async def desk(served: Served) -> Browser:
    """An operator's browser."""
    return await served.signed_in(await served.account("ops@example.test"))


async def new_invoice(served: Served, shop: Terms) -> AskedInvoice:
    return await invoice(served.services, shop, amount="0.25", currency="BTC", chain="bitcoin")


async def test_the_pages_show_a_payment_from_the_pool_to_the_credit(
    served: Served, shop: Terms, desk: Browser, bitcoin: BitcoinDriver
) -> None:
    (watcher,) = served.services.watchers()
    await watcher.tick()
    new, other = await new_invoice(served, shop), await new_invoice(served, shop)
    path = new.payment_url.removeprefix("https://pay.example.test")
    customer = served.browser("192.0.2.8")
    waiting = (await customer.get(path)).text
    assert new.pay_in.address[-8:-4] in waiting
    assert f"bitcoin:{new.pay_in.address}?amount=0.25" in waiting

    await bitcoin.pay(new.pay_in.address, int(new.pay_in.amount_raw))
    await bitcoin.pay(other.pay_in.address, int(other.pay_in.amount_raw) - 1)  # it opens a review
    await watcher.tick()
    assert "0 of 3 confirmations" in (await customer.get(path)).text
    pages = [one.replace("ethereum/test", "bitcoin/test") for one in LISTS]
    (deposit,) = (await reread(served.services, other)).deposits
    pages += [f"/desk/reviews/{deposit.id}", f"/desk/merchants/{shop.merchant_id}"]
    for confirmations in range(2):
        for page in pages:
            answer = await desk.get(page)
            assert answer.status_code == 200, (confirmations, page, answer.text[-2000:])
        await bitcoin.mine(3)
        await watcher.tick()
    assert (await reread(served.services, new)).status == "paid"
    assert "Receipt for printing" in (await customer.get(path)).text
    network = (await desk.get("/desk/networks/bitcoin/test")).text
    assert str(await bitcoin.height()) in network
    assert served.services.networks.get(NETWORK).identity in network


async def test_the_api_shows_network_invoice_and_balance(served: Served, shop: Terms, bitcoin: BitcoinDriver) -> None:
    (watcher,) = served.services.watchers()
    await watcher.tick()
    peppers = served.services.settings.api_key_peppers
    key = await api_key(peppers, scopes=[scope.value for scope in Scope], merchant_id=shop.merchant_id)
    headers = {"Authorization": f"Bearer {key.full}"}
    client = served.browser("192.0.2.9").client
    body = {"amount": "0.25", "currency": "BTC", "chain": "bitcoin"}
    made = await client.post(f"{MERCHANT_API}/invoices", json=body, headers=headers | {"Idempotency-Key": "order-1"})
    assert made.status_code == 201, made.text
    await bitcoin.pay(made.json()["pay_in"]["address"], 25_000_000)
    await watcher.tick()

    async def get(path: str) -> Any:
        answer = await client.get(MERCHANT_API + path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    (network,) = (await get("/networks"))["data"]
    assert network["chain"] == "bitcoin"
    assert network["chain_id"] is None
    assert network["coverage_contiguous"] is True
    assert network["last_scanned_block"]["hash"] == await bitcoin.call("getbestblockhash")
    (pending,) = (await get("/balance"))["data"]
    assert (pending["available_raw"], pending["pending_raw"]) == ("0", "25000000")
    await bitcoin.mine(3)
    await watcher.tick()
    (credited,) = (await get("/balance"))["data"]
    assert (credited["available_raw"], credited["pending_raw"]) == ("25000000", "0")
    found = await get(f"/invoices/{made.json()['id']}")
    assert found["status"] == "paid"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (NodeSyncing("http://10.0.0.5:8332: still downloads the chain: block 5 of 9"), "node syncing"),
        (NodeUnavailable("http://10.0.0.5:8332: ConnectError"), "node unavailable"),
    ],
)
async def test_an_outage_is_shown_until_it_ends(
    served: Served, desk: Browser, error: NodeUnavailable, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (watcher,) = served.services.watchers()

    async def out() -> int:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(watcher._chain, "head_height", out)
        await watcher._tick_then_pause_s()  # before the network was read for the first time
        assert {key: check.reason for key, check in (await readiness()).networks.items()} == {NETWORK: reason}
        assert str(error) in (await desk.get("/desk/networks")).text
    await watcher._tick_then_pause_s()
    ready = await readiness()
    assert (ready.state, ready.networks[NETWORK].reason) == ("ok", None)
    with monkeypatch.context() as patch:
        patch.setattr(watcher._chain, "head_height", out)
        since = clock.now()
        await watcher._tick_then_pause_s()
        await watcher._tick_then_pause_s()
        (outage,) = await outages_repository.outages()
        assert outage.since >= since
        assert (await readiness()).networks[NETWORK].reason == reason
        assert "10.0.0.5" not in str(await readiness())
        assert str(error) in (await desk.get("/desk/networks/bitcoin/test")).text
    (restarted,) = served.services.watchers()  # knows nothing of the outage
    await restarted._tick_then_pause_s()
    assert await outages_repository.outages() == []
