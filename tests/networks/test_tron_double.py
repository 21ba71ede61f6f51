"""Reading Tron through the sandbox's node, whose contracts a real virtual machine executes."""

from collections.abc import AsyncIterator, Callable, Collection, Set
from typing import Any

import pytest

from app.networks.port import Block, ChainMoved, NodeSyncing, NodeUnavailable
from app.networks.throttle import LocalThrottle
from app.networks.tron.chain import TronChain
from app.networks.tron.node import KeyRejected
from app.sandbox.tron_double.state import SOLID_BEHIND
from app.sandbox.tron_driver import ISSUER_KEY, TronDriver, evm
from app.sandbox.tron_node import TronNode
from tests.factories.tron import tron_network

MILLION = 10**6
SUPPLY_RAW = 10**15

Chains = Callable[..., TronChain]


@pytest.fixture
async def usdt(tron: TronDriver) -> str:
    """A token with USDT's traps."""
    return await tron.deploy_stablecoin(SUPPLY_RAW)


@pytest.fixture
async def chains(tron: TronDriver, tron_node: TronNode, usdt: str) -> AsyncIterator[Chains]:
    """Makes chains on the node, or on others of it by their names."""
    made: list[TronChain] = []

    def make(*names: str, **changes: Any) -> TronChain:
        urls = [tron.node_url(name) if name else tron.api_url for name in names or ("",)]
        config = tron_network(urls, usdt=usdt, genesis_hash=tron_node.genesis_id, **changes)
        made.append(TronChain(config, LocalThrottle()))
        return made[-1]

    yield make
    for chain in made:
        await chain.aclose()


def our(chain: TronChain, index: int = 0) -> str:
    return chain.derive_address(index)


async def read(chain: TronChain, above: int) -> list[Block]:
    """All blocks above a height, with what comes to our first addresses."""
    mine = {chain.derive_address(index) for index in range(3)}

    async def ours(addresses: Collection[str]) -> Set[str]:
        return mine & set(addresses)

    head = await chain.head_height()
    return await chain.blocks(above + 1, head, ours)


def came(blocks: list[Block]) -> list[tuple[str, str, int, int]]:
    return [(t.txid, t.asset_symbol, t.index, t.amount_raw) for block in blocks for t in block.transfers]


async def test_money_comes_in_by_transfer_by_log_and_through_contracts(
    tron: TronDriver, usdt: str, chains: Chains
) -> None:
    chain, blind = chains(internal_transactions=True), chains()
    first, second = our(chain), our(chain, 1)
    spreader = await tron.deploy("Spreader")
    start = await tron.mine()

    token = await tron.pay(first, 25 * MILLION, contract=usdt)
    coin = await tron.pay(second, 3 * MILLION)
    spread = await tron.call_contract(
        spreader, "pay(address[],uint256[])", [evm(first), evm(second)], [5, 6], value_sun=11
    )
    vain = await tron.call_contract(spreader, "payInVain(address,uint256)", evm(first), 9, value_sun=9)
    await tron.call_contract(usdt, "transfer(address,uint256)", evm(first), 10**30)  # fails: nobody has so much
    await tron.mine(2)

    expected = [(token, "USDT", 0, 25 * MILLION), (coin, "TRX", -1, 3 * MILLION)]
    blocks = await read(chain, start)
    assert sorted(came(blocks)) == sorted([*expected, (spread, "TRX", -2, 5), (spread, "TRX", -3, 6)])
    assert vain not in {txid for txid, *_ in came(blocks)}
    assert sorted(came(await read(blind, start))) == sorted(expected)
    # The balance shows what a node without internal transactions hides.
    final = await tron.mine_solid()
    assert await blind.balances_raw([first, second], "TRX", final) == {first: 5, second: 3 * MILLION + 6}


