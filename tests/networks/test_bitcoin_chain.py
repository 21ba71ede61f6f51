"""Blocks, pool and balances of a real Bitcoin node."""

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.networks import http_node
from app.networks.bitcoin import holdings
from app.networks.bitcoin.chain import BitcoinChain
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.parameters import COINBASE_MATURITY
from app.networks.port import Block, ChainMoved, NodeSyncing, NodeUnavailable, Pool, PoolTransaction, Spend, Transfer
from app.sandbox import bitcoind as bitcoind_module
from app.sandbox.bitcoin_driver import BitcoinDriver, BitcoinDriverError
from app.sandbox.bitcoind import Bitcoind
from tests.factories.bitcoin import bitcoin_network, mined_by_hand, nothing_mined
from tests.services import bitcoind_or_skip, start_bitcoind_for_tests

COIN_RAW = 10**8


@asynccontextmanager
async def chain_of(config: BitcoinConfig) -> AsyncIterator[BitcoinChain]:
    chain = BitcoinChain(config, nothing_mined)
    try:
        yield chain
    finally:
        await chain.aclose()


@pytest.fixture
async def chain(bitcoind: Bitcoind) -> AsyncIterator[BitcoinChain]:
    async with chain_of(bitcoin_network([bitcoind.rpc_url])) as chain:
        yield chain


