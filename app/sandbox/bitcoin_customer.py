"""The sandbox's customer on bitcoin: pays from the node's own wallet, and replaces what is not mined yet."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from app.sandbox.bitcoin_driver import BitcoinDriver, BitcoinDriverError
from app.sandbox.customer import CustomerError
from app.sandbox.home import Bitcoin

SMALLEST_OUTPUT_RAW = 294
"""Below it the node takes an output to a P2WPKH address for dust."""

T = TypeVar("T")


class BitcoinCustomer:
    """A customer of the sandbox's bitcoin chain. Every method raises CustomerError."""

    def __init__(self, network: Bitcoin) -> None:
        scheme, _, address = network.rpc_url.partition("://")
        self._rpc_url = f"{scheme}://{network.rpc_user}:{network.rpc_password}@{address}"
        self._shown_url = network.rpc_url
        self._assets = network.assets

    def send(self, symbol: str, to: str, amount_raw: int) -> str:
        """Send `amount_raw` satoshi to an address, without mining. Returns the transaction's id."""
        if symbol not in self._assets:
            raise CustomerError(f"{symbol} is not on this chain; there is {', '.join(self._assets)}")
        return self._with_driver(lambda driver: driver.pay(to, amount_raw))

    def arrival(self, txid: str) -> str:
        """The transaction's block, or that it waits for one."""

        async def look(driver: BitcoinDriver) -> str:
            transaction = await driver.call("gettransaction", txid)
            if "blockheight" in transaction:
                return f"in block {transaction['blockheight']}"
            return "in the pool, until a block has it"

        return self._with_driver(look)

    def hurry(self, confirmations: int, required: int) -> None:
        """Mine at once what is still in the pool: the next block takes a while."""
        if confirmations == 0:
            self.mine(required)

    def mine(self, blocks: int) -> int:
        """Mine blocks at once; the first has what waits in the pool. Returns the chain's new height."""

        async def mine(driver: BitcoinDriver) -> int:
            await driver.mine(blocks)
            return await driver.height()

        return self._with_driver(mine)

    def reorganise(self, depth: int) -> int:
        """Replace the newest `depth` blocks by one more than that, without transactions. Those of the last ten wait
        in the pool again. Returns the chain's new height."""

        async def reorganise(driver: BitcoinDriver) -> int:
            await driver.roll_back(depth)
            await driver.mine_empty(depth + 1)
            return await driver.height()

        return self._with_driver(reorganise)

    def replace(self, address: str, amount_raw: int | None) -> tuple[str, str]:
        """Replace the payment to `address` that waits in the pool by one of `amount_raw` satoshi, or by one that pays
        it nothing. Returns both ids, the old one first."""

        async def replace(driver: BitcoinDriver) -> tuple[str, str]:
            old = await _waiting_payment(driver, address)
            if amount_raw is not None:
                return old, await driver.replace(old, {address: amount_raw})
            return old, await driver.replace(old, {await driver.address(): SMALLEST_OUTPUT_RAW})

        return self._with_driver(replace)

    def _with_driver(self, act: Callable[[BitcoinDriver], Awaitable[T]]) -> T:
        async def connected() -> T:
            driver = await BitcoinDriver.connect(self._rpc_url)
            try:
                return await act(driver)
            finally:
                await driver.aclose()

        try:
            return asyncio.run(connected())
        except BitcoinDriverError as error:
            raise CustomerError(str(error)) from None
        except httpx.HTTPError as error:
            raise CustomerError(f"the chain at {self._shown_url} does not answer: {error}") from None


async def _waiting_payment(driver: BitcoinDriver, address: str) -> str:
    """The id of the newest transaction in the pool that pays to an address. Raises CustomerError if there is none."""
    for txid in reversed(await driver.pool()):
        transaction = await driver.call("getrawtransaction", txid, 1)
        if any(output["scriptPubKey"].get("address") == address for output in transaction["vout"]):
            return txid
    raise CustomerError(f"no payment to {address} waits in the pool")
