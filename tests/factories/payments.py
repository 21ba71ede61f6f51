"""Payments on the test chain, from the customer's wallet to the books."""

from app.gateway import Gateway
from app.sandbox.chain_driver import AnvilDriver

CONFIRMATIONS = 3
"""As many as the test network asks for."""


async def pay_on_chain(gateway: Gateway, driver: AnvilDriver, token: str, address: str, amount_raw: int) -> None:
    """Send tokens to an address, mine enough blocks, and let the network's watcher see and settle it."""
    (watcher,) = gateway.watchers()
    await watcher.tick()
    await driver.transfer_token(token, address, amount_raw)
    await driver.mine(CONFIRMATIONS)
    await watcher.tick()
