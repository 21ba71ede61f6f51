"""The whole gateway on a chain that mines only when it is told to: customers, merchants, operators, a signer that
may die. For tests that let everything happen in any order (test_any_order.py)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Self

import msgspec

from app.core import clock, database
from app.core.database import Row
from app.core.errors import ApiError
from app.core.money import format_amount
from app.deposits import reviews
from app.deposits.reviews import ReviewRefused
from app.deposits.watcher import Watcher
from app.events import sequencer
from app.invoices.creation import NewInvoice
from app.invoices.presentation import AssetOnChain, InvoiceBody
from app.merchants.terms import Terms
from app.networks.port import ChainMoved, NetworkError, NodeUnavailable, UnreadableAnswer, WrongChain
from app.refunds.service import NewRefund
from app.signer.crash_points import CrashPoints
from app.signer.keystore import SpendingKeys
from app.signer.signing import Signer
from app.signer.start import signers_of
from app.webhooks.fan_out import fan_out_with
from app.wiring import Services
from app.withdrawals import holds
from app.withdrawals.approvals import ApprovalRefused, expire_stale
from app.withdrawals.presentation import RefundBody
from tests.factories.invoices import AskedInvoice, invoice
from tests.factories.merchants import PRICES, merchant, takes
from tests.factories.operators import Operator, operator
from tests.factories.rates import store_rate
from tests.factories.webhooks import make_endpoint
from tests.factories.withdrawals import payout
from tests.money.chains import CONFIRMATIONS, MoneyChain

RATES: Mapping[str, str] = MappingProxyType({"USDT": "0.92", "ETH": "500", "BTC": "400", "TRX": "0.25"})
"""What assets are worth in euros at first: so little that prices of a few euros are well above dust."""


class Crash(BaseException):
    """Raised where the signer dies."""


class CrashAt(CrashPoints):
    """Raises an exception at a crash point where production kills the process: the same effect, but much faster."""

    def __init__(self, point: str | None) -> None:
        super().__init__(is_production=False, env={})
        self._point = point

    def reach(self, point: str) -> None:
        if point == self._point:
            raise Crash(point)


@dataclass
class World:
    """One deployment with all its actors."""

    services: Services
    chain: MoneyChain
    keys: SpendingKeys
    watcher: Watcher
    signer: Signer
    rates: dict[str, str | None] = field(default_factory=lambda: dict(RATES))
    merchants: Sequence[Terms] = ()
    operators: Sequence[Operator] = ()

    @classmethod
    async def begin(cls, services: Services, chain: MoneyChain, keys: SpendingKeys) -> Self:
        """Two merchants, one tolerant and taking parts, two operators, and a hot wallet with a booked top-up."""
        (watcher,), (signer,) = (
            services.watchers(),
            signers_of(services.networks, services.withdrawals, keys, CrashAt(None)),
        )
        world = cls(services, chain, keys, watcher, signer)
        strict, tolerant = await merchant(service_fee_bps=80), await merchant(service_fee_bps=0)
        await database.execute("UPDATE merchants SET tolerance_bps = 100, late_quote_bps = 300 WHERE id = $1", tolerant)
        for one in (strict, tolerant):
            await takes(one, *chain.decimals, network=chain.network)
        world.merchants = [
            Terms(strict, "test", 80, "customer", prices=PRICES),
            Terms(tolerant, "test", 0, "merchant", accept_parts=True, prices=PRICES),
        ]
        data_keys = services.settings.data_keys
        await make_endpoint(
            merchant_id=strict, mode="test", url="https://shop.example.test/", keys=data_keys, now=clock.now()
        )
        world.operators = [await operator(data_keys, f"op{number}@example.test") for number in range(2)]
        await world.watch()
        for asset, amount_raw in chain.hot_raw.items():
            await chain.send(asset, chain.hot_address, amount_raw)
        await chain.mine(CONFIRMATIONS)
        await world.watch()
        chain.base_height = await chain.height()
        return world

    async def reorganise(self, depth: int) -> None:
        """Replace the newest blocks by empty ones, and run the watcher."""
        await self.chain.reorganise(depth)
        await self.watch()

    # What our processes do.

    async def watch(self) -> None:
        with suppress(*((ChainMoved, NodeUnavailable) if self.chain.is_lying else ())):
            await self.watcher.tick()

    async def number_events(self) -> None:
        await sequencer.number_events(fan_out_with(self.services.settings.data_keys))

    async def sign(self, crash_at: str | None = None) -> None:
        """One round of the signer; if it dies, a new signer replaces it."""
        (self.signer,) = (
            signers_of(self.services.networks, self.services.withdrawals, self.keys, CrashAt(crash_at))
            if crash_at
            else (self.signer,)
        )
        try:
            await self.signer.tick()
        except Crash:
            pass
        except (WrongChain, UnreadableAnswer):
            raise
        except NetworkError:
            pass  # this round was cut short, as in signing.py
        if crash_at:
            (self.signer,) = signers_of(self.services.networks, self.services.withdrawals, self.keys, CrashAt(None))

    async def come_to_rest(self) -> None:
        """Run every process until nothing is left to do."""
        await self.chain.lie(0)
        if self.chain.spends_deposits:
            await self.chain.resubmit()
        for _ in range(6):
            await self.chain.mine(CONFIRMATIONS)
            await self.watch()
            await self.sign()
        await self.chain.mine(CONFIRMATIONS)
        await self.watch()
        await self.sign()

    # What merchants and operators do. Each returns its result: an id, a state, or a refusal.

    async def new_invoice(self, terms: Terms, asset: str, amount: str) -> AskedInvoice | str:
        try:
            return await invoice(
                self.services,
                terms,
                amount=amount,
                currency=asset,
                chain=self.chain.network.partition(":")[0],
                expires_in=timedelta(minutes=10),
            )
        except ApiError as error:
            return error.code

    async def new_price(self, terms: Terms, price: str, asset: str | None) -> str:
        """A new invoice over a price in euros, for one asset or for any: its id."""
        await self.refresh_rates()
        chain = self.chain.network.partition(":")[0]
        new = NewInvoice(
            amount=price,
            currency="EUR",
            pay_in_assets=None if asset is None else (AssetOnChain(asset=asset, chain=chain),),
            expires_in=timedelta(minutes=40),
        )
        try:
            body = await self.services.invoice_creation.create(terms, new, None, clock.now())
        except ApiError as error:
            return error.code
        return msgspec.json.decode(body, type=InvoiceBody).id

    async def choose(self, invoice_id: str, asset: str) -> str:
        await self.refresh_rates()
        chain = self.chain.network.partition(":")[0]
        try:
            await self.services.quotes.choose(invoice_id, asset, chain, clock.now())
        except ApiError as error:
            return error.code
        return "chosen"

    async def pay_quote(self, invoice_id: str, chance: int, how: str, customer: int) -> None:
        """A customer pays one of an invoice's quotes, if it has any."""
        await self.refresh_rates()
        quotes = (await self.services.invoice_reader.get_any(invoice_id)).quotes
        if not quotes:
            return
        pay_in = quotes[chance % len(quotes)].pay_in
        asked_raw = int(pay_in.amount_raw)
        amounts_raw = {
            "short": asked_raw * 2 // 5,
            "half": asked_raw // 2,
            "over": asked_raw * 2,
            "nearly": asked_raw * 199 // 200,
            "dust": asked_raw // 200,
        }
        await self.chain.send(pay_in.asset, pay_in.address, amounts_raw.get(how, asked_raw), customer)

    async def pass_quotes_end(self, invoice_id: str, by: timedelta) -> None:
        """Advance the clock to this much after the end of the quote that an invoice asks for, if that is to come."""
        quote = await database.fetch_value("SELECT quote_expires_at FROM invoices WHERE id = $1", invoice_id)
        if quote is not None:
            clock.shift(max(quote + by - clock.now(), timedelta()))

    async def refresh_rates(self) -> None:
        """Store the present rates of all assets in euros."""
        for asset, figure in self.rates.items():
            await store_rate(asset, "EUR", figure, clock.now())

    async def move_rate(self, asset: str, per_cent: int | None) -> None:
        """Change a rate to so much of what it was at first; None is no rate."""
        figure = None if per_cent is None else str(Decimal(RATES[asset]) * per_cent / 100)
        self.rates[asset] = figure
        await self.refresh_rates()

    async def refund_price(self, invoice_id: str, share: int) -> str:
        """Request a refund of what an invoice with a price was credited, or a share of it."""
        body = await self.services.invoice_reader.get_any(invoice_id)
        if body.pay_in is None:
            return "INVOICE_NOT_REFUNDABLE"
        decimals = self.chain.decimals[body.pay_in.asset]
        return await self.request_refund(invoice_id, format_amount(int(body.net_raw or 0) // share, decimals))

    async def missing_raw(self, invoice_id: str) -> int:
        """The missing amount of an invoice that accepts parts; the whole amount if nothing is missing."""
        row = await database.fetch_one("SELECT pay_in_raw, received_raw FROM invoices WHERE id = $1", invoice_id)
        assert row is not None
        left_raw = row["pay_in_raw"] - row["received_raw"]
        return int(left_raw if left_raw > 0 else row["pay_in_raw"])

    async def cancel_invoice(self, invoice_id: str) -> str:
        merchant_id = await self.merchant_of("invoices", invoice_id)
        try:
            await self.services.invoices.cancel(merchant_id, "test", invoice_id, clock.now())
        except ApiError as error:
            return error.code
        return "cancelled"

    async def request_payout(self, merchant_id: str, asset: str, amount: str, requested_by: str) -> str:
        """Request a payout to a new address, so that only this payout is received there."""
        fields = {
            "asset": asset,
            "chain": self.chain.network.partition(":")[0],
            "destination": await self.chain.nobody(),
            "requested_by": requested_by,
        }
        try:
            return (await payout(self.services, merchant_id, amount, **fields)).id
        except ApiError as error:
            return error.code

    async def cancel_payout(self, payout_id: str) -> str:
        merchant_id = await self.merchant_of("withdrawals", payout_id)
        try:
            await self.services.payouts.cancel(merchant_id, "test", payout_id, clock.now())
        except ApiError as error:
            return error.code
        return "cancelled"

    async def request_refund(self, invoice_id: str, amount: str) -> str:
        merchant_id = await self.merchant_of("invoices", invoice_id)
        new = NewRefund(amount=amount, refund_address=await self.chain.nobody(), requested_by="api_key:k")
        try:
            body = await self.services.refunds.create(merchant_id, "test", invoice_id, new, None, clock.now())
        except ApiError as error:
            return error.code
        return msgspec.json.decode(body, type=RefundBody).id

    async def approve(self, withdrawal_id: str, by: Operator) -> str:
        try:
            return await self.services.approvals.approve(withdrawal_id, by.id, by.next_code(), clock.now())
        except ApprovalRefused as error:
            return str(error)

    async def reject(self, withdrawal_id: str, by: Operator) -> str:
        try:
            await self.services.approvals.reject(withdrawal_id, by.id, "no", clock.now())
        except ApprovalRefused as error:
            return str(error)
        return "rejected"

    async def expire_requests(self) -> int:
        return await expire_stale(self.services.withdrawals, 7, clock.now())

    async def open_reviews(self) -> list[str]:
        return [review.deposit_id for review in await reviews.list_reviews()]

    async def credit(self, deposit_id: str, by: Operator) -> str:
        try:
            await self.services.reviews.credit(deposit_id, by.id, "as good as paid", clock.now())
        except ReviewRefused as error:
            return str(error)
        return "credited"

    async def close(self, deposit_id: str, by: Operator) -> str:
        try:
            await self.services.reviews.close(deposit_id, by.id, "nobody's", clock.now())
        except ReviewRefused as error:
            return str(error)
        return "closed"

    async def send_back(self, deposit_id: str, by: Operator) -> str:
        try:
            destination = await self.chain.nobody()
            return await self.services.returns.send_back(deposit_id, destination, by.id, "to its sender", clock.now())
        except (ReviewRefused, ApiError) as error:
            return str(error)

    async def release_holds(self, by: Operator) -> None:
        for hold in await holds.open_holds():
            await holds.release(hold.id, by.id, "looked into", clock.now())

    # What can be seen.

    async def reached(self) -> dict[str, int]:
        """How often each state and failure occurred: a run that reaches none of them proves little."""
        rows = await database.fetch_all(
            """
            SELECT 'invoice ' || status AS what, count(*) FROM invoices GROUP BY 1
            UNION ALL SELECT 'price ' || status, count(*) FROM invoices WHERE price_raw IS NOT NULL GROUP BY 1
            UNION ALL SELECT 'quote ' || CASE WHEN i.quote = q.id AND i.paid_at IS NOT NULL THEN 'paid' ELSE state END,
                count(*) FROM quotes q JOIN invoices i ON i.id = q.invoice GROUP BY 1
            UNION ALL SELECT 'quote late ' || d.verdict, count(*) FROM quotes q JOIN deposits d
                ON d.invoice = q.invoice AND d.deposit_address = q.deposit_address
                WHERE coalesce(d.made_at, d.block_time) >= q.expires_at GROUP BY 1
            UNION ALL SELECT 'deposit ' || verdict || ' ' || status, count(*) FROM deposits GROUP BY 1
            UNION ALL SELECT 'deposit reversed', sum(times_reversed) FROM deposits
            UNION ALL SELECT kind || ' ' || status, count(*) FROM withdrawals GROUP BY 1
            UNION ALL SELECT 'review ' || coalesce(outcome, 'open'), count(*) FROM reviews GROUP BY 1
            UNION ALL SELECT purpose || ' transaction ' || status, count(*) FROM outgoing_transactions GROUP BY 1
            UNION ALL SELECT 'bump', count(*) FROM outgoing_transactions WHERE replaces IS NOT NULL
            UNION ALL SELECT 'alert ' || kind, sum(occurrences) FROM alerts GROUP BY 1
            UNION ALL SELECT 'ledger below zero', count(*) FROM ledger_entries
                WHERE available_after_raw < 0 AND kind = 'deposit_reversal'
            """
        )
        return {row["what"]: int(row["count"] or 0) for row in rows}

    async def merchant_of(self, table: str, id: str) -> str:
        return str(await database.fetch_value(f"SELECT merchant FROM {table} WHERE id = $1", id))

    async def available_raw(self, owner: str, asset: str) -> int:
        return int(
            await database.fetch_value(
                "SELECT available_raw FROM ledger_heads WHERE owner = $1 AND network = $2 AND asset = $3",
                owner,
                self.chain.network,
                asset,
            )
            or 0
        )

    async def assert_nothing_left_twice(self) -> None:
        """I3, checked on the chain: each withdrawal's own address receives its amount once, or nothing."""
        for row, arrived_raw in await self._withdrawals():
            assert arrived_raw in (0, row["amount_raw"]), dict(row)
            assert not arrived_raw or row["status"] in ("approved", "submitted", "confirmed"), dict(row)

    async def assert_scanned_chain(self) -> None:
        """What holds on this kind of chain alone, where the watcher has read the newest block."""
        scanned = await database.fetch_value(
            "SELECT scanned_height FROM network_cursors WHERE network = $1", self.chain.network
        )
        if scanned == await self.chain.height() and not self.chain.is_lying:
            await self.chain.check()

    async def assert_everything_arrived(self) -> None:
        """At rest: confirmed withdrawals are on chain, others are not, and no approved one waits without a reason."""
        for row, arrived_raw in await self._withdrawals():
            assert arrived_raw == (row["amount_raw"] if row["status"] == "confirmed" else 0), dict(row)
            assert row["status"] != "submitted", dict(row)
            assert row["status"] != "approved" or row["held"] or row["waiting_reason"], dict(row)

    async def _withdrawals(self) -> list[tuple[Row, int]]:
        """Each withdrawal, and what has arrived at its address."""
        rows = await database.fetch_all(
            "SELECT id, asset, amount_raw, destination, status, held, waiting_reason FROM withdrawals"
        )
        arrived: dict[str, int] = {}
        for asset in self.chain.decimals:
            addresses = [row["destination"] for row in rows if row["asset"] == asset]
            arrived |= await self.chain.arrived_raw(asset, addresses)
        return [(row, arrived[row["destination"]]) for row in rows]