class Ours:
    """Addresses that are ours; what was asked is kept."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = set(addresses)
        self.asked: list[set[str]] = []

    async def __call__(self, addresses: Collection[str]) -> set[str]:
        self.asked.append(set(addresses))
        return self.addresses & set(addresses)


async def raw_transaction(bitcoin: BitcoinDriver, outputs: list[dict[str, str]], *, fee_rate: int = 5) -> str:
    """A signed transaction of the wallet with these outputs, in this order, then its change."""
    draft = await bitcoin.call("createrawtransaction", [], outputs)
    options = {"fee_rate": fee_rate, "changePosition": len(outputs)}
    funded = await bitcoin.call("fundrawtransaction", draft, options)
    return str((await bitcoin.call("signrawtransactionwithwallet", funded["hex"]))["hex"])


def brief(transfers: Collection[Transfer]) -> list[tuple[str, int, str, int]]:
    return [(t.txid, t.index, t.to_address, t.amount_raw) for t in transfers]


async def newest(chain: BitcoinChain, ours: Ours, count: int = 1) -> list[Transfer]:
    """The transfers of the newest blocks."""
    head = await chain.head_height()
    return [t for block in await chain.blocks(head - count + 1, head, ours) for t in block.transfers]


async def test_blocks_are_one_chain_and_say_what_the_node_says(chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
    await bitcoin.mine(25)
    head = await bitcoin.height()
    assert await chain.head_height() == head
    blocks = await chain.blocks(head - 24, head, Ours())
    assert [block.ref.height for block in blocks] == list(range(head - 24, head + 1))
    for block in blocks:
        assert await chain.block_ref(block.ref.height) == block.ref
    assert blocks[-1].ref.hash == await bitcoin.call("getbestblockhash")
    assert await chain.block_ref(head + 1) is None
    first = await chain.block_ref(0)
    assert first is not None
    assert (first.hash, first.parent_hash) == (await bitcoin.call("getblockhash", 0), 64 * "0")
    with pytest.raises(ChainMoved, match=f"no block {head + 1}"):
        await chain.blocks(head, head + 3, Ours())
    assert await chain.finality() == head - 2


async def test_one_transaction_pays_one_address_twice_and_another_the_same(
    chain: BitcoinChain, bitcoin: BitcoinDriver
) -> None:
    one, other, stranger = (chain.derive_address(index) for index in range(3))
    scripts = {
        address: (await bitcoin.call("getaddressinfo", address))["scriptPubKey"] for address in (one, other, stranger)
    }
    paid = [(70_000, scripts[one]), (70_000, scripts[other]), (5_000, scripts[stranger]), (70_000, scripts[one])]
    txid = await mined_by_hand(bitcoin, *paid)
    ours = Ours(one, other)
    transfers = await newest(chain, ours)
    assert brief(transfers) == [(txid, 1, one, 70_000), (txid, 2, other, 70_000), (txid, 4, one, 70_000)]
    assert {t.from_address for t in transfers} == {None}
    assert {t.matures_at for t in transfers} == {None}
    assert len(ours.asked) == 1


async def test_blocks_say_what_spends_our_coins(chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
    """Coins that were ours before, and one that the range itself has made."""
    known = max(await bitcoin.call("listunspent", 1), key=lambda coin: coin["amount"])
    claim = f"coin:{known['txid']}:{known['vout']}"
    change = str(await bitcoin.call("getrawchangeaddress"))
    spent = [{"txid": known["txid"], "vout": known["vout"]}]
    draft = await bitcoin.call("createrawtransaction", spent, [{change: format(known["amount"] - 1, "f")}])
    signed = (await bitcoin.call("signrawtransactionwithwallet", draft))["hex"]
    await bitcoin.call("generateblock", await bitcoin.address(), [signed])
    first = (await bitcoin.call("decoderawtransaction", signed))["txid"]
    draft = await bitcoin.call(
        "createrawtransaction", [{"txid": first, "vout": 0}], [{change: format(known["amount"] - 2, "f")}]
    )
    signed = (await bitcoin.call("signrawtransactionwithwallet", draft))["hex"]
    await bitcoin.call("generateblock", await bitcoin.address(), [signed])
    second = (await bitcoin.call("decoderawtransaction", signed))["txid"]
    head = await bitcoin.height()
    coins = Ours(claim)
    blocks = await chain.blocks(head - 1, head, Ours(change), coins)
    assert [block.spends for block in blocks] == [
        (Spend(claim, first, 0),),
        (Spend(f"coin:{first}:0", second, 0),),
    ]
    assert coins.asked == [{claim}], "rewards spend nothing, and what the range has made is not asked for"
    assert [block.spends for block in await chain.blocks(head - 1, head, Ours(change), Ours())] == [
        (),
        (Spend(f"coin:{first}:0", second, 0),),
    ]
    assert [block.spends for block in await chain.blocks(head - 1, head, Ours())] == [(), ()]


async def test_scripts_without_an_address_and_tiny_amounts_are_no_obstacle(
    chain: BitcoinChain, bitcoin: BitcoinDriver
) -> None:
    ours = chain.derive_address(7)
    script = (await bitcoin.call("getaddressinfo", ours))["scriptPubKey"]
    txid = await mined_by_hand(
        bitcoin,
        (0, "6a" + "4c50" + 80 * "ab"),  # OP_RETURN with data
        (1, script),  # dust, which no pool takes
        (0, script),  # nothing at all
        (1_000, "51"),  # anybody can spend it
        (1_000, "5120" + 32 * "02"),
        (1_000, "6002" + 2 * "02"),  # a witness of version 16
        (1_000, "4c"),  # ends in the middle of a push
        (1_000, ""),
        (1_000, "21" + "02" + 32 * "11" + "ac"),  # a bare public key
    )
    assert brief(await newest(chain, Ours(ours))) == [(txid, 2, ours, 1)]


async def test_taproot_addresses_are_paid_too(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    async with chain_of(bitcoin_network([bitcoind.rpc_url], address_type="p2tr")) as chain:
        address = chain.derive_address(3)
        assert address.startswith("bcrt1p")
        txid = await bitcoin.pay(address, 123_456)
        await bitcoin.mine()
        (transfer,) = await newest(chain, Ours(address))
        assert (transfer.txid, transfer.amount_raw) == (txid, 123_456)


async def test_a_reward_matures_when_the_node_lets_it_be_spent(bitcoind: Bitcoind, bitcoin: BitcoinDriver) -> None:
    """`matures_at` is the height at which a block may spend it next: with 100 confirmations, its own block counted."""
    address = await bitcoin.address()
    async with chain_of(bitcoin_network([bitcoind.rpc_url])) as chain:
        await bitcoin.mine(address=address)
        (reward,) = await newest(chain, Ours(address))
        assert reward.matures_at is not None
        coin = [{"txid": reward.txid, "vout": reward.index}]
        spend = await bitcoin.call(
            "createrawtransaction", coin, [{await bitcoin.address(): f"{(reward.amount_raw - 10_000) / COIN_RAW:.8f}"}]
        )
        raw = (await bitcoin.call("signrawtransactionwithwallet", spend))["hex"]
        await bitcoin.mine(reward.matures_at - await bitcoin.height() - 1)
        with pytest.raises(BitcoinDriverError, match="premature-spend-of-coinbase"):
            await bitcoin.call("sendrawtransaction", raw)
        await bitcoin.mine()
        assert await bitcoin.height() == reward.matures_at == reward.block.height + COINBASE_MATURITY - 1
        await bitcoin.call("sendrawtransaction", raw)


def only(pool: Pool | None) -> PoolTransaction:
    assert pool is not None
    (transaction,) = pool.transactions
    return transaction


async def test_the_pool_holds_payments_with_their_fee_and_what_they_spend(
    chain: BitcoinChain, bitcoin: BitcoinDriver
) -> None:
    address = chain.derive_address(20)
    ours = Ours(address)
    pool = await chain.pool(ours)
    assert pool is not None
    assert (pool.tip_hash, pool.transactions) == (await bitcoin.call("getbestblockhash"), ())
    await bitcoin.pay(await bitcoin.address(), 10_000)  # somebody else's
    txid = await bitcoin.pay(address, 40_000, fee_rate=12)
    found = only(await chain.pool(ours))
    decoded = await bitcoin.call("getrawtransaction", txid, 1)
    (index,) = [o["n"] for o in decoded["vout"] if o["scriptPubKey"].get("address") == address]
    assert (found.txid, found.is_replaceable) == (txid, True)
    assert found.spends == tuple(f"{i['txid']}:{i['vout']}" for i in decoded["vin"])
    assert [(t.index, t.asset_symbol, t.to_address, t.amount_raw) for t in found.transfers] == [
        (index, "BTC", address, 40_000)
    ]
    assert found.fee_rate_raw == pytest.approx(12_000, rel=0.02)

    (block,) = await bitcoin.mine()
    pool = await chain.pool(ours)
    assert pool is not None
    assert (pool.tip_hash, pool.transactions) == (block, ())
    assert brief(await newest(chain, ours)) == [(txid, index, address, 40_000)]


async def test_nothing_is_fetched_while_the_pool_is_as_before(
    chain: BitcoinChain, bitcoin: BitcoinDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ask = chain._rpc.ask

    async def counted(calls: Any, **options: Any) -> Any:
        asked.extend(call.method for call in calls)
        return await ask(calls, **options)

    monkeypatch.setattr(chain._rpc, "ask", counted)
    look = ["getbestblockhash", "getrawmempool", "getbestblockhash"]
    address = chain.derive_address(21)
    await bitcoin.pay(address, 40_000)
    await chain.pool(Ours(address))
    assert asked == [*look, "getrawtransaction", "getmempoolentry"]
    asked.clear()
    only(await chain.pool(Ours(address)))
    assert asked == look
    asked.clear()
    await bitcoin.pay(await bitcoin.address(), 40_000)
    only(await chain.pool(Ours(address)))
    assert asked == [*look, "getrawtransaction"]


async def test_large_transactions_in_the_pool_are_fetched_in_smaller_portions(
    chain: BitcoinChain, bitcoin: BitcoinDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = [chain.derive_address(200 + n) for n in range(7)]
    txids = {await bitcoin.pay(address, 40_000) for address in addresses}
    monkeypatch.setattr(http_node, "MAX_ANSWER_BYTES", 1_500)  # two transactions and all ids at the most
    pool = await chain.pool(Ours(*addresses))
    assert pool is not None
    assert {each.txid for each in pool.transactions} == txids


async def test_what_replaced_a_payment_is_named(chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
    address = chain.derive_address(22)
    ours = Ours(address)
    await bitcoin.pay(address, 40_000, fee_rate=2)
    first = only(await chain.pool(ours))
    second = await bitcoin.replace(first.txid, {address: 30_000})
    found = only(await chain.pool(ours))
    assert (found.txid, found.transfers[0].amount_raw) == (second, 30_000)
    assert await chain.replaced({first.txid: first.spends}) == {first.txid: second}
    third = await bitcoin.replace(second, {await bitcoin.address(): 30_000})
    pool = await chain.pool(ours)
    assert pool is not None
    assert pool.transactions == ()
    gone = {first.txid: first.spends, second: found.spends}
    assert await chain.replaced(gone) == {first.txid: third, second: third}
    await bitcoin.mine()
    assert set(await chain.replaced(gone)) == {first.txid, second}
    assert await chain.replaced({}) == {}


async def test_a_payment_that_a_block_excludes_is_replaced_by_that_blocks_transaction(
    chain: BitcoinChain, bitcoin: BitcoinDriver
) -> None:
    """The other transaction was never in our node's pool: only the block has it."""
    address = chain.derive_address(23)
    ours = Ours(address)
    txid = await bitcoin.pay(address, 40_000, fee_rate=9)
    waiting = only(await chain.pool(ours))
    inputs = [{"txid": s.partition(":")[0], "vout": int(s.partition(":")[2])} for s in waiting.spends]
    draft = await bitcoin.call("createrawtransaction", inputs, [{await bitcoin.address(): "0.00001000"}])
    signed = (await bitcoin.call("signrawtransactionwithwallet", draft))["hex"]
    other = (await bitcoin.call("decoderawtransaction", signed))["txid"]
    await bitcoin.call("generateblock", await bitcoin.address(), [signed])
    assert await newest(chain, ours) == []
    pool = await chain.pool(ours)
    assert pool is not None
    assert pool.transactions == ()
    assert await chain.replaced({txid: waiting.spends}) == {txid: other}
    async with chain_of(chain._config) as restarted:  # which has not read that block
        assert await restarted.replaced({txid: waiting.spends}) == {txid: None}