async def test_a_fee_a_freeze_and_destroyed_funds(tron: TronDriver, usdt: str, chains: Chains) -> None:
    chain = chains()
    first = our(chain)
    await tron.pay(first, 100 * MILLION, contract=usdt)
    start = await tron.mine()
    await tron.call_contract(usdt, "setParams(uint256,uint256)", 10, 40)
    await tron.mine()
    await tron.pay(first, 100 * MILLION, contract=usdt)
    await tron.call_contract(usdt, "addBlackList(address)", evm(first))
    await tron.mine()
    before = await tron.mine()
    await tron.pay(first, 1 * MILLION, contract=usdt)  # who is frozen still receives
    await tron.call_contract(usdt, "destroyBlackFunds(address)", evm(first))
    await tron.call_contract(usdt, "removeBlackList(address)", evm(first))
    await tron.call_contract(usdt, "pause()")
    await tron.mine()
    await tron.call_contract(usdt, "unpause()")
    last = await tron.mine()
    await tron.mine_solid()
    assert await chain.balances_raw([first], "USDT", before) == {first: 199_900_000}
    assert await chain.balances_raw([first], "USDT", last) == {first: 0}
    await tron.call_contract(usdt, "deprecate(address)", evm(tron.customer))
    await tron.mine()

    blocks = await read(chain, start)
    assert [amount for *_, amount in came(blocks)] == [99_900_000, 999_000]
    kinds = [(d.kind, d.address, d.amount_raw) for block in blocks for d in block.dangers]
    assert kinds == [
        ("frozen", first, 0),
        ("destroyed", first, 199_900_000 + 999_000),
        ("unfrozen", first, 0),
        ("paused", None, 0),
        ("unpaused", None, 0),
        ("replaced", None, 0),
    ]


async def test_a_fork_before_the_final_block_moves_a_payment_to_another_block(
    tron: TronDriver, usdt: str, chains: Chains
) -> None:
    chain = chains()
    start = await tron.mine()
    txid = await tron.pay(our(chain), 7, contract=usdt)
    await tron.mine(3)
    await read(chain, start)
    before = [await chain.block_ref(height) for height in range(start, start + 4)]

    await tron.fork(3)
    blocks = await read(chain, start)
    assert [entry[0] for entry in came(blocks)] == [txid]
    after = [await chain.block_ref(height) for height in range(start, start + 4)]
    assert after[0] == before[0]
    assert all(a != b for a, b in zip(after[1:], before[1:], strict=True))
    assert await chain.finality() < start
    await tron.mine(SOLID_BEHIND + 3)
    await chain.head_height()
    assert await chain.finality() > start


async def test_nodes_with_faults_hide_nothing(tron: TronDriver, usdt: str, chains: Chains) -> None:
    start = await tron.mine()
    txid = await tron.pay(our(chains()), 7, contract=usdt)
    await tron.mine(SOLID_BEHIND)
    await tron.fork(SOLID_BEHIND, empty=True)  # the payment waits again
    head = await tron.mine()

    hidden = chains("hides")
    await tron.faults("hides", hidden_infos=[txid])
    with pytest.raises(ChainMoved):
        await read(hidden, start)
    forked = chains("forked")
    await tron.faults("forked", infos_of_fork=True)
    with pytest.raises(ChainMoved):
        await read(forked, start)
    behind = chains("behind")
    await tron.faults("behind", lag=60)  # three minutes
    assert await read(chains("behind", ""), start)
    with pytest.raises(NodeSyncing):
        await behind.head_height()
    missing = chains("missing")
    await tron.faults("missing", missing_blocks=[head - 1])
    with pytest.raises(ChainMoved):
        await read(missing, start)
    lite = chains("lite")
    closed = "this API is closed because this node is a lite fullnode"
    await tron.faults("lite", answers=[{"path": "getblockbylimitnext", "body": closed, "times": 100}])
    with pytest.raises(NodeUnavailable, match="lite fullnode"):
        await read(lite, start)
    keyed = chains("keyed")
    await tron.faults("keyed", key="secret-key-of-a-provider")
    with pytest.raises(KeyRejected):
        await keyed.head_height()
    assert [entry[0] for entry in came(await read(chains(), start))] == [txid]


async def test_what_an_account_of_ours_signs_and_other_keys_for_it(tron: TronDriver, usdt: str, chains: Chains) -> None:
    """The issuer's address is taken for one of ours: its key is at hand."""
    chain = chains()
    mine = tron.issuer
    start = await tron.mine()
    await tron.pay(our(chain), 5, key=ISSUER_KEY)
    await tron.call_contract(usdt, "pause()", key=ISSUER_KEY)
    await tron.mine()

    async def ours(addresses: Collection[str]) -> Set[str]:
        return {mine} & set(addresses)

    head = await chain.head_height()
    blocks = await chain.blocks(start + 1, head, ours)
    assert [sent.address for block in blocks for sent in block.sent] == [mine, mine]
    final = await tron.mine_solid()
    before, after = [(await chain.balances_raw([mine], "TRX", height))[mine] for height in (start, final)]
    spent = sum(each.fee_raw for each in (await chain.settlements([s.txid for b in blocks for s in b.sent])).values())
    assert before - after == 5 + spent > 5
