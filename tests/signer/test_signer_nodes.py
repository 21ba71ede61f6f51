"""Nodes that lose replies, forget transactions or are down: one transfer, and no payment is marked failed for it."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta

import msgspec
import pytest

from app.core import clock
from app.core.settings import Settings
from app.networks.config import NodeUrl
from app.networks.evm.config import EvmConfig
from app.networks.evm.sending import EvmSender
from app.networks.networks_file import load_networks
from app.networks.port import NodeUnavailable
from app.networks.sending import Broadcast, Signed
from app.sandbox.anvil import Anvil
from app.signer.repository import under_way
from tests.fakes.evm_proxy import EvmProxy, evm_proxy
from tests.signer.signer_under_test import SignerUnderTest, new_address


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[EvmProxy]:
    async with evm_proxy(anvil.rpc_url) as proxy:
        yield proxy


@pytest.fixture
def node_url(proxy: EvmProxy) -> str:
    return proxy.url


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"fee_bump_after_s": 86_400}


async def test_after_a_lost_reply_the_same_bytes_are_sent_again(setup: SignerUnderTest, proxy: EvmProxy) -> None:
    requested = await setup.approved("12.00")
    proxy.lost_replies = {"eth_sendRawTransaction"}
    for _ in range(3):
        try:
            await setup.signer.tick()
        except NodeUnavailable:
            assert (await setup.read(requested.id)).status == "approved"  # nothing is known, so the status stays
    assert await setup.sent_to(requested.destination) == [12_000_000]  # the node had it the whole time
    proxy.lost_replies = set()
    await setup.until_confirmed(requested.id)
    assert len(set(proxy.sent)) == 1
    assert len(await setup.transactions()) == 1
    assert await setup.sent_to(requested.destination) == [12_000_000]
    await setup.check()


async def test_a_transaction_that_the_node_knows_counts_as_sent(
    setup: SignerUnderTest, proxy: EvmProxy, still_chain: None
) -> None:
    """The reply is lost, and at the second attempt the node reports that it knows the transaction."""
    requested = await setup.approved("12.00")
    proxy.lost_replies = {"eth_sendRawTransaction"}
    with pytest.raises(NodeUnavailable):
        await setup.signer.tick()
    proxy.lost_replies = set()
    (stored,) = await setup.transactions()
    ((line,),) = await under_way("ethereum:test")
    assert line.txid == stored["txid"]
    assert (await setup.signer._tracker.broadcast(line)).value == "accepted"
    assert (await setup.read(requested.id)).status == "submitted"
    await setup.driver.mine(1)
    await setup.until_confirmed(requested.id)
    assert await setup.sent_to(requested.destination) == [12_000_000]


async def test_a_transaction_that_the_node_lost_is_sent_again(
    setup: SignerUnderTest, proxy: EvmProxy, still_chain: None
) -> None:
    requested = await setup.approved("12.00")
    await setup.rounds()
    assert (await setup.read(requested.id)).status == "submitted"
    for _ in range(3):
        await setup.driver.call("anvil_dropAllTransactions")
        await setup.rounds()
        assert (await setup.read(requested.id)).status == "submitted"
    await setup.driver.mine(1)
    await setup.until_confirmed(requested.id)
    assert len(proxy.sent) == 4
    assert len(set(proxy.sent)) == 1
    assert await setup.sent_to(requested.destination) == [12_000_000]
    await setup.check()


async def test_a_node_that_is_down_for_an_hour_only_delays_payments(
    setup: SignerUnderTest, proxy: EvmProxy, still_chain: None
) -> None:
    # Given a payout on its way and one that is approved only,
    on_its_way = await setup.approved("12.00")
    await setup.rounds()
    waits = await setup.approved("3.00")
    # when the node is down, and has lost its transactions afterwards,
    proxy.is_down = True
    for _ in range(60):
        clock.shift(timedelta(minutes=1))
        with pytest.raises(NodeUnavailable):
            await setup.signer.tick()
        assert [(await setup.read(one.id)).status for one in (on_its_way, waits)] == ["submitted", "approved"]
    await setup.driver.call("anvil_dropAllTransactions")
    proxy.is_down = False
    # then both are paid, once.
    await setup.rounds()
    await setup.driver.mine(1)
    for one in (on_its_way, waits):
        await setup.until_confirmed(one.id)
    assert await setup.sent_to(on_its_way.destination) == [12_000_000]
    assert await setup.sent_to(waits.destination) == [3_000_000]
    assert [row["nonce"] for row in await setup.transactions()] == [0, 1]
    await setup.check()


async def test_a_refusal_is_shown_and_tried_again(setup: SignerUnderTest, proxy: EvmProxy) -> None:
    requested = await setup.approved("12.00")
    proxy.refuses = {"eth_sendRawTransaction": "the moon is in the wrong house"}
    await setup.rounds(2)
    waiting = await setup.read(requested.id)
    assert (waiting.status, waiting.waiting_reason) == (
        "approved",
        "the node does not take the transaction; it is sent again",
    )
    assert await setup.alerts() == {"transaction_refused": "warning"}
    proxy.refuses = {}
    assert (await setup.until_confirmed(requested.id)).waiting_reason is None
    assert await setup.sent_to(requested.destination) == [12_000_000]


async def test_only_a_conflicting_final_transaction_releases_the_money(setup: SignerUnderTest, proxy: EvmProxy) -> None:
    """Somebody else has the hot wallet's key, and uses the nonce. Until that is final the payout stays in flight."""
    before = await setup.balance()
    requested = await setup.approved("12.00")
    proxy.refuses = {"eth_sendRawTransaction": "busy"}
    await setup.rounds()
    await setup.driver.call("anvil_impersonateAccount", setup.hot)
    await setup.driver.transfer_native(new_address(), 1, sender=setup.hot)
    await setup.driver.call("anvil_stopImpersonatingAccount", setup.hot)
    proxy.refuses = {}
    await setup.rounds(2)
    assert (await setup.read(requested.id)).status == "approved"
    assert (await setup.alerts())["unknown_spend"] == "critical"  # within a block, long before it is final
    await setup.driver.mine(3)
    await setup.rounds()
    failed = await setup.read(requested.id)
    assert (failed.status, failed.status_reason) == ("failed", "another transaction took its place")
    assert await setup.balance() == before
    assert (await setup.alerts())["nonce_taken"] == "critical"
    assert await setup.sent_to(requested.destination) == []


