"""A merchant whose customers pay in ways that need a review."""

from datetime import timedelta

from app.core import clock, database
from app.deposits import reviews
from app.merchants.terms import Terms
from app.sandbox.chain_driver import AnvilDriver
from app.wiring import Services
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.operators import Operator
from tests.factories.payments import CONFIRMATIONS


class Shop:
    """A merchant at 80 bps, its customers, and two operators."""

    def __init__(self, services: Services, driver: AnvilDriver, token: str, merchant: Terms, *ops: Operator) -> None:
        self.services, self.driver, self.token, self.terms, self.ops = services, driver, token, merchant, ops
        (self.watcher,) = services.watchers()

    async def invoice(self) -> AskedInvoice:
        return await invoice(self.services, self.terms, amount="5.00", expires_in=timedelta(minutes=10))

    async def pay(self, address: str, amount_raw: int, asset: str = "USDT", blocks: int = CONFIRMATIONS) -> None:
        """Send a payment with this many confirmations, and let the watcher book it."""
        if asset == "USDT":
            await self.driver.transfer_token(self.token, address, amount_raw)
        else:
            await self.driver.transfer_native(address, amount_raw)
        await self.driver.mine(blocks - 1)
        await self.watcher.tick()

    async def seen(self) -> tuple[int, list[dict[str, object]]]:
        """The chain's height and the deposits, for the message of a failure."""
        return await self.driver.height(), [dict(row) for row in await database.fetch_all("SELECT * FROM deposits")]

    async def goes_wrong(self, kind: str) -> tuple[AskedInvoice, str, str, int]:
        """Create a review of this kind. Returns its invoice, deposit, asset and amount."""
        new = await self.invoice()
        address, asked_raw = new.pay_in.address, int(new.pay_in.amount_raw)
        asset, amount_raw = "USDT", asked_raw
        if kind in ("underpaid", "overpaid"):
            amount_raw += {"underpaid": -1, "overpaid": 1}[kind]
        elif kind == "late":
            clock.shift(timedelta(minutes=11))
            await self.watcher.tick()
            await self.driver.call("evm_setNextBlockTimestamp", int(clock.now().timestamp()))
        elif kind == "cancelled":
            await self.services.invoices.cancel(self.terms.merchant_id, "test", new.id, clock.now())
        elif kind == "second":
            await self.pay(address, asked_raw)
        elif kind == "wrong_asset":
            asset, amount_raw = "ETH", 10**15
        await self.pay(address, amount_raw, asset)
        listed = await reviews.list_reviews()
        assert len(listed) == 1, await self.seen()
        (review,) = listed
        assert (review.verdict, review.invoice_id, review.amount_raw) == (kind, new.id, amount_raw)
        return new, review.deposit_id, asset, amount_raw
