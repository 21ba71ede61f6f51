"""A node whose pool is full takes no cheap transaction any more, also not one of ours that it had: such a parent is
sent together with the child that pays for it."""

from collections.abc import Iterator

import pytest

from app.sandbox import bitcoind as bitcoind_module
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from tests.services import bitcoind_or_skip
from tests.signer.bitcoin_under_test import BitcoinUnderTest
from tests.signer.test_bitcoin_payouts import ONE_COIN

DATA_BYTES = 98_000
FILLERS = 60


@pytest.fixture(scope="module")
def bitcoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    """A node with the smallest pool that there is, and large transactions to fill it with."""
    bitcoind_or_skip()
    node = bitcoind_module.start(
        tmp_path_factory.mktemp("small_pool"), options=["-maxmempool=5", "-datacarriersize=100000"]
    )
    yield node
    node.stop()


async def fill_pool(node: BitcoinDriver, fee_rate: int) -> None:
    """Send transactions of 98 kB at this rate until the pool is full and asks for more than it did."""
    coins = [coin for coin in await node.call("listunspent", 1) if coin["amount"] >= 1]
    for coin in coins:
        outputs = [{"data": DATA_BYTES * "00"}]
        draft = await node.call("createrawtransaction", [{"txid": coin["txid"], "vout": coin["vout"]}], outputs)
        options = {"fee_rate": fee_rate, "add_inputs": False}
        funded = await node.call("fundrawtransaction", draft, options)
        signed = await node.call("signrawtransactionwithwallet", funded["hex"])
        await node.call("sendrawtransaction", signed["hex"], 0)


async def split(node: BitcoinDriver, count: int) -> None:
    """Make so many coins of one bitcoin."""
    await node.call("sendmany", "", {await node.address(): 1 for _ in range(count)})
    await node.mine()


@ONE_COIN
async def test_a_parent_below_the_floor_is_sent_with_its_child(bitcoin_setup: BitcoinUnderTest) -> None:
    setup = bitcoin_setup
    await split(setup.node, FILLERS)
    await setup.watcher.tick()
    setup.proxy.estimate_sat_vb = 1
    first = await setup.approved("0.001")
    await setup.signer.tick()
    second = await setup.approved("0.002")
    await setup.rounds(2)
    parent, child = (await setup.attempts())[-2:]
    await fill_pool(setup.node, 5)
    floor = int((await setup.node.call("getmempoolinfo"))["mempoolminfee"] * 10**8)
    assert floor > 1_000
    assert not {parent["txid"], child["txid"]} & set(await setup.node.pool())
    setup.proxy.estimate_sat_vb = 30
    await setup.wait_for_bump()
    *_, last = await setup.attempts()
    assert last["replaces"] == child["id"]
    assert setup.proxy.count("submitpackage") >= 1
    assert {parent["txid"], last["txid"]} <= set(await setup.node.pool())
    entry = await setup.node.call("getmempoolentry", last["txid"])
    assert int(entry["fees"]["ancestor"] * 10**8) >= 30 * entry["ancestorsize"]
    while await setup.node.pool():
        await setup.node.mine()
    payouts = [*first, *second]
    await setup.until_confirmed(payouts)
    await setup.assert_paid_once(payouts)
