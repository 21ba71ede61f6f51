"""Sweeps on the double of a Tron node: each way, what it costs, and what goes wrong in between."""

from collections.abc import Mapping

import pytest

from app.core import clock, database
from app.core.database import Row
from app.signer import energy_repository
from tests.signer.tron_under_test import NETWORK, SOLID, TronUnderTest

USDT = TRX = 1_000_000
WORTH_RAW = 300_000  # a TRX is worth 0.30 USDT


@pytest.fixture
def tron_options() -> Mapping[str, object]:
    return {"sweep_interval_s": 1}


@pytest.fixture
def tron_asset_options() -> Mapping[str, Mapping[str, int]]:
    return {"USDT": {"sweep_min_raw": USDT, "coin_worth_raw": WORTH_RAW}}


async def sweep(setup: TronUnderTest, rounds: int = 1) -> None:
    """Rounds of the signer, each with so many blocks that what it sent is final."""
    for _ in range(rounds):
        await setup.signer.tick()
        await setup.blocks(SOLID)


async def staked(setup: TronUnderTest, energy: int) -> None:
    """An operator has the hot wallet stake for so much energy a day."""
    coin_raw = energy * TRX // 10
    await setup.send("TRX", setup.hot, coin_raw)
    await setup.blocks(SOLID)
    await request(setup, "stake", coin_raw)
    await sweep(setup)


async def request(setup: TronUnderTest, action: energy_repository.StakeAction, amount_raw: int = 0) -> int:
    by = setup.operator
    return await setup.services.stake.request(NETWORK, action, amount_raw, by.id, by.next_code(), clock.now())


async def sent(address: str) -> list[tuple[str, str, str]]:
    """What was signed for an address, oldest first: purpose, action of a move of stake, and status."""
    rows = await database.fetch_all(
        """
        SELECT t.purpose, coalesce(t.form::jsonb->'move'->>'action', '') AS action, t.status
        FROM outgoing_transactions t LEFT JOIN outgoing_payments p ON p.transaction = t.id
        WHERE t.from_address = $1 OR p.to_address = $1 OR t.form::jsonb->'move'->>'to_address' = $1 ORDER BY t.id
        """,
        address,
    )
    return [tuple(row) for row in rows]


async def candidates() -> list[Row]:
    return list(
        await database.fetch_all(
            "SELECT c.*, a.address FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address ORDER BY 1"
        )
    )


async def test_each_way(tron_setup: TronUnderTest) -> None:
    setup = tron_setup
    await staked(setup, 66_000)
    large, middle, small = [await setup.receive("USDT", amount * USDT) for amount in (5_000, 200, 5)]
    await setup.blocks(SOLID)
    await sweep(setup, 8)
    for one in (large, middle, small):
        print(await sent(one.pay_in.address))
    for row in await candidates():
        print(dict(row))
    for row in await setup.attempts():
        print(row["purpose"], row["status"], row["fee_raw"], row["fee_cap_raw"])
    print(await setup.alerts())
    await setup.check()
    assert 0
