"""The sandbox's customer on Tron: pays from an account that holds every asset, with a key of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import httpx

from app.sandbox.customer import CustomerError
from app.sandbox.home import Tron
from app.sandbox.tron_driver import TronDriver, TronDriverError

T = TypeVar("T")


class TronCustomer:
    """A customer of the sandbox's Tron chain. Every method raises CustomerError."""

    def __init__(self, network: Tron) -> None:
        self._api_url = network.api_url
        self._key = bytes.fromhex(network.customer_private_key)
        self._assets = network.assets

    def send(self, symbol: str, to: str, amount_raw: int) -> str:
        """Send `amount_raw` minor units of an asset to an address. Returns the transaction's id."""
        asset = self._assets.get(symbol)
        if asset is None:
            raise CustomerError(f"{symbol} is not on this chain; there are {', '.join(self._assets)}")
        return self._with_driver(lambda driver: driver.pay(to, amount_raw, contract=asset.contract, key=self._key))

    def arrival(self, txid: str) -> str:
        """The transaction's block, once there is one. Raises CustomerError if there is none in time, or if it
        failed."""

        async def look(driver: TronDriver) -> str:
            return f"in block {(await driver.mined(txid))['blockNumber']}"

        return self._with_driver(look)

    def hurry(self, confirmations: int, required: int) -> None:
        """Mine the blocks that make a payment final."""
        self.mine(required - confirmations)

    def mine(self, blocks: int) -> int:
        """Mine blocks at once; the first has what waits in the pool. Returns the chain's new height."""
        return self._with_driver(lambda driver: driver.mine(blocks))

    def reorganise(self, depth: int) -> int:
        """Replace the newest `depth` blocks by one more than that, empty ones; the transactions wait in the pool again.
        At most 18 blocks, older ones are final. Returns the chain's new height."""
        return self._with_driver(lambda driver: driver.fork(depth, empty=True))

    def _with_driver(self, act: Callable[[TronDriver], Awaitable[T]]) -> T:
        async def connected() -> T:
            driver = await TronDriver.connect(self._api_url)
            try:
                return await act(driver)
            finally:
                await driver.aclose()

        try:
            return asyncio.run(connected())
        except TronDriverError as error:
            raise CustomerError(str(error)) from None
        except httpx.HTTPError as error:
            raise CustomerError(f"the chain at {self._api_url} does not answer: {error}") from None
