"""Nodes that lose replies, forget transactions or go away: one transfer, and never a payment called failed for it."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta

import msgspec
import pytest

from app.core import clock
from app.core.settings import Settings
from app.networks.config import NodeUrl, load_networks
from app.networks.evm.sending import EvmSender
from app.networks.port import Broadcast, NodeUnavailable, Signed
from app.sandbox.anvil import Anvil
from app.signer.transactions import under_way
from tests.fakes.evm_proxy import EvmProxy, evm_proxy
from tests.withdrawals.till import Till, new_address


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


async def test_a_lost_reply_is_answered_by_the_same_bytes(till: Till, proxy: EvmProxy) -> None:
    asked = await till.approved("12.00")
    proxy.lost_replies = {"eth_sendRawTransaction"}
    for _ in range(3):
        try:
            await till.signer.tick()
        except NodeUnavailable:
            assert (await till.read(asked.id)).status == "approved"  # nothing is known, nothing is claimed
    assert await till.sent_to(asked.destination) == [12_000_000]  # the node has it all the while
    proxy.lost_replies = set()
    await till.until_confirmed(asked.id)
    assert len(set(proxy.sent)) == 1
    assert len(await till.transactions()) == 1
    assert await till.sent_to(asked.destination) == [12_000_000]
    await till.check()


async def test_what_the_node_has_already_counts_as_sent(till: Till, proxy: EvmProxy, still_chain: None) -> None:
    """The reply is lost, and the node, asked again, says that it knows the transaction."""
    asked = await till.approved("12.00")
    proxy.lost_replies = {"eth_sendRawTransaction"}
    with pytest.raises(NodeUnavailable):
        await till.signer.tick()
    proxy.lost_replies = set()
    (stored,) = await till.transactions()
    ((line,),) = await under_way("ethereum:test")
    assert line.txid == stored["txid"]
    assert (await till.signer._tracker.hand_over(line)).value == "accepted"
    assert (await till.read(asked.id)).status == "submitted"
    await till.driver.mine(1)
    await till.until_confirmed(asked.id)
    assert await till.sent_to(asked.destination) == [12_000_000]


async def test_what_the_node_forgets_is_sent_again(till: Till, proxy: EvmProxy, still_chain: None) -> None:
    asked = await till.approved("12.00")
    await till.rounds()
    assert (await till.read(asked.id)).status == "submitted"
    for _ in range(3):
        await till.driver.call("anvil_dropAllTransactions")
        await till.rounds()
        assert (await till.read(asked.id)).status == "submitted"
    await till.driver.mine(1)
    await till.until_confirmed(asked.id)
    assert len(proxy.sent) == 4
    assert len(set(proxy.sent)) == 1
    assert await till.sent_to(asked.destination) == [12_000_000]
    await till.check()


async def test_a_node_that_is_down_for_an_hour_delays_and_nothing_else(
    till: Till, proxy: EvmProxy, still_chain: None
) -> None:
    # Given a payout on its way and one that is approved only,
    on_its_way = await till.approved("12.00")
    await till.rounds()
    waits = await till.approved("3.00")
    # when the node is away, and has forgotten what it had when it comes back,
    proxy.is_down = True
    for _ in range(60):
        clock.shift(timedelta(minutes=1))
        with pytest.raises(NodeUnavailable):
            await till.signer.tick()
        assert [(await till.read(one.id)).status for one in (on_its_way, waits)] == ["submitted", "approved"]
    await till.driver.call("anvil_dropAllTransactions")
    proxy.is_down = False
    # then both go out, once.
    await till.rounds()
    await till.driver.mine(1)
    for one in (on_its_way, waits):
        await till.until_confirmed(one.id)
    assert await till.sent_to(on_its_way.destination) == [12_000_000]
    assert await till.sent_to(waits.destination) == [3_000_000]
    assert [row["nonce"] for row in await till.transactions()] == [0, 1]
    await till.check()


async def test_a_refusal_is_shown_and_tried_again(till: Till, proxy: EvmProxy) -> None:
    asked = await till.approved("12.00")
    proxy.refuses = {"eth_sendRawTransaction": "the moon is in the wrong house"}
    await till.rounds(2)
    waiting = await till.read(asked.id)
    assert (waiting.status, waiting.waiting_reason) == (
        "approved",
        "the node does not take the transaction; it is sent again",
    )
    assert await till.alerts() == {"transaction_refused": "warning"}
    proxy.refuses = {}
    assert (await till.until_confirmed(asked.id)).waiting_reason is None
    assert await till.sent_to(asked.destination) == [12_000_000]


async def test_only_a_conflicting_final_transaction_frees_the_money(till: Till, proxy: EvmProxy) -> None:
    """Somebody else has the hot wallet's key, and uses the nonce. Until that is final the payout is under way."""
    before = await till.balance()
    asked = await till.approved("12.00")
    proxy.refuses = {"eth_sendRawTransaction": "busy"}
    await till.rounds()
    await till.driver.call("anvil_impersonateAccount", till.hot)
    await till.driver.transfer_native(new_address(), 1, sender=till.hot)
    await till.driver.call("anvil_stopImpersonatingAccount", till.hot)
    proxy.refuses = {}
    await till.rounds(2)
    assert (await till.read(asked.id)).status == "approved"
    await till.driver.mine(3)
    await till.rounds()
    failed = await till.read(asked.id)
    assert (failed.status, failed.status_reason) == ("failed", "another transaction took its place")
    assert await till.balance() == before
    assert (await till.alerts())["nonce_taken"] == "critical"
    assert await till.sent_to(asked.destination) == []


async def test_a_node_that_answers_counts_more_than_one_that_is_away(
    chain_settings: Callable[..., Settings], till: Till, proxy: EvmProxy
) -> None:
    """The first node is away for days; the second says what it thinks of a transaction."""
    config = load_networks(chain_settings().networks_file)["ethereum:test"]
    nodes = (NodeUrl("http://127.0.0.1:9"), NodeUrl(proxy.url))
    sender = EvmSender(msgspec.structs.replace(config, rpc_urls=nodes))
    try:
        for words, meaning in (
            ("already known", Broadcast.ACCEPTED),
            ("nonce too low", Broadcast.NONCE_TOO_LOW),
            ("replacement transaction underpriced", Broadcast.UNDERPRICED),
            ("insufficient funds for gas * price + value", Broadcast.SHORT),
            ("no", Broadcast.REFUSED),
        ):
            proxy.refuses = {"eth_sendRawTransaction": words}
            sender._rpc._preferred = 0
            assert await sender.broadcast(Signed("0x" + 64 * "1", b"\x02")) is meaning
        proxy.is_down = True
        with pytest.raises(NodeUnavailable):
            await sender.broadcast(Signed("0x" + 64 * "1", b"\x02"))
    finally:
        await sender.aclose()
