"""Sending on a Tron node: what was planned is what happens, and what it costs; what goes wrong is told apart.

The node is the sandbox's double. It executes contracts, and models accounts, bandwidth, stakes and solid blocks.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass

import msgspec
import pytest

from app.networks.port import NodeUnavailable, WouldFail
from app.networks.sending import Broadcast, Cost, Draft, Payment, Receipt, Signed, StakeMove, TimedState
from app.networks.throttle import LocalThrottle
from app.networks.tron.chain import TronChain
from app.networks.tron.config import TronConfig
from app.networks.tron.sending import TronSender
from app.sandbox.tron_driver import USDT_PENALTY, TronDriver, evm
from app.signer.outcome import Outcome, outcome
from tests.factories.tron import tron_network
from tests.factories.tron_accounts import KEY, OTHER, OWNER, RECIPIENT

MILLION = 10**6
SUPPLY_RAW = 10**12
CONFIRMATIONS = 19


class Scan:
    """Our own scan of the blocks, as the watcher keeps it: where each transaction of OWNER is."""

    def __init__(self, network: TronConfig) -> None:
        self.chain = TronChain(network, LocalThrottle())
        self.first = 1

    async def mined_in(self, txids: Collection[str]) -> Mapping[str, str]:
        async def ours(addresses: Collection[str]) -> set[str]:
            return {OWNER} & set(addresses)

        head = await self.chain.head_height()
        blocks = await self.chain.blocks(self.first, head, ours) if head >= self.first else []
        found = {sent.txid: block.ref.hash for block in blocks for sent in block.sent}
        return {txid: found[txid] for txid in txids if txid in found}


@dataclass
class World:
    """A hot wallet, OWNER, with coins and a token, on a chain with one node or more."""

    tron: TronDriver
    usdt: str
    sender: TronSender
    salt: int = 1_700_000_000_000

    async def draft(self, what: Payment | StakeMove, cost: Cost | None = None) -> Draft:
        """The draft of a payment, or of a move of stake, made now."""
        if cost is None:
            cost = await (
                self.sender.stake_cost(what) if isinstance(what, StakeMove) else self.sender.cost(OWNER, what)
            )
        self.salt += 1
        state = TimedState(
            sender=OWNER,
            reference=await self.sender.reference(),
            salt=self.salt,
            cost=cost,
            cap_raw=cost.cap_raw(await self.sender.prices()),
        )
        if isinstance(what, StakeMove):
            return self.sender.plan_stake(what, state)
        return self.sender.plan([what], state)

    async def sent(self, what: Payment | StakeMove, cost: Cost | None = None) -> Signed:
        """A transaction that a node has accepted."""
        draft = await self.draft(what, cost)
        signed = self.sender.sign(draft, KEY)
        parsed = self.sender.parse(signed.raw, draft)
        assert (parsed.payments, parsed.claims, parsed.sender) == (draft.payments, draft.claims, OWNER)
        assert await self.sender.broadcast(signed) is Broadcast.ACCEPTED
        return signed

    async def final_receipt(self, signed: Signed) -> Receipt:
        """The receipt of a transaction once its block is final."""
        await self.tron.mine_solid()
        return (await self.sender.receipts([signed.txid]))[signed.txid]


async def world_of(tron: TronDriver, usdt: str, *nodes: str) -> World:
    state = await tron.state()
    urls = [tron.api_url, *(tron.node_url(name) for name in nodes)]
    network = tron_network(urls, usdt=usdt, genesis_hash=state["genesis_id"], hot_wallet_address=OWNER)
    network = msgspec.structs.replace(network, confirmations=CONFIRMATIONS, max_head_age_s=10**9)
    scan = Scan(network)
    scan.first = state["number"] + 1
    return World(tron, usdt, TronSender(network, scan.mined_in, LocalThrottle()))


@pytest.fixture
async def usdt(tron: TronDriver) -> str:
    """A token that costs what USDT does, of which OWNER has some."""
    contract = await tron.deploy_stablecoin(SUPPLY_RAW, penalty=USDT_PENALTY)
    await tron.fund(OWNER, 1_000 * MILLION)
    await tron.pay(OWNER, 500 * MILLION, contract=contract)
    await tron.mine_solid()
    return contract


@pytest.fixture
async def world(tron: TronDriver, usdt: str) -> AsyncIterator[World]:
    world = await world_of(tron, usdt)
    yield world
    await world.sender.aclose()


def usdt_to(recipient: str, amount_raw: int = 5 * MILLION) -> Payment:
    return Payment(recipient, "USDT", amount_raw)


async def test_a_token_is_paid_and_costs_what_was_said(world: World) -> None:
    await world.tron.double("parameters", set={"getFreeNetLimit": 0})
    prices, resources = await world.sender.prices(), await world.sender.resources(OWNER)
    for recipient in (RECIPIENT, RECIPIENT):  # the first time it holds nothing
        cost = await world.sender.cost(OWNER, usdt_to(recipient))
        before_raw = (await world.sender.balances_raw([OWNER], "TRX"))[OWNER]
        signed = await world.sent(usdt_to(recipient), cost)

        receipt = await world.final_receipt(signed)

        assert outcome(receipt, [usdt_to(recipient)], OWNER) is Outcome.PAID
        assert receipt.confirmations >= CONFIRMATIONS
        assert receipt.fee_raw == cost.burned_raw(prices, resources)
        assert (await world.sender.balances_raw([OWNER], "TRX"))[OWNER] == before_raw - receipt.fee_raw
    assert await world.sender.balances_raw([RECIPIENT, OTHER], "USDT") == {RECIPIENT: 10 * MILLION, OTHER: 0}


async def test_coin_is_paid_and_makes_an_account_exist(world: World) -> None:
    await world.tron.double("parameters", set={"getFreeNetLimit": 0})
    prices = await world.sender.prices()
    paid = Payment(RECIPIENT, "TRX", 3 * MILLION)
    for activates in (True, False):
        cost = await world.sender.cost(OWNER, paid)
        receipt = await world.final_receipt(await world.sent(paid, cost))
        assert cost.activates is activates
        assert outcome(receipt, [paid], OWNER) is Outcome.PAID
        assert receipt.fee_raw == cost.burned_raw(prices, await world.sender.resources(OWNER))
    assert (await world.sender.balances_raw([RECIPIENT], "TRX", final=True))[RECIPIENT] == 6 * MILLION


async def test_what_a_customer_is_told_is_what_the_dearer_payment_takes(world: World) -> None:
    """The one to an address that is new: twice the energy, or an account to be made."""
    await world.tron.double("parameters", set={"getFreeNetLimit": 0})
    state = await world.tron.state()
    network = tron_network([world.tron.api_url], usdt=world.usdt, genesis_hash=state["genesis_id"])
    held, empty = msgspec.structs.replace(network, hot_wallet_address=OWNER), network
    told: list[dict[str, int]] = []
    for config in (held, empty, msgspec.structs.replace(network, hot_wallet_address=OTHER)):
        chain = TronChain(msgspec.structs.replace(config, max_head_age_s=10**9), LocalThrottle())
        fees = await chain.customer_fees()
        assert {(fee.coin_symbol, fee.coin_decimals) for fee in fees} == {("TRX", 6)}
        told.append({fee.asset_symbol: fee.fee_raw for fee in fees})
        await chain.aclose()

    tokens = await world.final_receipt(await world.sent(usdt_to(RECIPIENT)))
    coins = await world.final_receipt(await world.sent(Payment(RECIPIENT, "TRX", 3 * MILLION)))

    assert abs(told[0]["USDT"] - tokens.fee_raw) <= 10_000  # a byte or two: amounts differ
    assert told[0]["TRX"] == coins.fee_raw == 1_100_000
    # Nothing can be simulated for a wallet that is not there, or has nothing to send.
    assert told[1] == told[2] == {"USDT": 131_000 * 100 + 345_000, "TRX": 1_100_000}


async def test_a_recipient_that_empties_its_balance_in_between_is_paid_all_the_same(world: World) -> None:
    await world.final_receipt(await world.sent(usdt_to(world.tron.customer)))
    cost = await world.sender.cost(OWNER, usdt_to(world.tron.customer))
    held = await world.tron.balance_of(world.tron.customer, world.usdt)
    await world.tron.pay(world.tron.issuer, held, contract=world.usdt)

    receipt = await world.final_receipt(await world.sent(usdt_to(world.tron.customer), cost))

    assert outcome(receipt, [usdt_to(world.tron.customer)], OWNER) is Outcome.PAID


async def test_a_limit_that_staked_energy_would_have_covered_is_not_cut(world: World) -> None:
    await world.tron.fund(OWNER, 100 * MILLION, staked={"ENERGY": 100_000 * MILLION})
    await world.tron.mine()
    resources = await world.sender.resources(OWNER)
    cost = await world.sender.cost(OWNER, usdt_to(RECIPIENT))
    assert resources.energy > cost.energy

    receipt = await world.final_receipt(await world.sent(usdt_to(RECIPIENT), cost))
    assert (outcome(receipt, [usdt_to(RECIPIENT)], OWNER), receipt.fee_raw) == (Outcome.PAID, 0)

    # With a limit for what energy must be bought alone, the chain stops the transfer, whatever is staked.
    cut = Cost(energy=cost.energy, size=cost.size, activates=False, fee_limit_raw=1)
    receipt = await world.final_receipt(await world.sent(usdt_to(RECIPIENT), cut))
    assert outcome(receipt, [usdt_to(RECIPIENT)], OWNER) is Outcome.NOTHING


async def test_what_runs_out_of_energy_or_is_stopped_has_moved_nothing(world: World) -> None:
    cost = await world.sender.cost(OWNER, usdt_to(RECIPIENT))
    half = Cost(energy=cost.energy, size=cost.size, activates=False, fee_limit_raw=cost.energy * 100 // 2)
    exhausted = await world.sent(usdt_to(RECIPIENT), half)
    receipt = await world.final_receipt(exhausted)
    assert outcome(receipt, [usdt_to(RECIPIENT)], OWNER) is Outcome.NOTHING
    assert receipt.fee_raw // 100 == half.fee_limit_raw // 100  # all of the limit is gone

    await world.tron.call_contract(world.usdt, "addBlackList(address)", evm(OWNER))
    stopped = await world.sent(usdt_to(RECIPIENT), cost)
    receipt = await world.final_receipt(stopped)
    assert outcome(receipt, [usdt_to(RECIPIENT)], OWNER) is Outcome.NOTHING
    with pytest.raises(WouldFail):
        await world.sender.cost(OWNER, usdt_to(RECIPIENT))
    assert await world.sender.balances_raw([RECIPIENT], "USDT") == {RECIPIENT: 0}


async def test_a_fee_of_the_token_is_known_before_and_noticed_after(world: World) -> None:
    await world.tron.call_contract(world.usdt, "setParams(uint256,uint256)", 15, 40)
    await world.tron.mine()
    assert (await world.sender.token_state("USDT", [OWNER])).fee_bps == 15

    receipt = await world.final_receipt(await world.sent(usdt_to(RECIPIENT)))

    assert outcome(receipt, [usdt_to(RECIPIENT)], OWNER) is Outcome.OTHERWISE
    assert [moved.amount_raw for moved in receipt.transfers] == [5 * MILLION - 7_500, 7_500]


async def test_what_the_issuer_stops_is_told(world: World) -> None:
    assert await world.sender.token_state("USDT", [OWNER, OTHER]) == await world.sender.token_state("TRX", [])
    await world.tron.call_contract(world.usdt, "addBlackList(address)", evm(OTHER))
    await world.tron.call_contract(world.usdt, "pause()")
    await world.tron.mine()
    told = await world.sender.token_state("USDT", [OWNER, OTHER])
    assert (told.is_paused, set(told.frozen), told.fee_bps) == (True, {OTHER}, 0)
    assert [await world.sender.is_contract(each) for each in (world.usdt, OWNER, OTHER)] == [True, False, False]


async def test_energy_is_staked_lent_and_taken_back(world: World) -> None:
    sender = world.sender
    for move, staked, lent in (
        (StakeMove("stake", 200 * MILLION), 200, 0),
        (StakeMove("lend", 150 * MILLION, world.tron.customer), 200, 150),
        (StakeMove("reclaim", 100 * MILLION, world.tron.customer), 200, 50),
        (StakeMove("unstake", 30 * MILLION), 170, 50),
    ):
        receipt = await world.final_receipt(await world.sent(move))
        resources = await sender.resources(OWNER)
        assert receipt.succeeded, move
        assert (resources.staked_raw, resources.lent_raw) == (staked * MILLION, lent * MILLION), move
    assert resources.lendable_raw == 120 * MILLION
    # All of it is still held, less what bytes have cost.
    held = (await sender.balances_raw([OWNER], "TRX"))[OWNER]
    assert 998 * MILLION < held <= 1_000 * MILLION


async def test_nothing_is_confirmed_before_its_block_is_final_and_a_fork_moves_it(world: World) -> None:
    signed = await world.sent(usdt_to(RECIPIENT))
    assert await world.sender.receipts([signed.txid]) == {}
    await world.tron.mine(18)
    before = (await world.sender.receipts([signed.txid]))[signed.txid]
    assert before.confirmations == CONFIRMATIONS - 1

    await world.tron.fork(18, empty=True)
    assert await world.sender.receipts([signed.txid]) == {}
    await world.tron.mine(20)
    after = (await world.sender.receipts([signed.txid]))[signed.txid]
    assert after.block_hash != before.block_hash
    assert after.confirmations >= CONFIRMATIONS


async def test_two_equal_payments_are_both_made(world: World) -> None:
    first, second = await world.sent(usdt_to(RECIPIENT)), await world.sent(usdt_to(RECIPIENT))
    await world.tron.mine_solid()
    receipts = await world.sender.receipts([first.txid, second.txid])
    assert [outcome(receipts[each.txid], [usdt_to(RECIPIENT)], OWNER) for each in (first, second)] == 2 * [Outcome.PAID]
    assert await world.sender.balances_raw([RECIPIENT], "USDT") == {RECIPIENT: 10 * MILLION}


async def test_a_changed_byte_is_refused_by_the_node(world: World) -> None:
    draft = await world.draft(usdt_to(RECIPIENT))
    signed = world.sender.sign(draft, KEY)
    changed = signed.raw.replace((5 * MILLION).to_bytes(32), (6 * MILLION).to_bytes(32))
    answer = await world.tron.api("wallet/broadcasthex", transaction=changed.hex())
    assert answer["code"] == "SIGERROR"


async def test_an_answer_that_it_is_known_proves_nothing(world: World) -> None:
    draft = await world.draft(usdt_to(RECIPIENT))
    signed = world.sender.sign(draft, KEY)
    await world.tron.faults(id_cache=True, refusals=[{"code": "SIGERROR"}])
    assert await world.sender.broadcast(signed) is Broadcast.REFUSED
    assert await world.sender.broadcast(signed) is Broadcast.UNPROVEN
    assert await world.sender.pooled([signed.txid]) == [False]
    await world.tron.faults()
    assert await world.sender.broadcast(signed) is Broadcast.ACCEPTED
    assert outcome(await world.final_receipt(signed), [usdt_to(RECIPIENT)], OWNER) is Outcome.PAID


async def test_a_broadcast_that_failed_and_is_mined(world: World) -> None:
    signed = world.sender.sign(await world.draft(usdt_to(RECIPIENT)), KEY)
    busy = {"code": "NOT_ENOUGH_EFFECTIVE_CONNECTION", "message": "P2P broadcast failed.", "keep": True}
    await world.tron.faults(refusals=[busy])
    with pytest.raises(NodeUnavailable):
        await world.sender.broadcast(signed)
    assert outcome(await world.final_receipt(signed), [usdt_to(RECIPIENT)], OWNER) is Outcome.PAID


async def test_what_a_node_accepts_and_loses_goes_to_the_other(
    tron: TronDriver, usdt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = await world_of(tron, usdt, "second")
    try:
        await tron.faults(lose=1)
        signed = await world.sent(usdt_to(RECIPIENT))
        assert (await tron.state())["pool"] == []
        assert await world.sender.broadcast(signed) is Broadcast.ACCEPTED
        assert (await tron.state())["requests"]["second"]["wallet/broadcasthex"] == 1
        assert outcome(await world.final_receipt(signed), [usdt_to(RECIPIENT)], OWNER) is Outcome.PAID
    finally:
        await world.sender.aclose()


async def test_an_expired_one_is_absent_unless_one_node_has_it(tron: TronDriver, usdt: str) -> None:
    world = await world_of(tron, usdt, "second")
    try:
        draft = await world.draft(usdt_to(RECIPIENT))
        signed = world.sender.sign(draft, KEY)
        assert await world.sender.absent([signed.txid]) == {signed.txid: True}
        await world.sender.broadcast(signed)
        await tron.mine_solid()
        await tron.faults(absent=[signed.txid])
        assert await world.sender.absent([signed.txid]) == {signed.txid: False}
        await tron.faults("second", absent=[signed.txid])
        # All nodes lie: that is why our own scan decides.
        assert await world.sender.absent([signed.txid]) == {signed.txid: True}
        assert world.sender.expires_at(draft) > (await world.sender.reference()).final.time
    finally:
        await world.sender.aclose()


async def test_after_its_time_a_transaction_is_taken_by_nobody(world: World) -> None:
    draft = await world.draft(usdt_to(RECIPIENT))
    signed = world.sender.sign(draft, KEY)
    await world.tron.mine(61)
    assert (await world.tron.api("wallet/broadcasthex", transaction=signed.raw.hex()))["code"] == (
        "TRANSACTION_EXPIRATION_ERROR"
    )
    assert await world.sender.head_height()
    assert (await world.sender.reference()).head_time >= world.sender.expires_at(draft)
    assert await world.sender.broadcast(signed) is Broadcast.REFUSED


async def test_what_was_mined_in_time_is_not_refused_after_it(world: World) -> None:
    signed = await world.sent(usdt_to(RECIPIENT))
    await world.tron.mine(61)
    assert await world.sender.broadcast(signed) is Broadcast.UNPROVEN, "before it is known how late it is"
    await world.sender.head_height()
    assert await world.sender.broadcast(signed) is Broadcast.UNPROVEN


async def test_a_node_behind_does_not_decide(tron: TronDriver, usdt: str) -> None:
    world = await world_of(tron, usdt, "second")
    try:
        draft = await world.draft(usdt_to(RECIPIENT))
        await tron.faults(lag=40)  # it does not have the block that the transaction is made on
        signed = world.sender.sign(draft, KEY)
        assert await world.sender.broadcast(signed) is Broadcast.ACCEPTED
    finally:
        await world.sender.aclose()


async def test_a_transaction_is_found_by_its_id(world: World) -> None:
    draft = await world.draft(usdt_to(RECIPIENT))
    signed = world.sender.sign(draft, KEY)
    await world.sender.broadcast(signed)
    await world.tron.mine()
    found = await world.sender.look_up(signed.txid)
    assert found is not None
    assert found.signed == signed
    assert world.sender.parse(found.signed.raw, found.draft) == world.sender.parse(signed.raw, draft)


async def test_an_account_that_does_not_exist_has_tokens_and_is_made_by_coin(world: World) -> None:
    """What its tokens take is known before; it can send nothing until a first payment of coin has made it."""
    await world.tron.pay(OTHER, 5 * MILLION, contract=world.usdt)
    await world.tron.mine()
    assert (await world.sender.balances_raw([OTHER], "USDT"))[OTHER] == 5 * MILLION
    before = await world.sender.cost(OTHER, usdt_to(RECIPIENT))
    assert not (await world.sender.resources(OTHER)).exists
    with pytest.raises(WouldFail, match="does not exist yet"):
        await world.sender.cost(OTHER, Payment(RECIPIENT, "TRX", 1))
    await world.tron.pay(OTHER, 2 * MILLION)
    await world.tron.mine()
    assert (await world.sender.resources(OTHER)).exists
    assert await world.sender.cost(OTHER, usdt_to(RECIPIENT)) == before
