"""The sandbox's operator keeps the hot wallet filled: by plain transfers, which the watcher sees as top-ups."""

from app.sandbox.chain_driver import AnvilDriver, token_transfer_data
from app.sandbox.services import CUSTOMER

COINS_RAW, FEWEST_COINS_RAW = 50 * 10**18, 5 * 10**18
TOKENS_RAW, FEWEST_TOKENS_RAW = 10_000_000_000, 1_000_000_000
"""How much is sent, and below what it is sent: enough for a day of trying, gas included."""

RICH = 0
"""Which of the chain's funded accounts gives the coins; the tokens are all the customer's."""


async def top_up(rpc_url: str, usdt_contract: str, address: str) -> None:
    """Send what is lacking, without waiting for its block: the gateway's start takes longer than that."""
    driver = await AnvilDriver.connect(rpc_url)
    try:
        if await driver.balance_of(address) < FEWEST_COINS_RAW:
            await driver.submit({"from": driver.accounts[RICH], "to": address, "value": hex(COINS_RAW)})
        if await driver.balance_of(address, usdt_contract) < FEWEST_TOKENS_RAW:
            data = "0x" + token_transfer_data(address, TOKENS_RAW).hex()
            await driver.submit({"from": driver.accounts[CUSTOMER], "to": usdt_contract, "data": data})
    finally:
        await driver.aclose()
