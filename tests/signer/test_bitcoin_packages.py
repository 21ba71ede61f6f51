"""A node whose pool is full takes no cheap transaction any more, also not one of ours that it had: such a parent is
sent together with the child that pays for it."""

from collections.abc import Iterator

import pytest

from app.sandbox import bitcoind as bitcoind_module
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.sandbox.bitcoind import Bitcoind
from app.signer.keystore import SpendingKeys, new_mnemonic
from tests.services import bitcoind_or_skip
from tests.signer.bitcoin_under_test import ACCOUNT_PATH, BitcoinUnderTest, account_address
from tests.signer.test_bitcoin_payouts import ONE_COIN

OUTPUTS = 3_000
"""Of a transaction of 93 kB."""

FILLERS = 60


@pytest.fixture(scope="module")
def bitcoind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bitcoind]:
    """A node with the smallest pool that there is."""
    bitcoind_or_skip()
    node = bitcoind_module.start(tmp_path_factory.mktemp("small_pool"), options=["-maxmempool=5"])
    yield node
    node.stop()


async def fill_pool(node: BitcoinDriver) -> None:
    """Send large transactions, each at a higher rate, until the pool is full and asks for more than it did."""
    xpub = SpendingKeys(new_mnemonic()).account(ACCOUNT_PATH).xpub
    outputs = [{account_address(xpub, 0, index): 0.00001} for index in range(OUTPUTS)]
    coins = [coin for coin in await node.call("listunspent", 1) if coin["amount"] >= 1]
    for fee_rate, coin in enumerate(coins[:FILLERS], start=3):
        if await floor(node) > 1_000:
            break
        draft = await node.call("createrawtransaction", [{"txid": coin["txid"], "vout": coin["vout"]}], outputs)
        funded = await node.call("fundrawtransaction", draft, {"fee_rate": fee_rate, "add_inputs": False})
        signed = await node.call("signrawtransactionwithwallet", funded["hex"])
        await node.call("sendrawtransaction", signed["hex"], 0)


async def floor(node: BitcoinDriver) -> int:
    """The least rate that the node takes now, in satoshi per 1,000 vB."""
    return int((await node.call("getmempoolinfo"))["mempoolminfee"] * 10**8)


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
    await fill_pool(setup.node)
    assert await floor(setup.node) > 1_000
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