async def test_a_payment_that_was_only_forgotten_is_not_replaced(chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
    address = chain.derive_address(24)
    parent = await bitcoin.pay(await bitcoin.address(), 50 * COIN_RAW)
    (coin,) = [c for c in await bitcoin.call("listunspent", 0, 0) if c["txid"] == parent and c["amount"] == 50]
    spent = [{"txid": parent, "vout": coin["vout"]}]
    draft = await bitcoin.call("createrawtransaction", spent, [{address: "49.99990000"}])
    child = await bitcoin.call("signrawtransactionwithwallet", draft)
    txid = (await bitcoin.call("decoderawtransaction", child["hex"]))["txid"]
    # The child never came; its coin is there, in the pool first and in a block then.
    spends = {txid: [f"{parent}:{coin['vout']}"]}
    assert await chain.replaced(spends) == {}
    await bitcoin.mine()
    assert await chain.replaced(spends) == {}


async def test_balances_are_those_of_the_block_that_is_asked_for(chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
    one, other = await bitcoin.address(), chain.derive_address(30)
    txid = await bitcoin.pay(one, 3 * COIN_RAW)
    await bitcoin.mine()
    before = await bitcoin.height()
    outputs = (await bitcoin.call("gettransaction", txid, verbose=True))["decoded"]["vout"]
    (index,) = [output["n"] for output in outputs if output["scriptPubKey"].get("address") == one]
    await bitcoin.call("lockunspent", False, [{"txid": txid, "vout": index}])  # the wallet pays with other coins
    await bitcoin.pay(other, 2 * COIN_RAW)
    await bitcoin.mine()
    draft = await bitcoin.call("createrawtransaction", [{"txid": txid, "vout": index}], [{other: "2.9999"}])
    await bitcoin.call("sendrawtransaction", (await bitcoin.call("signrawtransactionwithwallet", draft))["hex"])
    await bitcoin.mine()
    at = [await chain.balances_raw([one, other], "BTC", before + n) for n in range(-1, 3)]
    assert [held[one] for held in at] == [0, 3 * COIN_RAW, 3 * COIN_RAW, 0]
    assert [held[other] for held in at] == [0, 0, 2 * COIN_RAW, 4_9999 * 10_000]
    with pytest.raises(LookupError):
        await chain.balances_raw([one], "USDT", before)
    with pytest.raises(NodeUnavailable, match="too far from"):
        await chain.balances_raw([one], "BTC", before + 10)


async def test_balances_of_long_ago_cannot_be_told(
    chain: BitcoinChain, bitcoin: BitcoinDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "MAX_BLOCKS_BACK", 2)
    head = await bitcoin.height()
    await chain.balances_raw([chain.derive_address(0)], "BTC", head - 2)
    with pytest.raises(NodeUnavailable, match="too far from"):
        await chain.balances_raw([chain.derive_address(0)], "BTC", head - 3)


async def test_a_block_of_four_megabytes_is_read_within_its_tick(chain: BitcoinChain, bitcoin: BitcoinDriver) -> None:
    """The event loop goes on meanwhile."""
    address = chain.derive_address(40)
    txids = []
    for _ in range(10):
        outputs = [{address: "0.0001"}, *({chain.derive_address(100 + n): "0.00001"} for n in range(2_500))]
        txids.append(await bitcoin.call("sendrawtransaction", await raw_transaction(bitcoin, outputs)))
    await bitcoin.mine()
    head = await bitcoin.height()
    info = await bitcoin.call("getblockstats", head)
    assert (info["txs"], info["total_weight"] > 3_000_000) == (11, True)
    for _ in range(3):  # a busy machine may stop all of us for a moment
        block, took_s, longest_s = await watched_reading(chain, head, Ours(address))
        assert sorted(t.txid for t in block.transfers) == sorted(txids)
        if took_s < 5 and longest_s < took_s / 2:
            return
    pytest.fail(f"read in {took_s:.2f} s, in which the event loop stood for {longest_s:.2f} s at a time")


async def watched_reading(chain: BitcoinChain, height: int, ours: Ours) -> tuple[Block, float, float]:
    """A block, how many seconds it took to read it, and the longest time in which the event loop did nothing else."""
    longest_s, done = 0.0, asyncio.Event()

    async def beat() -> None:
        nonlocal longest_s
        while not done.is_set():
            before_s = time.monotonic()
            await asyncio.sleep(0.005)
            longest_s = max(longest_s, time.monotonic() - before_s)

    beating = asyncio.create_task(beat())
    started_s = time.monotonic()
    (block,) = await chain.blocks(height, height, ours)
    took_s = time.monotonic() - started_s
    done.set()
    await beating
    return block, took_s, longest_s


async def test_a_pruned_node_says_which_blocks_it_lacks(tmp_path: Path) -> None:
    bitcoind_or_skip()
    node = bitcoind_module.start(tmp_path, options=["-prune=1", "-fastprune"])
    try:
        bitcoin = await BitcoinDriver.connect(node.rpc_url)
        await bitcoin.mine(1_400)
        kept_from = await bitcoin.call("pruneblockchain", 1_100) + 1
        async with chain_of(bitcoin_network([node.rpc_url])) as chain:
            head = await chain.head_height()
            assert len(await chain.blocks(head - 20, head, Ours())) == 21
            assert await chain.block_ref(10) is not None
            with pytest.raises(NodeUnavailable, match=r"from block 10: .*a node that has these blocks is needed"):
                await chain.blocks(10, 12, Ours())
            assert kept_from > 100
            address = await bitcoin.address()
            await bitcoin.pay(address, 77_000)
            await bitcoin.mine()
            assert await chain.balances_raw([address], "BTC", head + 1) == {address: 77_000}
        await bitcoin.aclose()
    finally:
        node.stop()


async def test_a_node_that_downloads_the_chain_is_waited_for(tmp_path: Path) -> None:
    """A regtest node says so of a chain without a block, and of one whose newest block is older than a day."""
    bitcoind_or_skip()
    node = bitcoind_module.start(tmp_path, options=["-maxtipage=86400"])
    try:
        async with chain_of(bitcoin_network([node.rpc_url])) as chain:
            for question in (chain.check_identity, chain.head_height):
                with pytest.raises(NodeSyncing, match="still downloads the chain: block 0 of 0"):
                    await question()
            bitcoin = await BitcoinDriver.connect(node.rpc_url)
            assert await chain.head_height() == await bitcoin.height()
            await bitcoin.aclose()
    finally:
        node.stop()


async def test_of_two_nodes_the_one_with_more_work_is_asked(
    bitcoind: Bitcoind, bitcoin: BitcoinDriver, tmp_path: Path
) -> None:
    with start_bitcoind_for_tests(tmp_path) as other:
        behind = await BitcoinDriver.connect(other.rpc_url)
        await bitcoin.mine(3)
        head, tip = await bitcoin.height(), await bitcoin.call("getbestblockhash")
        async with chain_of(bitcoin_network([other.rpc_url, bitcoind.rpc_url])) as chain:
            assert await chain.head_height() == head
            pool = await chain.pool(Ours())
            assert pool is not None
            assert pool.tip_hash == tip
            await behind.mine(head - await behind.height() + 1)
            assert await chain.head_height() == head + 1
            ref = await chain.block_ref(head + 1)
            assert ref is not None
            assert ref.hash == await behind.call("getbestblockhash")
            # The other node is behind: it doesn't answer in the place of this one, or blocks would seem to be gone.
            other.stop()
            with pytest.raises(NodeUnavailable):
                await chain.block_ref(head + 1)
            assert await chain.head_height() == head
            assert await chain.block_ref(head + 1) is None
        await behind.aclose()
