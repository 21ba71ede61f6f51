"""Sweeps on the double of a Tron node: each way, what it costs, and what goes wrong in between. I1 to I7 hold after
each."""

from collections.abc import Mapping
from datetime import timedelta

import asyncpg
import pytest

from app.core import clock, database
from app.core.database import Row
from app.sandbox.tron_driver import evm
from app.signer.crash_points import CrashPoints
from app.signer.energy_repository import StakeAction
from app.signer.start import signers_of
from app.withdrawals.approvals import ApprovalRefused
from tests.factories.invoices import AskedInvoice, invoice
from tests.signer.crashing import Killed, KilledAt
from tests.signer.tron_under_test import NETWORK, SOLID, TronUnderTest

USDT = TRX = 1_000_000
WORTH_RAW = 300_000  # a TRX is worth 0.30 USDT
SWEEP_ENERGY = 64_341
"""What a transfer of all that an address holds takes, to one that holds some: as mainnet's, about."""

LOAN_ENERGY = SWEEP_ENERGY * 51 // 50 + 1
ENERGY_PER_TRX = 10
DAY = timedelta(days=1)


@pytest.fixture
def tron_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def tron_asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": USDT, "coin_worth_raw": WORTH_RAW}, "TRX": {"sweep_min_raw": 60 * TRX}}


async def sweep(setup: TronUnderTest, rounds: int = 1) -> None:
    """Rounds of the signer, each with so many blocks that what it sent is final."""
    for _ in range(rounds):
        await setup.signer.tick()
        await setup.blocks(SOLID)


async def checked_sweep(setup: TronUnderTest, rounds: int) -> None:
    """The same; the books and the chain agree in between too, while transactions are sent, in a block, and final."""
    for _ in range(rounds):
        await setup.signer.tick()
        for blocks in (1, SOLID - 1):
            await setup.blocks(blocks)
            await setup.check()


async def until_swept(setup: TronUnderTest, *paid: AskedInvoice, rounds: int = 8) -> None:
    """Rounds until these addresses hold no USDT, their loans are back and the books say so."""
    for _ in range(rounds):
        await sweep(setup)
        held = [await setup.driver.balance_of(one.pay_in.address, setup.usdt) for one in paid]
        if not any(held) and not await under_way():
            return
    raise AssertionError(f"not swept: {held}, {[dict(row) for row in await setup.attempts()]}")


async def under_way() -> int:
    return int(
        await database.fetch_value(
            """
            SELECT (SELECT count(*) FROM outgoing_transactions WHERE status IN ('signed', 'submitted'))
                + (SELECT count(*) FROM energy_loans l JOIN outgoing_transactions t ON t.id = l.lent_by
                    LEFT JOIN outgoing_transactions b ON b.id = l.reclaimed_by
                    WHERE t.status = 'confirmed' AND b.status IS DISTINCT FROM 'confirmed')
            """
        )
    )


async def has_energy(setup: TronUnderTest, sweeps: int) -> None:
    """An operator has the hot wallet stake for so many sweeps a day."""
    coin_raw = sweeps * LOAN_ENERGY * TRX // ENERGY_PER_TRX + TRX
    await setup.send("TRX", setup.hot, coin_raw)
    await setup.blocks(SOLID)
    await request(setup, "stake", coin_raw)
    await sweep(setup)


async def request(setup: TronUnderTest, action: StakeAction, amount_raw: int = 0) -> int:
    by = setup.operator
    return await setup.services.stake.request(NETWORK, action, amount_raw, by.id, by.next_code(), clock.now())


async def received(setup: TronUnderTest, *usdt: int) -> list[AskedInvoice]:
    """Paid invoices of so many USDT, credited."""
    paid = [await setup.receive("USDT", amount * USDT) for amount in usdt]
    await setup.blocks(SOLID)
    return paid


