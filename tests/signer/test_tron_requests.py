"""How many requests a Tron network takes, watcher and signer together: providers count them."""

from datetime import timedelta

from app.core import clock
from tests.signer.tron_under_test import TronUnderTest

BLOCK = timedelta(seconds=3)
DAY_BLOCKS = 28_800
FREE_A_DAY = 100_000
"""What a provider's free key allows, and the aim for a network on which nothing is paid out."""

BLOCKS = 60
"""As long as from one round of sweeps to the next."""


async def asked_for(setup: TronUnderTest) -> int:
    """The requests to our nodes so far."""
    requests = (await setup.driver.state())["requests"]
    return int(sum(sum(paths.values()) for paths in requests.values()))


async def test_a_day_of_watcher_and_signer_is_within_what_a_free_key_allows(tron_setup: TronUnderTest) -> None:
    """The clock goes on by three seconds a block, so all that is done by the minute is done as often as it would be.
    Half of the blocks have a payment to us, for which finality is asked."""
    setup = tron_setup
    made = await setup.receive("USDT", 5_000_000)
    await setup.blocks(30)
    await setup.signer.tick()
    before, driver_asked = await asked_for(setup), 0
    for number in range(BLOCKS):
        clock.shift(BLOCK)
        if number % 2:
            await setup.driver.pay(made.pay_in.address, 1_000_000, contract=setup.usdt)
            driver_asked += 3  # for the head, for a reference, and to broadcast
        await setup.blocks()
        await setup.signer.tick()
    a_block = (await asked_for(setup) - before - driver_asked) / BLOCKS
    assert a_block * DAY_BLOCKS <= FREE_A_DAY, f"{a_block:.2f} requests a block"