async def test_a_node_that_answers_is_preferred_to_one_that_is_down(
    chain_settings: Callable[..., Settings], setup: SignerUnderTest, proxy: EvmProxy
) -> None:
    """The first node is down for days; the second one answers."""
    config = load_networks(chain_settings().networks_file)["ethereum:test"]
    nodes = (NodeUrl("http://127.0.0.1:9"), NodeUrl(proxy.url))
    assert isinstance(config, EvmConfig)
    sender = EvmSender(msgspec.structs.replace(config, rpc_urls=nodes))
    try:
        for words, meaning in (
            ("already known", Broadcast.ACCEPTED),
            ("nonce too low", Broadcast.CLAIM_USED),
            ("replacement transaction underpriced", Broadcast.UNDERPRICED),
            ("insufficient funds for gas * price + value", Broadcast.SHORT),
            ("no", Broadcast.REFUSED),
        ):
            proxy.refuses = {"eth_sendRawTransaction": words}
            sender._rpc._nodes.prefer(0)
            assert await sender.broadcast(Signed("0x" + 64 * "1", b"\x02")) is meaning
        proxy.is_down = True
        with pytest.raises(NodeUnavailable):
            await sender.broadcast(Signed("0x" + 64 * "1", b"\x02"))
    finally:
        await sender.aclose()