async def steps(paid: AskedInvoice) -> list[tuple[str, str]]:
    """What was signed for an address, oldest first: what it is, and its status."""
    rows = await database.fetch_all(
        """
        SELECT coalesce(t.form::jsonb->'move'->>'action', t.purpose) AS what, t.status
        FROM outgoing_transactions t LEFT JOIN outgoing_payments p ON p.transaction = t.id
        WHERE t.from_address = $1 OR p.to_address = $1 OR t.form::jsonb->'move'->>'to_address' = $1 ORDER BY t.id
        """,
        paid.pay_in.address,
    )
    return [(row["what"], row["status"]) for row in rows]


async def cost_raw(paid: AskedInvoice) -> int:
    """What was spent in all for an address."""
    return int(
        await database.fetch_value(
            """
            SELECT coalesce(sum(DISTINCT t.fee_raw * 1000000 + t.id) - sum(DISTINCT t.id), 0) / 1000000
            FROM outgoing_transactions t LEFT JOIN outgoing_payments p ON p.transaction = t.id
            WHERE t.from_address = $1 OR p.to_address = $1 OR t.form::jsonb->'move'->>'to_address' = $1
            """,
            paid.pay_in.address,
        )
    )


async def refused(*statements: str) -> None:
    """The database refuses these, whoever writes them."""
    for statement in statements:
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(statement)


async def candidate(paid: AskedInvoice) -> Row | None:
    return await database.fetch_one(
        """
        SELECT c.* FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
        WHERE a.address = $1 AND c.asset = 'USDT'
        """,
        paid.pay_in.address,
    )


def new_process(setup: TronUnderTest, point: str | None = None) -> None:
    """The signer of a new process, without memory; it may die at a point."""
    crash = KilledAt(point) if point else CrashPoints(is_production=False, env={})
    (setup.signer,) = signers_of(setup.services.networks, setup.services.withdrawals, setup.keys, crash)


LENT = ["gas", "lend", "sweep", "reclaim"]
BURNED = ["gas", "sweep"]


