"""Payments on the test chain, from the customer's wallet to the books."""

from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services

CONFIRMATIONS = 3
"""Confirmations that the test network requires."""


async def pay_on_chain(services: Services, driver: AnvilDriver, token: str, address: str, amount_raw: int) -> None:
    """Send tokens to an address, mine enough blocks, and let the network's watcher see and settle it."""
    (watcher,) = services.watchers()
    await watcher.tick()
    await driver.transfer_token(token, address, amount_raw)
    await driver.mine(CONFIRMATIONS)
    await watcher.tick()


async def mined_again(driver: AnvilDriver, raw: str) -> None:
    """Send a removed transaction again, and wait until it is mined: the node answers before that."""
    await driver.mined(await driver.call("eth_sendRawTransaction", raw))
