"""The sandbox's customer: pays an invoice correctly, or with one of the usual mistakes."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from app.checkout.wallet import Choice
from app.core import clock
from app.core.errors import ApiError, Code, invalid
from app.invoices.presentation import InvoiceBody
from app.invoices.service import InvoiceService
from app.networks.config import Asset, NetworkConfig
from app.sandbox.bitcoin_driver import BitcoinDriver, BitcoinDriverError
from app.sandbox.chain_driver import CUSTOMER, AnvilDriver, ChainDriverError
from app.sandbox.tron_driver import TronDriver, TronDriverError


class SandboxWallet:
    """Pays from the node's own accounts or its wallet, so it works on a development chain only."""

    def __init__(self, invoices: InvoiceService) -> None:
        self._invoices = invoices

    async def pay(self, invoice: InvoiceBody, network: NetworkConfig, choice: Choice) -> None:
        """Pay, and return when the transaction is in a block, on bitcoin when it is in the pool.

        Raises NETWORK_UNAVAILABLE if the payment fails.
        """
        asset, amount_raw = network.asset(invoice.pay_in.asset), int(invoice.pay_in.amount_raw)
        assert asset is not None, "assets are never removed from a network that has invoices"
        match choice:
            case Choice.EXACT:
                pass
            case Choice.SHORT:
                amount_raw -= max(1, amount_raw // 10)
            case Choice.OVER:
                amount_raw += max(1, amount_raw // 10)
            case Choice.LATE:
                # Before the block clock's grace, so that the transfer is late by any clock.
                grace = timedelta(seconds=network.expiry_grace_s + 60)
                await self._invoices.expire_early(invoice.id, clock.now() - grace)
            case Choice.WRONG_TOKEN:
                asset = _another(network, asset)
                amount_raw = max(asset.dust_limit_raw, 1)  # a smaller amount would be dust, which has no effect
        try:
            await PAYERS[network.kind](network, asset, invoice.pay_in.address, amount_raw)
        except (ChainDriverError, BitcoinDriverError, TronDriverError):
            raise ApiError(Code.NETWORK_UNAVAILABLE, "the sandbox's chain did not take the payment") from None


def _another(network: NetworkConfig, asset: Asset) -> Asset:
    for other in network.assets:
        if other.symbol != asset.symbol:
            return other
    raise invalid("choice", "the network has no other token")


async def _on_evm(network: NetworkConfig, asset: Asset, to: str, amount_raw: int) -> None:
    driver = await AnvilDriver.connect(network.rpc_urls[0].reveal())
    try:
        if asset.contract is None:
            receipt = await driver.transfer_native(to, amount_raw, sender=driver.accounts[CUSTOMER])
        else:
            sender = await _account_with(driver, asset.contract, amount_raw)
            receipt = await driver.transfer_token(asset.contract, to, amount_raw, sender=sender)
    finally:
        await driver.aclose()
    if receipt["status"] != "0x1":
        raise ChainDriverError("the transfer has failed")


async def _on_bitcoin(network: NetworkConfig, asset: Asset, to: str, amount_raw: int) -> None:
    driver = await BitcoinDriver.connect(network.rpc_urls[0].reveal())
    try:
        await driver.pay(to, amount_raw)
    finally:
        await driver.aclose()


async def _on_tron(network: NetworkConfig, asset: Asset, to: str, amount_raw: int) -> None:
    driver = await TronDriver.connect(network.rpc_urls[0].reveal())
    try:
        await driver.mined(await driver.pay(to, amount_raw, contract=asset.contract))
    finally:
        await driver.aclose()


PAYERS: dict[str, Callable[[NetworkConfig, Asset, str, int], Awaitable[None]]] = {
    "evm": _on_evm,
    "bitcoin": _on_bitcoin,
    "tron": _on_tron,
}
"""What pays on each kind of chain. Each raises the error of its driver."""


async def _account_with(driver: AnvilDriver, contract: str, amount_raw: int) -> str:
    """The first account, starting with the customer's, that holds enough of a token."""
    for account in [*driver.accounts[CUSTOMER:], *driver.accounts[:CUSTOMER]]:
        if await driver.balance_of(account, contract) >= amount_raw:
            return account
    raise ChainDriverError("no account of the node holds enough of the token")
