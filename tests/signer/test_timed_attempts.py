"""Attempts that are limited in time, whatever a node says: another one is signed only when the last one is dead, and a
withdrawal is never paid twice where we could have prevented it."""

from contextlib import nullcontext

import asyncpg
import pytest

from app.core import clock, database
from app.networks.port import ChainMoved, Danger, NodeUnavailable, TokenState
from app.networks.sending import Broadcast, Draft, Resources
from app.signer import missing
from app.signer.account_spending import NothingToAccountFor, account_for
from app.signer.funds import UnknownTransaction
from app.signer.repository import Stored
from app.signer.timed_funds import MAY_LACK, TimedFunds
from app.signer.timed_presence import WRITE_EVERY
from app.signer.tracking import OVER
from app.withdrawals import holds
from tests.factories.tampering import as_superuser
from tests.fakes.timed import COIN, CUSTOMER, ENERGY, FEE_RAW, TOKEN, Moved, TimedChain, lost
from tests.fakes.timed_world import FINAL, TimedWorld, txids
from tests.signer.crashing import Killed
from tests.signer.tron_under_test import NETWORK

PAID_RAW, PAYOUT_RAW = 100_000_000, 12_000_000


async def test_payouts_and_refunds_are_confirmed_once_they_are_final(world: TimedWorld, chain: TimedChain) -> None:
    made = await world.paid(50_000_000)
    payout, refund = await world.approved(PAYOUT_RAW), await world.approved_refund(made, 5_000_000)
    coin = await world.paid(3_000_000, COIN)
    in_coin = await world.approved(1_000_000, COIN)
    await world.signer.tick()
    await world.blocks(FINAL - 1)
    await world.signer.tick()
    assert (await world.read(payout.id)).status == "submitted"  # in a block, which is not final yet
    await world.rounds(2)
    assert await world.statuses() == ["confirmed"] * 3
    assert chain.arrived_raw(refund.refund_address) == [5_000_000]
    assert {row["nonce"] for row in await world.attempts()} == {None}
    assert await world.balance(owner="platform:treasury", asset=COIN) == (500_000_000 - 2 * FEE_RAW - 345_000, 0)
    assert await world.alerts() == {}
    await world.assert_paid_once(payout)
    await world.assert_paid_once(in_coin)
    assert coin.status == "paid"


async def test_an_attempt_that_nobody_mined_is_signed_anew_only_when_it_is_dead(
    world: TimedWorld, chain: TimedChain
) -> None:
    payout = await world.approved(PAYOUT_RAW)
    chain.drops = True
    await world.signer.tick()
    # Until its time is over, the same bytes are sent again.
    await world.rounds(3)
    assert len(set(chain.sent)) == 1 < len(chain.sent)
    chain.drops = False
    sent = len(chain.sent)
    # Over, and the block after its end is not final: nothing is sent, nothing is signed.
    chain.skip(61)
    await world.blocks(FINAL - 2)
    await world.signer.tick()
    assert (await world.waits_for(payout.id), len(chain.sent)) == (OVER, sent)
    assert await world.statuses() == ["submitted"]
    # Dead: another attempt, with a claim and an id of its own.
    await world.blocks()
    await world.signer.tick()
    first, second = await world.attempts()
    assert [first["status"], second["status"]] == ["replaced", "submitted"]
    assert (second["replaces"], second["lineage"]) == (first["id"], first["id"])
    assert await world.waits_for(payout.id) is None
    await world.check()
    await world.rounds(FINAL + 1)
    await world.assert_paid_once(payout)
    assert await world.alerts() == {}


async def test_a_block_later_than_its_end_may_hold_it(world: TimedWorld, chain: TimedChain) -> None:
    """The parent's time counts: the first block at or past the end is the last that can hold it."""
    payout = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    (late,) = chain.pool.values()
    chain.pool.clear()
    chain.force([late], late.expires_at)
    await world.watcher.tick()
    await world.rounds(FINAL + 1)
    assert await world.statuses() == ["confirmed"]
    await world.assert_paid_once(payout)