async def test_each_deposit_is_swept_the_cheapest_way(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    await has_energy(setup, 1)
    large, middle, small = await received(setup, 5_000, 200, 5)
    credited = await setup.balance()

    # The energy for one goes to the one that burning would make dear; the large one burns.
    await checked_sweep(setup, 3)
    await until_swept(setup, large, middle)
    assert await steps(large) == [(step, "confirmed") for step in BURNED]
    assert await steps(middle) == [(step, "confirmed") for step in LENT]
    assert await cost_raw(large) == 1_100_000 + SWEEP_ENERGY * 100
    assert 1_100_000 <= await cost_raw(middle) <= 1_100_000 + 560_000
    # What is worth too little waits, and operators see what it would cost.
    row = await candidate(small)
    assert row is not None
    assert (row["way"], row["is_dear"], row["amount_raw"]) == ("wait", True, int(small.pay_in.amount_raw))
    assert row["cost_raw"] > 5 * USDT // 100 * TRX // WORTH_RAW
    assert await setup.balance() == credited  # a sweep costs the merchant nothing
    spent_raw = sum(row["fee_raw"] for row in await setup.attempts())
    assert await setup.treasury_raw() == 500 * TRX + LOAN_ENERGY * TRX // ENERGY_PER_TRX + TRX - spent_raw
    assert await setup.alerts() == {}
    await setup.check()

    # The next day the energy is back; it goes to what waits for it.
    first = await candidate_of_100(setup)
    assert first is not None
    assert (first["way"], first["is_dear"]) == ("wait", False)
    clock.shift(DAY)
    await setup.blocks(SOLID)
    for _ in range(8):
        await sweep(setup)
    assert await candidate_of_100(setup) is None
    assert await under_way() == 0
    await setup.check()
    await refused(
        "UPDATE energy_loans SET stake_raw = stake_raw + 1",
        "UPDATE energy_loans SET reclaimed_by = lent_by",
        "DELETE FROM energy_loans",
    )


async def candidate_of_100(setup: TronUnderTest) -> Row | None:
    """The candidate of the 100 USDT that the setup has received."""
    return await database.fetch_one(
        "SELECT * FROM sweep_candidates WHERE asset = 'USDT' AND amount_raw BETWEEN $1 AND $2", 100 * USDT, 101 * USDT
    )


async def test_a_dear_sweep_goes_once_an_operator_has_approved_its_cost(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    (small,) = await received(setup, 5)
    await sweep(setup)
    row = await candidate(small)
    assert row is not None
    by, dear = setup.operator, setup.services.dear_sweeps
    with pytest.raises(ApprovalRefused, match="costs more"):
        await dear.approve(row["id"], by.id, by.next_code(), clock.now(), up_to_raw=row["cost_raw"] - 1)
    await dear.approve(row["id"], by.id, by.next_code(), clock.now(), up_to_raw=row["cost_raw"])
    with pytest.raises(ApprovalRefused, match="already"):
        await dear.approve(row["id"], by.id, by.next_code(), clock.now(), up_to_raw=row["cost_raw"])
    await dear.revoke(NETWORK, "USDT", small.pay_in.address, by.id, clock.now())
    await sweep(setup)
    assert await steps(small) == []
    await dear.approve(row["id"], by.id, by.next_code(), clock.now(), up_to_raw=row["cost_raw"])
    await until_swept(setup, small)
    assert await steps(small) == [(step, "confirmed") for step in BURNED]
    assert await cost_raw(small) <= row["cost_raw"]
    # The approval is used; nothing else about it can change.
    approvals = await database.fetch_all("SELECT * FROM dear_sweep_approvals ORDER BY id")
    assert [(one["used_by"] is None, one["revoked_at"] is None) for one in approvals] == [(True, False), (False, True)]
    actions = await database.fetch_all("SELECT action FROM audit_entries WHERE action LIKE 'dear_sweep.%' ORDER BY id")
    assert [one["action"] for one in actions] == ["dear_sweep.approved", "dear_sweep.revoked", "dear_sweep.approved"]
    with pytest.raises(ApprovalRefused):
        await dear.revoke(NETWORK, "USDT", small.pay_in.address, by.id, clock.now())
    await refused(
        "UPDATE dear_sweep_approvals SET used_by = NULL WHERE used_by IS NOT NULL",
        "UPDATE dear_sweep_approvals SET up_to_raw = up_to_raw + 1",
        "DELETE FROM dear_sweep_approvals",
    )
    await setup.check()


@pytest.mark.parametrize("point", ["sent", "confirming"])
async def test_a_signer_that_dies_at_every_step_does_each_once(tron_setup: TronUnderTest, point: str) -> None:
    setup = tron_setup
    await has_energy(setup, 1)
    (paid,) = await received(setup, 200)
    deaths = 0
    for _ in range(8):
        # Each restart is quick: the minutes are those of the blocks.
        await database.execute("UPDATE signer_presence SET present_at = $1", clock.now())
        new_process(setup, point)
        try:
            await setup.signer.tick()
        except Killed:
            deaths += 1
        new_process(setup)
        await setup.signer.tick()
        await setup.blocks(SOLID)
    await setup.signer.tick()
    assert deaths >= len(LENT)
    assert await steps(paid) == [(step, "confirmed") for step in LENT]
    assert await under_way() == 0
    await setup.check()


async def test_a_sweep_that_runs_out_of_energy_costs_what_it_burned_and_is_tried_later(
    tron_setup: TronUnderTest,
) -> None:
    """The contract takes more between the plan and the block: what was lent is used up for nothing."""
    setup = tron_setup
    await has_energy(setup, 1)
    (paid,) = await received(setup, 200)
    await sweep(setup, 2)
    await setup.signer.tick()
    assert [step for step, _ in await steps(paid)] == ["gas", "lend", "sweep"]
    await setup.driver.double("parameters", penalties={setup.usdt: 60_000})
    await setup.blocks(SOLID)
    await setup.driver.double("parameters", penalties={setup.usdt: 31_000})
    await sweep(setup, 3)
    assert await steps(paid) == [
        ("gas", "confirmed"),
        ("lend", "confirmed"),
        ("sweep", "reverted"),
        ("reclaim", "confirmed"),
    ]
    assert (await setup.alerts())["sweep_failed"] == "warning"
    assert await setup.driver.balance_of(paid.pay_in.address, setup.usdt) == int(paid.pay_in.amount_raw)
    await setup.check()
    # Its energy is gone for a day; then it goes the same way again.
    clock.shift(DAY)
    await setup.blocks(SOLID)
    await until_swept(setup, paid)
    assert [step for step, _ in await steps(paid)] == ["gas", "lend", "sweep", "reclaim", "lend", "sweep", "reclaim"]
    await setup.check()


async def test_a_sweep_that_fails_is_not_tried_again_at_once(tron_setup: TronUnderTest) -> None:
    """It may fail twice within what it may cost, an hour apart; a third time would be dear."""
    setup = tron_setup
    (paid,) = await received(setup, 700)
    for _ in range(2):
        await setup.signer.tick()
        await setup.driver.double("parameters", penalties={setup.usdt: 90_000})
        await setup.blocks(SOLID)
        await setup.driver.double("parameters", penalties={setup.usdt: 31_000})
    await sweep(setup, 4)
    assert await steps(paid) == [("gas", "confirmed"), ("sweep", "reverted")]
    for _ in range(8):
        await setup.signer.tick()
        await setup.driver.double("parameters", penalties={setup.usdt: 90_000})
        await setup.blocks(SOLID)
        await setup.driver.double("parameters", penalties={setup.usdt: 31_000})
        clock.shift(timedelta(minutes=50))
        await setup.blocks(SOLID)
    row = await candidate(paid)
    assert row is not None
    assert (row["way"], row["is_dear"]) == ("wait", True)
    assert await cost_raw(paid) <= 700 * USDT // 100 * TRX // WORTH_RAW
    assert [status for step, status in await steps(paid) if step == "sweep"] == ["reverted", "reverted"]
    await setup.check()


async def test_a_loan_without_a_sweep_is_taken_back_after_an_hour(tron_setup: TronUnderTest) -> None:
    """The token is paused once the energy is lent; afterwards the sweep goes on."""
    setup = tron_setup
    await has_energy(setup, 1)
    (paid,) = await received(setup, 200)
    await sweep(setup, 2)
    await setup.driver.call_contract(setup.usdt, "pause()")
    await setup.blocks(SOLID)
    await sweep(setup, 2)
    assert [step for step, _ in await steps(paid)] == ["gas", "lend"]
    assert (await setup.alerts())["token_paused"] == "warning"
    clock.shift(timedelta(hours=1, minutes=1))
    await setup.blocks()
    await sweep(setup, 2)
    assert await steps(paid) == [(step, "confirmed") for step in ("gas", "lend", "reclaim")]
    await setup.driver.call_contract(setup.usdt, "unpause()")
    clock.shift(timedelta(hours=1))
    await setup.blocks(SOLID)
    await until_swept(setup, paid)
    assert [step for step, _ in await steps(paid)] == ["gas", "lend", "reclaim", "lend", "sweep", "reclaim"]
    await setup.check()


async def test_a_frozen_address_is_a_case_and_costs_nothing(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    frozen, free = await received(setup, 1_000, 900)
    await setup.driver.call_contract(setup.usdt, "addBlackList(address)", evm(frozen.pay_in.address))
    await setup.blocks(SOLID)
    await until_swept(setup, free)
    assert await steps(frozen) == []
    assert (await setup.alerts())["deposit_address_frozen"] == "critical"
    await setup.driver.call_contract(setup.usdt, "removeBlackList(address)", evm(frozen.pay_in.address))
    clock.shift(DAY)
    await setup.blocks(SOLID)
    await until_swept(setup, frozen)
    await setup.check()


async def test_coins_are_swept_less_what_their_bytes_cost(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    made = await invoice(setup.services, setup.terms, amount="70", currency="TRX", chain="tron")
    address = made.pay_in.address
    for _ in range(3):
        await setup.send("TRX", address, 70 * TRX)
        await setup.blocks(SOLID)
        await sweep(setup, 2)
    fees_raw = [row["fee_raw"] for row in await setup.attempts() if row["from_address"] == address]
    # The first two have free bytes of the day.
    assert fees_raw == [0, 0, 268_000]
    assert await setup.driver.balance_of(address) == 0
    await setup.check()


async def test_stake_is_what_operators_ask_for_and_the_treasury_has(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    # The treasury has 500 TRX; the other 50 of the merchant have not been swept, and would not be staked.
    first, second = await request(setup, "stake", 400 * TRX), await request(setup, "stake", 200 * TRX)
    third = await request(setup, "unstake", 30 * TRX)
    await sweep(setup, 3)
    assert await outcomes() == {first: "done", second: None, third: None}  # one after another
    reason = await database.fetch_value("SELECT waiting_reason FROM stake_requests WHERE id = $1", second)
    assert reason == "the hot wallet holds too little TRX"
    await setup.services.stake.cancel(NETWORK, second, setup.operator.id, clock.now())
    with pytest.raises(ApprovalRefused):
        await setup.services.stake.cancel(NETWORK, first, setup.operator.id, clock.now())
    await sweep(setup, 3)
    assert await outcomes() == {first: "done", second: "cancelled", third: "done"}
    row = await database.fetch_one("SELECT * FROM resource_looks")
    assert row is not None
    assert (row["staked_raw"], row["energy"]) == (370 * TRX, 3_700)
    await setup.check()  # what is staked, and what is not free again yet, is held
    fourth = await request(setup, "withdraw")
    await setup.signer.tick()
    assert (await setup.alerts())["transaction_refused"] == "warning"  # nothing is free again yet
    await setup.expire()
    await sweep(setup, 2)
    clock.shift(timedelta(days=14))
    await setup.blocks(SOLID)
    fifth = await request(setup, "withdraw")
    await sweep(setup, 2)
    assert {key: (await outcomes())[key] for key in (fourth, fifth)} == {fourth: "failed", fifth: "done"}
    spent_raw = sum(row["fee_raw"] or 0 for row in await setup.attempts())
    assert await setup.treasury_raw() == 500 * TRX - spent_raw
    await refused(
        "UPDATE stake_requests SET outcome = 'done' WHERE outcome = 'failed'",
        "UPDATE stake_requests SET amount_raw = amount_raw + 1",
        "DELETE FROM stake_requests",
    )
    with pytest.raises(ApprovalRefused, match="at least 1 TRX"):
        await request(setup, "stake", TRX - 1)
    with pytest.raises(ApprovalRefused, match="no amount"):
        await request(setup, "withdraw", 1)
    await setup.check()


async def test_staked_coin_pays_no_fees(tron_setup: TronUnderTest) -> None:
    """The treasury's coin is staked. What is left in the hot wallet is merchants', and pays for no sweep."""
    setup = tron_setup
    await setup.send("TRX", (await invoice_of_coin(setup)).pay_in.address, 100 * TRX)
    await setup.blocks(SOLID)
    await sweep(setup, 2)  # the coin of the merchant is in the hot wallet
    await request(setup, "stake", 490 * TRX)
    await sweep(setup)
    (paid,) = await received(setup, 5_000)
    await sweep(setup, 3)
    assert await steps(paid) == [("gas", "confirmed")]  # the treasury has 10 TRX: enough to send, not to burn
    row = await database.fetch_one("SELECT free_raw, gas_left_raw FROM hot_wallet_looks WHERE asset = 'TRX'")
    assert row is not None
    assert row["free_raw"] > 90 * TRX > row["gas_left_raw"]
    await setup.check()


async def invoice_of_coin(setup: TronUnderTest) -> AskedInvoice:
    """An invoice of 100 TRX, not paid yet."""
    return await invoice(setup.services, setup.terms, amount="100", currency="TRX", chain="tron")


async def outcomes() -> dict[int, str | None]:
    rows = await database.fetch_all("SELECT id, outcome FROM stake_requests ORDER BY id")
    return {row["id"]: row["outcome"] for row in rows}
