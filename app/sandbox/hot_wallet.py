"""The sandbox's operator fills the hot wallet by plain transfers, which the watcher records as top-ups."""

from app.sandbox.chain_driver import CUSTOMER, AnvilDriver, token_transfer_data

COINS_RAW, FEWEST_COINS_RAW = 50 * 10**18, 5 * 10**18
TOKENS_RAW, FEWEST_TOKENS_RAW = 10_000_000_000, 1_000_000_000
"""The amount of a top-up and the balance below which it is sent: enough for a day of trials, gas included."""

RICH = 0
"""Index of the funded account that sends native coins; all tokens belong to the customer."""


async def top_up(rpc_url: str, usdt_contract: str, address: str) -> None:
    """Top up where needed, without waiting for the block: the gateway's start takes longer than a block."""
    driver = await AnvilDriver.connect(rpc_url)
    try:
        if await driver.balance_of(address) < FEWEST_COINS_RAW:
            await driver.submit({"from": driver.accounts[RICH], "to": address, "value": hex(COINS_RAW)})
        if await driver.balance_of(address, usdt_contract) < FEWEST_TOKENS_RAW:
            data = "0x" + token_transfer_data(address, TOKENS_RAW).hex()
            await driver.submit({"from": driver.accounts[CUSTOMER], "to": usdt_contract, "data": data})
    finally:
        await driver.aclose()