async def test_a_dead_one_needs_the_scan_and_every_node(world: TimedWorld, chain: TimedChain) -> None:
    """A node that denies a transaction by its id does not make it dead while our scan has it, and one that says that it
    is there keeps it alive."""
    await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    (first,) = txids(await world.attempts())
    chain.mine()
    await world.watcher.tick()
    chain.denied.add(first)
    chain.hidden.add(first)  # from now on, by its id
    chain.skip(61)
    await world.blocks(FINAL)
    await world.rounds(3)
    assert await world.statuses() == ["submitted"]
    assert len(set(chain.sent)) == 1
    chain.hidden.clear()
    await world.rounds(2)
    assert await world.statuses() == ["confirmed"]
    # Our scan has not seen the next one, and another node says that it is in a block.
    second = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    txid = txids(await world.attempts())[-1]
    chain.hidden.add(txid)
    chain.elsewhere.add(txid)
    chain.mine()
    await world.watcher.tick()
    await world.expire()
    await world.rounds(3)
    assert ((await world.statuses())[1:], await world.waits_for(second.id)) == (["submitted"], OVER)
    assert chain.arrived_raw(second.destination) == [PAYOUT_RAW]


async def test_one_that_our_scan_finds_while_the_next_is_planned_is_not_signed_anew(
    world: TimedWorld, chain: TimedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watcher stores a block with the first attempt after the signer has looked, and before it signs."""
    payout = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    (late,) = chain.pool.values()
    await world.expire()
    honest = TimedFunds.renew

    async def slow(funds: TimedFunds, last: Stored) -> Draft:
        draft = await honest(funds, last)
        chain.force([late])
        await world.watcher.tick()
        return draft

    monkeypatch.setattr(TimedFunds, "renew", slow)
    await world.signer.tick()
    assert await world.statuses() == ["submitted"]
    await world.rounds(FINAL + 1)
    await world.assert_paid_once(payout)
    assert await world.alerts() == {}


async def hidden_and_expired(world: TimedWorld) -> tuple[str, str, str]:
    """A payout whose first attempt is in a block that the node hides, and was signed anew. Returns the payout's id and
    the txids; the second one is in no pool."""
    payout = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    (first,) = txids(await world.attempts())
    world.chain.hidden.add(first)
    world.chain.mine()
    await world.watcher.tick()
    await world.expire()
    world.chain.drops = True
    await world.signer.tick()
    assert await world.statuses() == ["replaced", "submitted"]
    world.chain.drops = False
    return payout.id, first, txids(await world.attempts())[1]


async def test_an_expired_one_that_is_seen_after_all_by_our_scan(world: TimedWorld, chain: TimedChain) -> None:
    payout_id, first, second = await hidden_and_expired(world)
    # Another fork has it, in a block that we read: it counts as final there.
    one = chain.find(first)
    assert one is not None
    chain.blocks = [(ref, [each for each in mined if each.txid != first]) for ref, mined in chain.blocks]
    chain.hidden.clear()
    chain.force([one[1]])
    await world.watcher.tick()
    assert (await world.alerts())["expired_transaction_mined"] == "critical"
    assert await world.is_held(payout_id)
    sent = len(chain.sent)
    await world.rounds(FINAL + 1)
    # It is final, and still not the outcome: the later attempt may be mined too.
    assert (await world.statuses(), len(chain.sent)) == (["replaced", "submitted"], sent)
    await world.check()
    await world.expire()
    await world.rounds(2)
    assert await world.statuses() == ["confirmed", "replaced"]
    assert (await world.read(payout_id)).status == "confirmed"
    assert not await world.is_held(payout_id)
    assert (len(chain.sent), second in chain.pool) == (sent, False)
    await world.assert_paid_once(await world.read(payout_id))


async def test_an_expired_one_that_is_seen_after_all_by_its_receipt(world: TimedWorld, chain: TimedChain) -> None:
    """The block was read without it, and the node shows its receipt later: nothing more is sent, and an operator must
    decide, since our scan does not have it."""
    payout_id, first, _ = await hidden_and_expired(world)
    sent = len(chain.sent)
    chain.hidden.clear()
    await world.rounds(2)
    assert (await world.alerts())["expired_transaction_mined"] == "critical"
    assert (await world.is_held(payout_id), len(chain.sent)) == (True, sent)
    await world.expire()
    await world.rounds(FINAL)
    assert (await world.statuses(), len(chain.sent)) == (["replaced", "submitted"], sent)
    assert chain.arrived_raw(chain.shown(first)[1].to) == [PAYOUT_RAW]  # type: ignore[index]


async def test_one_that_was_seen_after_all_and_is_gone_again_is_signed_anew_after_the_release(
    world: TimedWorld, chain: TimedChain
) -> None:
    payout_id, first, _ = await hidden_and_expired(world)
    found = chain.find(first)
    assert found is not None
    chain.blocks = [(ref, [each for each in mined if each.txid != first]) for ref, mined in chain.blocks]
    chain.hidden.clear()
    chain.force([found[1]])
    await world.watcher.tick()
    chain.reorganise(1)
    await world.watcher.tick()
    await world.expire()
    sent = len(chain.sent)
    await world.rounds(2)
    assert (await world.statuses(), len(chain.sent)) == (["replaced", "submitted"], sent)  # held
    await holds.release_refused(payout_id, world.operator.id, "it is gone", clock.now())
    await world.rounds(FINAL + 1)
    assert await world.statuses() == ["replaced", "replaced", "confirmed"]
    await world.assert_paid_once(await world.read(payout_id))


async def test_a_fork_before_a_block_is_final(world: TimedWorld, chain: TimedChain) -> None:
    """The same transaction in another block, or in none: the rule is the same."""
    payout = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    await world.blocks(2)
    await world.signer.tick()
    (lost_one,) = chain.reorganise(2)
    await world.watcher.tick()
    await world.signer.tick()
    assert (await world.attempts())[0]["block_height"] is None
    chain.pool.clear()
    chain.force([lost_one])  # in another block
    await world.blocks(FINAL)
    await world.rounds(2)
    await world.assert_paid_once(payout)
    gone = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    await world.blocks(2)
    chain.reorganise(3)
    chain.drops = True
    await world.watcher.tick()
    await world.rounds(2)
    chain.drops = False
    await world.expire()
    await world.rounds(FINAL + 1)
    assert await world.statuses() == ["confirmed", "replaced", "confirmed"]
    await world.assert_paid_once(gone)


async def test_a_scan_of_another_fork_makes_nothing_dead(world: TimedWorld, chain: TimedChain) -> None:
    """The node has moved to a fork with the transaction, and the watcher has not read it yet: what our scan lacks says
    nothing about that fork."""
    payout = await world.approved(PAYOUT_RAW)
    chain.drops = True
    await world.signer.tick()
    chain.skip(61)
    chain.mine_empty(FINAL)
    await world.watcher.tick()
    raw = (await world.attempts())[0]["signed_bytes"]
    chain.drops = False
    dead = chain.blocks[-FINAL - 1 :]
    del chain.blocks[-FINAL - 1 :]
    chain.submit(raw)
    chain.mine()
    for _ in dead:
        chain.force([])
    (txid,) = txids(await world.attempts())
    assert chain.find(txid) is not None
    chain.denied.add(txid)
    chain.hidden.add(txid)
    with pytest.raises(ChainMoved, match="the watcher has not read the final block"):
        await world.signer.tick()
    assert await world.statuses() == ["submitted"]
    chain.hidden.clear()
    await world.watcher.tick()
    await world.rounds(FINAL)
    await world.assert_paid_once(payout)


async def test_two_equal_payouts_in_one_millisecond_are_two_transactions(
    world: TimedWorld, chain: TimedChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.approved(PAYOUT_RAW)
    second = await world.approved(PAYOUT_RAW, destination=first.destination)
    stopped = clock.now()
    monkeypatch.setattr(clock, "now", lambda: stopped)
    await world.signer.tick()
    monkeypatch.undo()
    one, other = await world.attempts()
    assert one["txid"] != other["txid"]
    await world.rounds(FINAL + 1)
    await world.assert_paid_once(first, second)


@pytest.mark.parametrize("answer", [Broadcast.UNPROVEN, Broadcast.REFUSED, Broadcast.SHORT, "lost"])
async def test_no_answer_to_a_broadcast_proves_anything(
    world: TimedWorld, chain: TimedChain, answer: Broadcast | str
) -> None:
    """A duplicate that hides a refusal, a refusal of a node that lags behind, an answer that was lost."""
    payout = await world.approved(PAYOUT_RAW)
    chain.answers.append(lost() if answer == "lost" else Broadcast(answer))
    with pytest.raises(NodeUnavailable) if answer == "lost" else nullcontext():
        await world.signer.tick()
    assert (await world.read(payout.id)).status == "approved"
    assert ("transaction_refused" in await world.alerts()) == (answer is Broadcast.REFUSED)
    await world.rounds(FINAL + 1)
    assert len(await world.attempts()) == 1
    await world.assert_paid_once(payout)


async def test_one_that_fails_on_chain_has_paid_nothing(world: TimedWorld, chain: TimedChain) -> None:
    """Out of energy after the approval, for example: the fee is spent, the money is available again."""
    before = await world.balance()
    payout = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    chain.failing = True
    await world.blocks(FINAL)
    await world.signer.tick()
    assert (await world.read(payout.id)).status == "failed"
    assert await world.balance() == before
    assert await world.balance(owner="platform:treasury", asset=COIN) == (500_000_000 - FEE_RAW, 0)
    await world.check()


async def test_a_token_that_its_issuer_has_stopped_waits_with_that_reason(world: TimedWorld, chain: TimedChain) -> None:
    payout = await world.approved(PAYOUT_RAW)
    for token, reason, kind in (
        (TokenState(is_paused=True), "USDT is paused by its issuer", "token_paused"),
        (TokenState(frozen=frozenset({world.hot})), "the issuer of USDT has frozen the hot wallet", "wallet_frozen"),
        (TokenState(fee_bps=10), "USDT keeps a fee of each transfer now: less would arrive", "token_fee"),
    ):
        chain.token = token
        await world.new_signer(world.services).tick()
        assert await world.waits_for(payout.id) == reason
        assert kind in await world.alerts()
    assert await world.attempts() == []
    chain.token = TokenState()
    await world.rounds(FINAL + 1, world.new_signer(world.services))
    await world.assert_paid_once(payout)


async def test_what_the_hot_wallet_can_pay_for_in_the_worst_case(world: TimedWorld, chain: TimedChain) -> None:
    """A payout waits where treasury or hot wallet could not pay its most expensive outcome; resources are shown."""
    staked_raw = chain.balance_raw(world.hot, COIN) - 1_000_000
    chain.resources = {world.hot: Resources(exists=True, spendable_raw=1_000_000, energy=5, staked_raw=staked_raw)}
    payout = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    assert await world.waits_for(payout.id) == "the hot wallet holds too little TRX for gas"
    row = await database.fetch_one("SELECT * FROM resource_looks WHERE network = $1", NETWORK)
    assert row is not None
    assert (row["energy"], row["staked_raw"], row["energy_price_raw"]) == (5, staked_raw, 100)
    chain.resources = {}
    await world.rounds(FINAL + 1)
    await world.assert_paid_once(payout)


@pytest.mark.parametrize("energy_low", [1])
async def test_what_a_payout_would_cost_is_shown_before_it_is_approved(world: TimedWorld, chain: TimedChain) -> None:
    """With staked energy for it, with free bytes too; and operators are told where energy runs low."""
    words = {}
    for name, resources in {
        "none": {},
        "energy": {"energy": ENERGY},
        "all": {"energy": ENERGY, "bytes_free": 600},
    }.items():
        held_raw = chain.balance_raw(world.hot, COIN)
        chain.resources = {world.hot: Resources(exists=True, spendable_raw=held_raw, **resources)}
        payout = await world.requested(PAYOUT_RAW)
        await world.new_signer(world.services).tick()
        words[name] = await database.fetch_value(
            "SELECT cost_in_words FROM withdrawal_previews WHERE withdrawal = $1", payout.id
        )
    assert words == {
        "none": "about 6.78 TRX, of which 0.345 TRX if all energy is staked",
        "energy": "about 0.345 TRX",
        "all": "no TRX: staked and free resources suffice",
    }
    assert await world.alerts() == {"hot_wallet_low": "warning"}
    message = await database.fetch_value("SELECT message FROM alerts")
    assert message == "tron:test: the hot wallet holds little energy"


@pytest.mark.parametrize(
    "point", ["approved", "signing", "signed", "sent", "submitted", "bump_signed", "mined", "confirming", "confirmed"]
)
async def test_a_signer_that_dies_pays_once(world: TimedWorld, chain: TimedChain, point: str) -> None:
    payout = await world.approved(PAYOUT_RAW)
    doomed, renews = world.new_signer(world.services, point), point == "bump_signed"
    chain.drops = renews
    with pytest.raises(Killed):
        for _ in range(2 * FINAL):
            await world.rounds(1, doomed)
            if renews:
                await world.expire()
    chain.drops = False
    await world.rounds(2 * FINAL, world.new_signer(world.services))
    assert (await world.statuses()).count("confirmed") == 1
    assert len(await world.attempts()) == (2 if renews else 1)
    await world.assert_paid_once(payout)


async def test_a_spend_that_the_books_lack_stops_the_signer(world: TimedWorld, chain: TimedChain) -> None:
    """A restored backup lacks a payout that was paid: it is attached. A transaction that paid nothing is accounted
    for."""
    payout, waiting = await world.approved(PAYOUT_RAW), await world.approved(1_000_000)
    await world.signer.tick()
    chain.mine(txids(await world.attempts())[0])
    chain.pool.clear()
    await world.blocks(FINAL)
    await restore_older_books(world)
    paid = chain.arrived_raw(payout.destination)
    (txid,) = [one.txid for _, mined in chain.blocks for one in mined if one.to == payout.destination]
    with pytest.raises(UnknownTransaction, match=f"transaction {txid}, which the books don't have .* account-for"):
        await world.new_signer(world.services).tick()
    network, sender = world.services.networks.get(NETWORK), world.services.networks.sender(NETWORK)
    (unknown,) = await missing.of_timed_account(network, sender)
    told = await missing.explain(network, sender, unknown, in_journal=False)
    assert (told.txid, told.state, told.problem) == (txid, "final", None)
    assert [payment.withdrawal for payment in told.payments] == [payout.id]
    by = world.operator
    await world.services.adoption.adopt(payout.id, txid, by.id, by.next_code(), "the backup lacked it", clock.now())
    assert (await world.read(payout.id)).status == "confirmed"
    # And somebody else has used the hot wallet's key: told with the block.
    chain.force([Moved("f" * 64, world.hot, CUSTOMER, COIN, 0, clock.now(), fee_raw=0)])
    await world.watcher.tick()
    assert (await world.alerts())["unknown_spend"] == "critical"
    networks = world.services.networks
    with pytest.raises(UnknownTransaction, match="f" * 64):
        await world.new_signer(world.services).tick()
    with pytest.raises(NothingToAccountFor, match="not final"):
        await account_for(networks, NETWORK, "f" * 64, by.id, "a test of ours")
    await world.blocks(FINAL)
    with pytest.raises(NothingToAccountFor, match="does not stop"):
        await account_for(networks, NETWORK, txid, by.id, "a test of ours")
    await account_for(networks, NETWORK, "f" * 64, by.id, "a test of ours")
    await world.rounds(FINAL + 1, world.new_signer(world.services))
    assert chain.arrived_raw(payout.destination) == paid == [PAYOUT_RAW]
    await world.assert_paid_once(payout, waiting)


@pytest.mark.parametrize("is_restarted", [True, False])
@pytest.mark.parametrize("is_mined", [True, False])
async def test_nothing_is_paid_while_older_books_may_lack_a_payment(
    world: TimedWorld, chain: TimedChain, is_restarted: bool, is_mined: bool
) -> None:
    """A backup is restored, or a database host is lost with its newest rows, while a payout is in no block yet."""
    payout = await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    (lost_one,) = chain.pool.values()
    chain.pool.clear()
    await restore_older_books(world)
    await database.execute("UPDATE signer_presence SET present_at = present_at - interval '1 minute'")
    clock.shift(WRITE_EVERY)
    signer = world.new_signer(world.services) if is_restarted else world.signer
    await world.rounds(FINAL, signer)
    assert (await world.waits_for(payout.id), await world.attempts()) == (MAY_LACK, [])
    if is_mined:
        chain.force([lost_one])
        await world.watcher.tick()
        with pytest.raises(UnknownTransaction, match=lost_one.txid):
            await signer.tick()
        assert chain.arrived_raw(payout.destination) == [PAYOUT_RAW]
        return
    chain.skip(61)
    await world.rounds(2 * FINAL + 2, signer)
    await world.assert_paid_once(payout)


async def restore_older_books(world: TimedWorld) -> None:
    """The books as they were before anything was signed."""
    for row in await world.attempts():
        await as_superuser(
            f"DELETE FROM outgoing_claims WHERE transaction = {row['id']}",
            f"DELETE FROM outgoing_payments WHERE transaction = {row['id']}",
            f"DELETE FROM outgoing_transactions WHERE id = {row['id']}",
            "UPDATE withdrawals SET status = 'approved', submitted_at = NULL",
        )


async def test_what_endangers_our_money_is_told(world: TimedWorld, chain: TimedChain) -> None:
    chain.dangers = [
        Danger("permission_changed", "a", address=world.hot),
        Danger("destroyed", "b", address=world.hot, asset_symbol=TOKEN, amount_raw=7),
        Danger("unpaused", "c", asset_symbol=TOKEN),
    ]
    await world.blocks()
    alerts = await world.alerts()
    assert alerts == {
        "danger_permission_changed": "critical",
        "danger_destroyed": "critical",
        "danger_unpaused": "info",
    }


async def test_postgres_refuses_another_attempt_while_a_block_holds_an_earlier_one(
    world: TimedWorld, chain: TimedChain
) -> None:
    await world.approved(PAYOUT_RAW)
    await world.signer.tick()
    (row,) = await world.attempts()
    await database.execute("UPDATE outgoing_transactions SET status = 'replaced' WHERE id = $1", row["id"])
    insert = """
        INSERT INTO outgoing_transactions (lineage, network, purpose, replaces, from_address, txid, signed_bytes,
            fee_cap_raw, form, status, created_at)
        SELECT lineage, network, purpose, id, from_address, 'x', 'x', 1, '{}', 'signed', now()
        FROM outgoing_transactions WHERE id = $1
        """
    await world.blocks()
    with pytest.raises(asyncpg.RestrictViolationError, match="is in a block"):
        await database.execute(insert, row["id"])
