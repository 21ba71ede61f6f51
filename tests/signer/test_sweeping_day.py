"""A day's deposits, with staked energy for half of them: what each sweep cost, and which waited.

40 addresses, or 200 where SOAK is set; the table is printed. Every second address has received coin before, as one has
that was paid with a sweep earlier.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from app.core import clock, database
from app.core.database import Row
from app.core.money import format_amount
from tests.factories.invoices import AskedInvoice
from tests.signer.tron_under_test import NETWORK, SOLID, TronUnderTest

USDT = TRX = 1_000_000
WORTH_RAW = 300_000  # a TRX is worth 0.30 USDT
LIMIT_BPS = 100
FIRST_USDT, LAST_USDT = 5, 5_000
SOAK = bool(os.environ.get("SOAK"))
DEPOSITS = 200 if SOAK else 40
LOAN_TRX = 6_563
"""The stake that gives the energy of one sweep."""


@pytest.fixture
def tron_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def tron_asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": USDT, "coin_worth_raw": WORTH_RAW}}


@pytest.mark.timeout(1_800 if SOAK else 180)
async def test_no_sweep_of_a_day_costs_more_than_a_hundredth_unless_it_is_approved(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    await stake(setup, DEPOSITS // 2 * LOAN_TRX * TRX)
    growth = (LAST_USDT / FIRST_USDT) ** (1 / (DEPOSITS - 1))
    amounts = [round(FIRST_USDT * growth**number * USDT) for number in range(DEPOSITS)]
    paid = []
    for number, amount_raw in enumerate(amounts):
        paid.append(await setup.receive("USDT", amount_raw))
        if number % 2:
            await setup.driver.fund(paid[-1].pay_in.address, 0)
    await setup.blocks(SOLID)
    await until_quiet(setup)

    table = [await line(setup, one) for one in paid]
    show(table)
    swept = [one for one in table if one["left_raw"] == 0]
    waiting = [one for one in table if one["left_raw"]]
    for one in swept:
        assert is_cheap(one["cost_raw"], one["amount_raw"]), one
    # What waits is dear: even with energy. The energy went to all that burning would make dear.
    assert waiting
    assert all(one["is_dear"] and not is_cheap(one["would_cost_raw"], one["amount_raw"]) for one in waiting)
    ways = Counter(one["way"] for one in swept)
    # The setup's own 100 USDT are one; and a little energy is back within the hour.
    assert DEPOSITS // 2 - 1 <= ways["lend"] <= DEPOSITS // 2 + 1
    assert ways["burn"] == len(swept) - ways["lend"]
    # What burned coin was cheap enough for that, so the energy went to what was not.
    assert all(is_cheap(one["cost_raw"], one["amount_raw"]) for one in swept if one["way"] == "burn")
    await setup.check()

    # One that an operator approves as dear goes.
    dear = min(waiting, key=lambda one: one["amount_raw"])
    by = setup.operator
    await setup.services.dear_sweeps.approve(
        dear["id"], by.id, by.next_code(), clock.now(), up_to_raw=dear["would_cost_raw"]
    )
    clock.shift(timedelta(days=1))
    await setup.blocks(SOLID)
    await until_quiet(setup)
    done = await line(setup, dear["paid"])
    assert (done["left_raw"], is_cheap(done["cost_raw"], done["amount_raw"])) == (0, False)
    assert done["cost_raw"] <= dear["would_cost_raw"]
    await setup.check()


async def stake(setup: TronUnderTest, coin_raw: int) -> None:
    """An operator tops the hot wallet up, also for what is burned, and has it stake for energy."""
    await setup.send("TRX", setup.hot, coin_raw + DEPOSITS * 8 * TRX)
    await setup.blocks(SOLID)
    by = setup.operator
    await setup.services.stake.request(NETWORK, "stake", coin_raw, by.id, by.next_code(), clock.now())
    await setup.signer.tick()
    await setup.blocks(SOLID)


async def until_quiet(setup: TronUnderTest) -> None:
    """Rounds of the signer, each with so many blocks that what it sent is final, until it has looked at all and sends
    nothing more."""
    quiet = 0
    for _ in range(100):
        before = len(await setup.attempts())
        await setup.signer.tick()
        unknown = await database.fetch_value("SELECT count(*) FROM sweep_candidates WHERE looked_at IS NULL")
        quiet = 0 if unknown or len(await setup.attempts()) > before else quiet + 1
        if quiet == 2:
            return
        await setup.blocks(SOLID)
    raise AssertionError("it goes on sending")


def is_cheap(cost_raw: int, amount_raw: int) -> bool:
    return cost_raw * WORTH_RAW * 10_000 <= LIMIT_BPS * amount_raw * TRX


async def line(setup: TronUnderTest, paid: AskedInvoice) -> dict[str, Any]:
    """What became of one deposit, and what was spent on it in all."""
    address = paid.pay_in.address
    rows = await database.fetch_all(
        """
        SELECT coalesce(t.form::jsonb->'move'->>'action', t.purpose) AS what, t.fee_raw
        FROM outgoing_transactions t LEFT JOIN outgoing_payments p ON p.transaction = t.id
        WHERE t.from_address = $1 OR p.to_address = $1 OR t.form::jsonb->'move'->>'to_address' = $1
        """,
        address,
    )
    waits: Row | None = await database.fetch_one(
        """
        SELECT c.id, c.cost_raw, c.is_dear FROM sweep_candidates c
        JOIN deposit_addresses a ON a.id = c.deposit_address WHERE a.address = $1
        """,
        address,
    )
    steps = {row["what"] for row in rows}
    way = "lend" if "lend" in steps else "burn" if "sweep" in steps else "wait"
    return {
        "paid": paid,
        "amount_raw": int(paid.pay_in.amount_raw),
        "left_raw": await setup.driver.balance_of(address, setup.usdt),
        "way": way,
        "cost_raw": sum(row["fee_raw"] for row in rows),
        "id": waits["id"] if waits else None,
        "would_cost_raw": waits["cost_raw"] if waits else None,
        "is_dear": bool(waits and waits["is_dear"]),
    }


def show(table: Sequence[Mapping[str, Any]]) -> None:
    print(f"\n{'USDT':>12} {'way':>5} {'TRX':>9} {'share':>7}")
    for one in table:
        cost_raw = one["would_cost_raw"] if one["way"] == "wait" else one["cost_raw"]
        share = 100 * cost_raw * WORTH_RAW / TRX / one["amount_raw"]
        print(
            f"{format_amount(one['amount_raw'], 6):>10} {one['way']:>5} {format_amount(cost_raw, 6):>9} {share:6.2f}%"
        )
    for way in ("lend", "burn", "wait"):
        some = [one for one in table if one["way"] == way]
        spent_raw, moved_raw = sum(one["cost_raw"] for one in some), sum(one["amount_raw"] for one in some)
        print(f"{way}: {len(some)}, {format_amount(moved_raw, 6)} USDT, {format_amount(spent_raw, 6)} TRX")
