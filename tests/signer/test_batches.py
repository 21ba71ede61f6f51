"""Several withdrawals in one transaction, on a chain of coins: each is paid once, wherever the signer is killed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from app.core import clock, database
from app.core.settings import Settings, load
from app.networks.port import WouldFail
from app.networks.sending import Draft, Payment
from app.reconciliation.checks import withdrawals
from app.reconciliation.snapshot import snapshot
from app.signer import coins_repository, repository
from app.signer.crash_points import POINTS
from app.signer.policy import lock_payable
from app.signer.wallet import ClaimTaken
from app.wiring import Services, running, wire
from app.withdrawals.digest import Intent
from app.withdrawals.presentation import PayoutBody
from tests.factories.tampering import as_superuser
from tests.fakes.coin import SYMBOL, CoinChain, draft_of, transaction_of
from tests.fakes.coin_funds import CoinFunds
from tests.fakes.coin_world import BUMP_AFTER, NETWORK, CoinWorld, coin_chain, write_networks_file
from tests.services import empty_redis
from tests.signer.crashing import Killed

AMOUNTS_RAW = [1_000_000, 2_000_000, 2_000_000, 3_000_000, 40_000_000]
RECEIVED_RAW = [25_000_000] * 6
TOP_UP_RAW = 1_000_000
LIMITS = {"day_ceiling_raw": 60_000_000, "approval_threshold_raw": 50_000_000}


@pytest.fixture
def chain() -> Iterator[CoinChain]:
    with coin_chain() as chain:
        yield chain


@pytest.fixture
def chain_settings(environment: dict[str, str], tmp_path: Path, chain: CoinChain) -> Callable[..., Settings]:
    def make(**options: object) -> Settings:
        write_networks_file(tmp_path / "networks.toml", chain, can_send=True, asset_options=LIMITS, **options)
        return load(environment)

    return make


@pytest.fixture
async def services(chain_settings: Callable[..., Settings], steady_clock: None) -> AsyncIterator[Services]:
    async with running(wire(chain_settings())) as services:
        await empty_redis()
        yield services


@pytest.fixture
async def empty(services: Services, chain: CoinChain) -> CoinWorld:
    """A merchant without money."""
    return await CoinWorld.open(services, chain)


@pytest.fixture
async def world(empty: CoinWorld) -> CoinWorld:
    """A merchant to whom customers have paid six coins; operators have paid another for fees."""
    await empty.paid(*RECEIVED_RAW)
    await empty.top_up(TOP_UP_RAW)
    return empty


async def approved(world: CoinWorld, amounts_raw: Sequence[int] = AMOUNTS_RAW) -> list[PayoutBody]:
    """Approved payouts: two of them are equal, to one address."""
    twins = world.somebody()
    return [await world.approved(raw, destination=twins if raw == 2_000_000 else None) for raw in amounts_raw]


async def claims_of(transaction_id: int) -> set[str]:
    """What a signed transaction claims."""
    rows = await database.fetch_all("SELECT claim FROM outgoing_claims WHERE transaction = $1", transaction_id)
    return {row["claim"] for row in rows}


async def test_five_are_paid_by_one_transaction(
    world: CoinWorld,
) -> None:
    payouts, signer = await approved(world), world.signer()
    await signer.tick()
    await world.check()  # while it is in no block
    await world.rounds(signer, 5)
    (sent,) = await world.attempts()
    assert (sent["from_address"], sent["nonce"], sent["status"]) == (None, None, "confirmed")
    assert sent["fee_booked_raw"] == sent["fee_raw"] == 7 * 1_000  # five payments, two coins
    assert await database.fetch_value("SELECT count(*) FROM outgoing_payments") == 5
    await world.assert_paid_once(payouts)
    # What is read of each is the same as of one that was paid alone.
    assert {(await world.read(one.id)).txid for one in payouts} == {sent["txid"]}


async def test_reconciliation_finds_one_transfer_that_counts_for_two(
    world: CoinWorld,
) -> None:
    payouts, signer = await approved(world), world.signer()
    await world.rounds(signer, 5)
    reader = world.services.networks.chain(NETWORK)
    async with snapshot():
        payments = await withdrawals.confirmed_payments(NETWORK, None)
    assert await withdrawals.compare_with_chain(reader, payments) == []
    twins = [payment for payment in payments if payment.amount_raw == 2_000_000]
    third = replace(twins[0], withdrawal=payouts[0].id)
    found = await withdrawals.compare_with_chain(reader, [*payments, third])
    assert [finding.subject for finding in found] == [twins[0].withdrawal, twins[1].withdrawal, payouts[0].id]
    assert {finding.message for finding in found} == {"shares its transfer with another withdrawal"}


@pytest.mark.parametrize("point", POINTS)
async def test_each_is_paid_once_wherever_the_signer_is_killed(world: CoinWorld, point: str) -> None:
    payouts, doomed = await approved(world), world.signer(point)
    with pytest.raises(Killed):
        for _ in range(8):
            await doomed.tick()
            if point == "bump_signed":
                clock.shift(BUMP_AFTER)
            else:
                world.chain.mine()
    await world.rounds(world.signer(), 6)
    assert len(await world.attempts()) == (2 if point == "bump_signed" else 1)
    await world.assert_paid_once(payouts)


@pytest.mark.parametrize("mined", [0, 1, 2])
async def test_of_several_attempts_whichever_is_mined_pays_once(world: CoinWorld, mined: int) -> None:
    payouts, signer = await approved(world), world.signer()
    await signer.tick()
    for _ in range(2):
        clock.shift(BUMP_AFTER)
        await signer.tick()
    lineage = await world.attempts()
    first = lineage[0]["id"]
    assert [(row["lineage"], row["replaces"]) for row in lineage] == [
        (first, None),
        (first, first),
        (first, lineage[1]["id"]),
    ]
    claims = [await claims_of(row["id"]) for row in lineage]
    assert claims[0] < claims[1] < claims[2]  # each bump adds a coin
    one = transaction_of(lineage[mined]["signed_bytes"])
    world.chain.pool = {one.txid: one}
    world.chain.mine()
    world.chain.mine_empty(2)
    await signer.tick()
    assert [row["status"] for row in await world.attempts()] == [
        "confirmed" if number == mined else "replaced" for number in range(3)
    ]
    await world.assert_paid_once(payouts)


async def test_what_a_stranger_has_spent_fails_all_and_frees_the_other_coins(
    world: CoinWorld,
) -> None:
    before = await world.balance()
    payouts, signer = await approved(world), world.signer()
    await signer.tick()
    coin, other = sorted(await claims_of((await world.attempts())[0]["id"]))
    world.chain.spend_as_stranger(coin)
    await world.watcher.tick()
    await signer.tick()
    assert await world.statuses(payouts) == ["submitted"] * 5  # it is not final yet
    world.chain.mine_empty(2)
    await signer.tick()
    assert await world.statuses(payouts) == ["failed"] * 5
    assert await world.balance() == before
    alerts = await world.alerts()
    assert (alerts["nonce_taken"], alerts["unknown_spend"]) == ("critical", "critical")
    again = [await world.approved(2_000_000)]
    await world.rounds(signer, 4)
    assert await repository.living_claims(NETWORK, [other], None) != []
    await world.assert_paid_once(again, with_chain=False)  # the chain holds less than the books owe


async def test_one_that_must_not_be_paid_does_not_hold_up_the_others(
    world: CoinWorld,
) -> None:
    payouts, signer = await approved(world), world.signer()
    edited, *honest = payouts
    await as_superuser(f"UPDATE withdrawals SET destination = '{world.somebody()}' WHERE id = '{edited.id}'")
    await world.rounds(signer, 5)
    assert len(await world.attempts()) == 1
    assert (await world.read(edited.id)).status == "approved"
    assert (await world.alerts())["signer_refused_digest"] == "critical"
    await as_superuser(f"UPDATE withdrawals SET destination = '{edited.destination}' WHERE id = '{edited.id}'")
    await world.assert_paid_once(honest)


async def test_one_that_would_fail_is_found_by_halves(world: CoinWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = CoinFunds.plan

    async def wary(funds: CoinFunds, intents: Sequence[Intent]) -> Draft:
        if any(intent.amount_raw == 3_000_000 for intent in intents):
            raise WouldFail("the recipient takes nothing")
        return await plan(funds, intents)

    monkeypatch.setattr(CoinFunds, "plan", wary)
    payouts = await approved(world, [3_000_000, *(1_000_000 + number for number in range(7))])
    signer = world.signer(batch=8)
    await signer.tick()
    assert await world.statuses(payouts) == ["approved", *["submitted"] * 7]
    assert (await world.read(payouts[0].id)).waiting_reason == "the network would refuse this transfer now"
    assert len(await world.attempts()) == 3  # four, two and one of them
    await world.rounds(signer, 5)
    await world.assert_paid_once(payouts[1:])


async def test_together_they_stay_within_the_signers_day(
    world: CoinWorld,
) -> None:
    payouts, signer = await approved(world, [*AMOUNTS_RAW[:4], 45_000_000, 10_000_000]), world.signer(batch=6)
    await world.rounds(signer, 5)
    assert await world.statuses(payouts) == [*["confirmed"] * 5, "approved"]
    assert (await world.read(payouts[5].id)).waiting_reason == "the signer's ceiling for 24 hours is reached"
    await world.assert_paid_once(payouts[:5])


async def test_what_the_coins_do_not_suffice_for_together_is_paid_as_far_as_they_do(empty: CoinWorld) -> None:
    world = empty
    await world.paid(5_000_000, 43_000_000, 25_000_000)
    await world.top_up(100_000)
    world.chain.spend_as_stranger(world.coin(25_000_000))
    await world.watcher.tick()
    payouts, signer = await approved(world, [*AMOUNTS_RAW[:4], 41_000_000]), world.signer()
    await signer.tick()
    assert await world.statuses(payouts) == [*["submitted"] * 4, "approved"]
    assert len(await world.attempts()) == 1
    assert (await world.read(payouts[4].id)).waiting_reason == "the hot wallet holds too little COIN"
    await world.rounds(signer, 10)
    await world.assert_paid_once(payouts[:4], with_chain=False)


async def test_two_signers_at_once_spend_no_coin_twice(
    world: CoinWorld,
) -> None:
    payouts = await approved(world)
    await asyncio.gather(world.signer(batch=2).tick(), world.signer(batch=3).tick(), return_exceptions=True)
    await world.rounds(world.signer(), 6)
    await world.assert_paid_once(payouts)


async def test_a_bump_that_would_not_exclude_what_it_replaces_is_not_signed(
    world: CoinWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bump with other coins: both could be mined, and pay twice."""
    payouts, signer = await approved(world), world.signer()
    await signer.tick()
    ((last,),) = await repository.under_way(NETWORK)
    others = await coins_repository.spendable(NETWORK, world.chain.height)
    others = [coin for coin in others if coin.height is not None]
    loose = draft_of(last.payments, others, change_index=1, rate=2)
    with pytest.raises(ClaimTaken, match="must claim"):
        await signer._tracker._sign_again([last], loose, clock.now(), is_dead=False)
    with pytest.raises(ClaimTaken, match="is claimed by"):
        async with database.transaction():
            await signer._wallet.sign(last.draft, purpose="withdrawal", now=clock.now())
    # Postgres refuses it too, if the signer does not.
    monkeypatch.setattr(repository, "living_claims", _no_claims)
    with pytest.raises(asyncpg.RestrictViolationError, match="an attempt that it replaces claims"):
        await signer._tracker._sign_again([last], loose, clock.now(), is_dead=False)
    # And a coin of theirs is no other transaction's.
    another = await world.approved(1_000_000)
    theirs = await coins_repository.by_claims(NETWORK, last.claims)
    with pytest.raises(asyncpg.UniqueViolationError, match="is claimed by another one"):
        async with database.transaction():
            payable = await lock_payable(another.id, world.services.networks.get(NETWORK), None)
            payment = Payment(another.destination, SYMBOL, 1_000_000)
            draft = draft_of((payment,), theirs, change_index=2, rate=1)
            await signer._wallet.sign(draft, purpose="withdrawal", payables=[payable], now=clock.now())
    monkeypatch.undo()
    assert len(await world.attempts()) == 1
    await world.rounds(signer, 5)
    await world.assert_paid_once(payouts)


async def _no_claims(*_: object) -> list[repository.LivingClaim]:
    return []
