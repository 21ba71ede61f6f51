"""Several withdrawals in one transaction, on a chain of coins: each is paid once, wherever the signer is killed."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import cast

import asyncpg
import msgspec
import pytest

from app.core import clock, database
from app.networks.port import Chain, Draft, WouldFail
from app.reconciliation.checks import withdrawals
from app.reconciliation.snapshot import snapshot
from app.signer import repository
from app.signer.crash_points import POINTS, CrashPoints
from app.signer.limits import SignerLimits
from app.signer.signing import Signer
from app.signer.tracking import Tracker
from app.signer.treasury import Treasury
from app.signer.wallet import ClaimTaken, Wallet
from app.withdrawals.digest import Intent
from app.withdrawals.presentation import PayoutBody
from tests.factories.tampering import as_superuser
from tests.fakes.coin_sender import CoinChain, CoinFunds, CoinKeys, CoinReader, CoinSender, NoMoves
from tests.signer.conftest import NO_SWEEPS
from tests.signer.crashing import Killed, KilledAt
from tests.signer.signer_under_test import NETWORK, SignerUnderTest, new_address

BUMP_AFTER_S = 180
AMOUNTS_RAW = [1_000_000, 2_000_000, 2_000_000, 3_000_000, 40_000_000]


@pytest.fixture
def network_options() -> Mapping[str, object]:
    return {"fee_bump_after_s": BUMP_AFTER_S}


@pytest.fixture
def asset_options() -> Mapping[str, Mapping[str, int]]:
    return {
        "USDT": {**NO_SWEEPS, "day_ceiling_raw": 60_000_000, "approval_threshold_raw": 50_000_000},
        "ETH": NO_SWEEPS,
    }


@pytest.fixture
def chain(setup: SignerUnderTest) -> CoinChain:
    """A chain whose coins are what the hot wallet of `setup` holds: 500 USDT."""
    coins = CoinChain(setup.driver, coins={f"top-up:{number}": 25_000_000 for number in range(20)})
    reader = CoinReader(setup.services.networks.chain(NETWORK), coins, setup.hot)
    setup.services.networks._chains[NETWORK] = cast(Chain, reader)
    return coins


@pytest.fixture
def signer_of(setup: SignerUnderTest, chain: CoinChain) -> Callable[..., Signer]:
    """Makes the signer of a new process, which may die at a point."""

    def make(point: str | None = None, batch: int = 5) -> Signer:
        network = setup.services.networks.get(NETWORK)
        crash = KilledAt(point) if point else CrashPoints(is_production=False, env={})
        sender, funds = CoinSender(chain), CoinFunds(network, chain, batch)
        wallet, treasury = Wallet(network, sender, CoinKeys(chain)), Treasury(network)
        tracker = Tracker(network, sender, wallet, funds, treasury, setup.services.withdrawals, crash)
        return Signer(network, sender, wallet, SignerLimits(network), tracker, funds, NoMoves(), crash)

    return make


async def approved(setup: SignerUnderTest, amounts_raw: Sequence[int] = AMOUNTS_RAW) -> list[PayoutBody]:
    """Approved payouts: two of them are equal, to one address."""
    twins = new_address()
    return [
        await setup.approved(f"{raw / 10**6:.2f}", destination=twins if raw == 2_000_000 else None)
        for raw in amounts_raw
    ]


async def rounds(setup: SignerUnderTest, chain: CoinChain, signer: Signer, count: int = 1) -> None:
    """Run rounds of the signer, each followed by a block and a run of the watcher."""
    for _ in range(count):
        await signer.tick()
        await chain.mine()
        await setup.watcher.tick()


async def statuses(setup: SignerUnderTest, payouts: Sequence[PayoutBody]) -> list[str]:
    return [(await setup.read(one.id)).status for one in payouts]


async def attempts() -> list[dict[str, object]]:
    """Every transaction, oldest first."""
    return [dict(row) for row in await database.fetch_all("SELECT * FROM outgoing_transactions ORDER BY id")]


async def assert_paid_once(setup: SignerUnderTest, chain: CoinChain, payouts: Sequence[PayoutBody]) -> None:
    """Each payout is confirmed and on chain once; any two attempts at it exclude each other; the books agree."""
    assert await statuses(setup, payouts) == ["confirmed"] * len(payouts)
    for destination in {one.destination for one in payouts}:
        wanted = sorted(int(one.amount_raw) for one in payouts if one.destination == destination)
        assert sorted(chain.paid_raw(destination)) == wanted
    apart = await database.fetch_value(
        """
        SELECT count(*) FROM outgoing_payments a JOIN outgoing_payments b
            ON b.withdrawal = a.withdrawal AND b.transaction > a.transaction
        WHERE NOT EXISTS (SELECT 1 FROM outgoing_claims c JOIN outgoing_claims d USING (network, claim)
            WHERE c.transaction = a.transaction AND d.transaction = b.transaction)
        """
    )
    assert apart == 0
    await setup.check()


async def test_five_are_paid_by_one_transaction(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    payouts, signer = await approved(setup), signer_of()
    await signer.tick()
    await setup.check()  # while it is in no block
    await rounds(setup, chain, signer, 5)
    (sent,) = await attempts()
    assert (sent["from_address"], sent["nonce"], sent["status"]) == (None, None, "confirmed")
    assert sent["fee_booked_raw"] == sent["fee_raw"] == 7 * 1_000  # five payments, two coins
    assert await database.fetch_value("SELECT count(*) FROM outgoing_payments") == 5
    await assert_paid_once(setup, chain, payouts)
    # What is read of each is the same as of one that was paid alone.
    assert {(await setup.read(one.id)).txid for one in payouts} == {sent["txid"]}


async def test_reconciliation_finds_one_transfer_that_counts_for_two(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    payouts, signer = await approved(setup), signer_of()
    await rounds(setup, chain, signer, 5)
    reader = setup.services.networks.chain(NETWORK)
    async with snapshot():
        payments = await withdrawals.confirmed_payments(NETWORK, None)
    assert await withdrawals.compare_with_chain(reader, payments) == []
    twins = [payment for payment in payments if payment.amount_raw == 2_000_000]
    third = replace(twins[0], withdrawal=payouts[0].id)
    found = await withdrawals.compare_with_chain(reader, [*payments, third])
    assert [finding.subject for finding in found] == [twins[0].withdrawal, twins[1].withdrawal, payouts[0].id]
    assert {finding.message for finding in found} == {"shares its transfer with another withdrawal"}


@pytest.mark.parametrize("point", POINTS)
async def test_each_is_paid_once_wherever_the_signer_is_killed(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer], point: str
) -> None:
    payouts, doomed = await approved(setup), signer_of(point)
    with pytest.raises(Killed):
        for _ in range(8):
            await doomed.tick()
            if point == "bump_signed":
                clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
            else:
                await chain.mine()
    await rounds(setup, chain, signer_of(), 6)
    assert len(await attempts()) == (2 if point == "bump_signed" else 1)
    await assert_paid_once(setup, chain, payouts)


@pytest.mark.parametrize("mined", [0, 1, 2])
async def test_of_several_attempts_whichever_is_mined_pays_once(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer], mined: int
) -> None:
    payouts, signer = await approved(setup), signer_of()
    await signer.tick()
    for _ in range(2):
        clock.shift(timedelta(seconds=BUMP_AFTER_S + 1))
        await signer.tick()
    lineage = await attempts()
    first = lineage[0]["id"]
    assert [(row["lineage"], row["replaces"]) for row in lineage] == [
        (first, None),
        (first, first),
        (first, lineage[1]["id"]),
    ]
    claims = [
        {row["claim"] for row in await database.fetch_all("SELECT * FROM outgoing_claims WHERE transaction = $1", id)}
        for id in (row["id"] for row in lineage)
    ]
    assert claims[0] < claims[1] < claims[2]  # each bump adds a coin
    chain.pool = {str(lineage[mined]["txid"]): json.loads(cast(bytes, lineage[mined]["signed_bytes"]))}
    await chain.mine(3)
    await signer.tick()
    assert [row["status"] for row in await attempts()] == [
        "confirmed" if number == mined else "replaced" for number in range(3)
    ]
    await assert_paid_once(setup, chain, payouts)


async def test_what_a_stranger_has_spent_fails_all_and_frees_the_other_coins(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    before = await setup.balance()
    payouts, signer = await approved(setup), signer_of()
    await signer.tick()
    await chain.spend_as_stranger("top-up:0")
    await signer.tick()
    assert await statuses(setup, payouts) == ["submitted"] * 5  # it is not final yet
    await setup.driver.mine(2)
    await signer.tick()
    assert await statuses(setup, payouts) == ["failed"] * 5
    assert await setup.balance() == before
    assert (await setup.alerts())["nonce_taken"] == "critical"
    again = [await setup.approved("2.00")]
    await rounds(setup, chain, signer, 4)
    assert await repository.living_claims(NETWORK, ["coin:top-up:1"], None) != []
    await assert_paid_once(setup, chain, again)


async def test_a_failed_transaction_fails_all(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    before = await setup.balance()
    payouts, signer = await approved(setup), signer_of()
    await signer.tick()
    await chain.mine(3, succeeded=False)
    await signer.tick()
    assert await statuses(setup, payouts) == ["failed"] * 5
    assert await setup.balance() == before
    assert [row["status"] for row in await attempts()] == ["reverted"]
    await setup.check()


async def test_one_that_must_not_be_paid_does_not_hold_up_the_others(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    payouts, signer = await approved(setup), signer_of()
    edited, *honest = payouts
    await as_superuser(f"UPDATE withdrawals SET destination = '{new_address()}' WHERE id = '{edited.id}'")
    await rounds(setup, chain, signer, 5)
    assert len(await attempts()) == 1
    assert (await setup.read(edited.id)).status == "approved"
    assert (await setup.alerts())["signer_refused_digest"] == "critical"
    await as_superuser(f"UPDATE withdrawals SET destination = '{edited.destination}' WHERE id = '{edited.id}'")
    await assert_paid_once(setup, chain, honest)


class Wary(CoinFunds):
    """Funds of a chain that would refuse any payment of 3,000,000."""

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        if any(intent.amount_raw == 3_000_000 for intent in intents):
            raise WouldFail("the recipient takes nothing")
        return await super().plan(intents)


async def test_one_that_would_fail_is_found_by_halves(setup: SignerUnderTest, chain: CoinChain) -> None:
    payouts = await approved(setup, [3_000_000, *(1_000_000 + number for number in range(7))])
    network = setup.services.networks.get(NETWORK)
    sender, funds = CoinSender(chain), Wary(network, chain, batch=8)
    wallet, treasury = Wallet(network, sender, CoinKeys(chain)), Treasury(network)
    crash = CrashPoints(is_production=False, env={})
    tracker = Tracker(network, sender, wallet, funds, treasury, setup.services.withdrawals, crash)
    signer = Signer(network, sender, wallet, SignerLimits(network), tracker, funds, NoMoves(), crash)
    await signer.tick()
    assert await statuses(setup, payouts) == ["approved", *["submitted"] * 7]
    assert (await setup.read(payouts[0].id)).waiting_reason == "the network would refuse this transfer now"
    assert len(await attempts()) == 3  # four, two and one of them
    await rounds(setup, chain, signer, 5)
    await assert_paid_once(setup, chain, payouts[1:])


async def test_together_they_stay_within_the_signers_day(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    payouts, signer = await approved(setup, [*AMOUNTS_RAW[:4], 45_000_000, 10_000_000]), signer_of(batch=6)
    await rounds(setup, chain, signer, 5)
    assert await statuses(setup, payouts) == [*["confirmed"] * 5, "approved"]
    assert (await setup.read(payouts[5].id)).waiting_reason == "the signer's ceiling for 24 hours is reached"
    await assert_paid_once(setup, chain, payouts[:5])


async def test_what_the_coins_do_not_suffice_for_together_is_paid_as_far_as_they_do(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    chain.coins = {"small": 5_000_000, "large": 42_000_000}
    payouts, signer = await approved(setup), signer_of()
    await signer.tick()
    assert await statuses(setup, payouts) == [*["submitted"] * 4, "approved"]
    assert len(await attempts()) == 1
    assert (await setup.read(payouts[4].id)).waiting_reason == "the hot wallet holds too little USDT"
    await rounds(setup, chain, signer, 10)
    await assert_paid_once(setup, chain, payouts[:4])


async def test_two_signers_at_once_spend_no_coin_twice(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer]
) -> None:
    payouts = await approved(setup)
    await asyncio.gather(signer_of(batch=2).tick(), signer_of(batch=3).tick(), return_exceptions=True)
    await rounds(setup, chain, signer_of(), 6)
    await assert_paid_once(setup, chain, payouts)


async def test_a_bump_that_would_not_exclude_what_it_replaces_is_not_signed(
    setup: SignerUnderTest, chain: CoinChain, signer_of: Callable[..., Signer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bump with other coins: both could be mined, and pay twice."""
    payouts, signer = await approved(setup), signer_of()
    await signer.tick()
    ((last,),) = await repository.under_way(NETWORK)
    draft = await signer._funds.bump(last)
    others = [claim for claim in draft.claims if claim not in last.claims]
    loose = msgspec.structs.replace(
        draft, claims=tuple(others), form=json.dumps({"coins": [c[5:] for c in others], "rate": 2}).encode()
    )
    with pytest.raises(ClaimTaken, match="must claim"):
        await signer._tracker._bump(last, loose, clock.now())
    with pytest.raises(ClaimTaken, match="is claimed by"):
        async with database.transaction():
            await signer._wallet.sign(last.draft, purpose="withdrawal", now=clock.now())
    # Postgres refuses it too, if the signer does not.
    monkeypatch.setattr(repository, "living_claims", _no_claims)
    with pytest.raises(asyncpg.RestrictViolationError, match="an attempt that it replaces claims"):
        await signer._tracker._bump(last, loose, clock.now())
    # And a coin of theirs is no other transaction's.
    await setup.approved("1.00")
    with pytest.raises(asyncpg.UniqueViolationError, match="is claimed by another one"):
        await signer.tick()
    monkeypatch.undo()
    assert len(await attempts()) == 1
    await rounds(setup, chain, signer, 5)
    await assert_paid_once(setup, chain, payouts)


async def _no_claims(*_: object) -> list[repository.LivingClaim]:
    return []
