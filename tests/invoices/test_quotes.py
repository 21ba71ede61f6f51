"""Prices in national currencies: the choice, quotes that end, payments of earlier and of ended quotes.

Blocks are a list (tests/deposits/feed.py) on one network with two assets; its time and the clock go together."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from app.core import clock, database
from app.core.errors import ApiError
from app.invoices.creation import NewInvoice
from app.invoices.presentation import AssetOnChain, InvoiceBody, QuoteBody
from app.merchants.terms import PriceTerms, Terms
from app.web.idempotency import Replay, ReplayExists, replay_of
from app.wiring import Services
from tests.books import assert_books, assert_invoices
from tests.deposits.feed import Feed
from tests.factories.merchants import PRICES, terms
from tests.factories.rates import store_rate

USDT = AssetOnChain(asset="USDT", chain="ethereum")
ETH = AssetOnChain(asset="ETH", chain="ethereum")


@dataclass
class Shop:
    """A merchant with the rates of its assets."""

    services: Services
    feed: Feed
    terms: Terms
    figures: dict[str, str | None] = field(default_factory=lambda: {"USDT": "0.92", "ETH": "2400"})

    async def rates(self, **figures: str | None) -> None:
        """Refresh the rates in euros: those that are given change, None is no rate."""
        self.figures |= figures
        for asset, figure in self.figures.items():
            await store_rate(asset, "EUR", figure, clock.now())

    async def wait(self, minutes: float) -> None:
        """Let time pass, with a refresh of the rates and a block at its end."""
        clock.shift(timedelta(minutes=minutes))
        self.feed.now = clock.now()
        await self.rates()
        await self.feed.mine()

    async def sell(self, *pay_in: AssetOnChain, amount: str = "49.90", **more: Any) -> InvoiceBody:
        """A new invoice with a price in euros."""
        new = NewInvoice(
            amount=amount,
            currency="EUR",
            pay_in_assets=pay_in or None,
            **{"expires_in": timedelta(hours=1), **more},
        )
        body = await self.services.invoice_creation.create(self.terms, new, None, clock.now())
        return msgspec.json.decode(body, type=InvoiceBody)

    async def choose(self, invoice: InvoiceBody, asset: AssetOnChain) -> QuoteBody:
        """The quote that the customer gets for an asset."""
        now = await self.services.quotes.choose(invoice.id, asset.asset, asset.chain, clock.now())
        return now.quotes[0]

    async def pay(self, to: QuoteBody, amount_raw: int | None = None, asset: str | None = None) -> None:
        """A transfer in a block of its own, of the quote's amount unless another is given."""
        self.feed.now = clock.now()
        raw = int(to.pay_in.amount_raw) if amount_raw is None else amount_raw
        await self.feed.pay(to, raw, asset or to.pay_in.asset)  # type: ignore[arg-type]
        await assert_invoices()
        clock.shift(self.feed.now - clock.now())

    async def now(self, invoice: InvoiceBody) -> InvoiceBody:
        """The invoice's present state."""
        return await self.services.invoice_reader.get_any(invoice.id)

    async def allow_late(self, bps: int) -> None:
        """Let late payments count if the rate has moved against the merchant by no more than this."""
        await database.execute("UPDATE merchants SET late_quote_bps = $1 WHERE id = $2", bps, self.terms.merchant_id)

    async def settle(self) -> None:
        """Confirm everything, and check the books."""
        await self.feed.confirm()
        await assert_invoices()
        await assert_books()


@pytest.fixture
async def shop(services: Services) -> Shop:
    feed = Feed(services)
    feed.begin_anew()
    shop = Shop(services, feed, await terms(service_fee_bps=80))
    await shop.rates()
    return shop


async def events(invoice: InvoiceBody) -> list[str]:
    rows = await database.fetch_all("SELECT type FROM events WHERE subject_id = $1 ORDER BY id", invoice.id)
    return [row["type"].removeprefix("invoice.") for row in rows]


async def leased(invoice: InvoiceBody) -> set[str]:
    """The addresses that an invoice has."""
    rows = await database.fetch_all("SELECT address FROM deposit_addresses WHERE invoice_id = $1", invoice.id)
    return {row["address"] for row in rows}


def life(quote: QuoteBody) -> timedelta:
    """For how long a quote is good."""
    return datetime.fromisoformat(quote.expires_at) - datetime.fromisoformat(quote.created_at)


def shape(invoice: InvoiceBody) -> tuple[str, str | None, list[str]]:
    """The status, the asset to pay in, and the states of the quotes."""
    asset = None if invoice.pay_in is None else invoice.pay_in.asset
    return invoice.status.value, asset, [quote.state for quote in invoice.quotes]


async def test_one_asset_is_quoted_at_once(shop: Shop) -> None:
    new = await shop.sell(USDT)
    (quote,) = new.quotes
    assert shape(new) == ("awaiting_deposit", "USDT", ["open"])
    assert new.price is not None
    assert (new.price.amount_decimal, new.price.currency, new.amount_raw) == ("49.90", "EUR", "54239200")
    assert quote.pay_in == new.pay_in
    assert (quote.rate, quote.spread_bps, [source.name for source in quote.sources]) == (
        "0.92",
        0,
        ["kraken", "coinbase"],
    )
    assert life(quote) == timedelta(minutes=15)
    assert new == await shop.now(new), "the answer is what is read afterwards"
    assert await events(new) == ["created"]
    await shop.pay(quote)
    await shop.settle()
    paid = await shop.now(new)
    assert shape(paid) == ("paid", "USDT", ["used"])
    assert paid.credited_raw == new.net_raw
    assert await leased(new) == set()
    assert await events(new) == ["created", "confirming", "paid"]


async def test_the_customer_chooses_and_chooses_again(shop: Shop) -> None:
    new = await shop.sell()
    assert shape(new) == ("awaiting_choice", None, [])
    assert (new.amount_raw, new.pay_in, new.service_fee_raw, new.net_raw) == (None, None, None, None)
    assert await leased(new) == set()
    offered = await shop.services.quotes.choices(new.id, clock.now())
    assert {(one.asset.symbol, one.amount_decimal) for one in offered} == {("ETH", "0.0207917"), ("USDT", "54.2392")}
    usdt = await shop.choose(new, USDT)
    eth = await shop.choose(new, ETH)
    assert shape(await shop.now(new)) == ("awaiting_deposit", "ETH", ["open", "open"])
    assert await leased(new) == {usdt.pay_in.address, eth.pay_in.address}
    again = await shop.choose(new, USDT)
    assert again == usdt, "a quote that is good for a while is taken again"
    assert await events(new) == ["created", "quoted", "quoted", "quoted"]
    # The quote that isn't chosen is honoured: the invoice takes it.
    await shop.pay(eth)
    confirming = await shop.now(new)
    assert shape(confirming) == ("confirming", "ETH", ["used", "open"])
    assert (confirming.pay_in, confirming.received_raw) == (eth.pay_in, eth.pay_in.amount_raw)
    with pytest.raises(ApiError, match="INVOICE_NOT_QUOTABLE: the invoice is confirming"):
        await shop.choose(new, USDT)
    await shop.settle()
    assert shape(await shop.now(new)) == ("paid", "ETH", ["used", "open"])
    assert await leased(new) == {usdt.pay_in.address}, "its time is not over"
    await shop.pay(usdt)
    second = await shop.now(new)
    assert ([each.verdict for each in second.deposits], second.status) == (["exact", "second"], "paid")
    assert (second.pay_in, second.received_raw) == (eth.pay_in, eth.pay_in.amount_raw)
    await shop.wait(15)
    assert await leased(new) == set()
    await shop.settle()


async def test_a_quote_ends_and_the_customer_chooses_again(shop: Shop) -> None:
    new = await shop.sell()
    first = await shop.choose(new, USDT)
    await shop.wait(14)
    assert shape(await shop.now(new)) == ("awaiting_deposit", "USDT", ["open"])
    await shop.wait(2)
    ended = await shop.now(new)
    assert shape(ended) == ("awaiting_choice", None, ["ended"])
    assert (ended.pay_in, ended.received_raw) == (None, "0")
    assert await leased(new) == set()
    await shop.rates(USDT="0.80")
    second = await shop.choose(new, USDT)
    assert (second.pay_in.amount_decimal[:6], second.pay_in.address != first.pay_in.address) == ("62.375", True)
    await shop.wait(50)
    assert shape(await shop.now(new)) == ("expired", None, ["ended", "ended"])
    assert await leased(new) == set()
    assert await events(new) == ["created", "quoted", "quoted", "expired"]
    with pytest.raises(ApiError, match="INVOICE_NOT_QUOTABLE: the invoice is expired"):
        await shop.choose(new, USDT)


async def test_a_quote_ends_with_its_invoice(shop: Shop) -> None:
    new = await shop.sell(expires_in=timedelta(minutes=10))
    quote = await shop.choose(new, USDT)
    assert quote.expires_at == new.expires_at


async def test_an_earlier_quote_takes_over_when_the_chosen_one_ends_first(shop: Shop) -> None:
    new = await shop.sell()
    usdt = await shop.choose(new, USDT)
    await shop.wait(5)
    eth = await shop.choose(new, ETH)
    assert await shop.choose(new, USDT) == usdt
    await shop.wait(11)
    assert shape(await shop.now(new)) == ("awaiting_deposit", "ETH", ["open", "ended"])
    assert await leased(new) == {eth.pay_in.address}


@pytest.mark.parametrize("allowed_bps", [0, 100, 500])
async def test_a_payment_after_its_quotes_end(shop: Shop, allowed_bps: int) -> None:
    """The rate has moved by 2 % against the merchant."""
    await database.execute("UPDATE merchants SET late_quote_bps = $1", allowed_bps)
    new = await shop.sell()
    quote = await shop.choose(new, USDT)
    await shop.wait(16)
    await shop.rates(USDT="0.9016")
    clock.shift(timedelta(seconds=-12))  # the block is in the minute of the rate
    await shop.pay(quote)
    late = await shop.now(new)
    if allowed_bps == 500:
        assert (late.status, late.deposits[0].verdict) == ("confirming", "exact")
    else:
        assert (late.status, late.deposits[0].verdict, late.pay_in) == ("manual_review", "late", quote.pay_in)
        facts = msgspec.json.decode(await database.fetch_value("SELECT facts FROM reviews"))
        by_quote = f"{Decimal(quote.pay_in.amount_decimal) * Decimal('0.92'):.2f}"
        by_its_minute = f"{Decimal(quote.pay_in.amount_decimal) * Decimal('0.9016'):.2f}"
        worth = {"currency": "EUR", "price": "49.90", "by_quote": by_quote, "by_its_minute": by_its_minute}
        assert facts["worth"] == worth
    await shop.settle()
    if allowed_bps == 500:
        assert shape(await shop.now(new)) == ("paid", "USDT", ["used"])
    else:
        await credit(shop, new)
        assert (await shop.now(new)).status == "paid"
    await assert_invoices()
    await assert_books()


async def credit(shop: Shop, invoice: InvoiceBody) -> None:
    """An operator credits the one open review."""
    deposit = await database.fetch_value(
        "SELECT deposit FROM reviews WHERE status = 'open' AND invoice = $1", invoice.id
    )
    await shop.services.reviews.credit(deposit, "ACC-0", "as good as paid", clock.now())


async def test_a_late_payment_without_a_rate_says_so(shop: Shop) -> None:
    new = await shop.sell()
    quote = await shop.choose(new, USDT)
    await shop.wait(16)
    await shop.rates(USDT=None)
    await shop.pay(quote)
    facts = msgspec.json.decode(await database.fetch_value("SELECT facts FROM reviews"))
    assert facts["worth"]["by_its_minute"] is None
    with pytest.raises(ApiError, match="INVOICE_NOT_QUOTABLE"):
        await shop.choose(new, ETH)


async def test_what_is_credited_for_another_quote_pays_by_its_figures(shop: Shop) -> None:
    """Less came for one quote, which the invoice keeps; then too much for another one, which an operator credits."""
    new = await shop.sell()
    usdt, eth = await shop.choose(new, USDT), await shop.choose(new, ETH)
    await shop.pay(usdt, int(usdt.pay_in.amount_raw) // 2)
    short = await shop.now(new)
    assert (short.status, short.pay_in, short.deposits[0].verdict) == ("manual_review", usdt.pay_in, "underpaid")
    await shop.pay(eth, int(eth.pay_in.amount_raw) * 2)
    assert (await shop.now(new)).pay_in == usdt.pay_in
    await shop.settle()
    over = await database.fetch_value("SELECT id FROM deposits WHERE verdict = 'overpaid'")
    await shop.services.reviews.credit(over, "ACC-0", "they paid twice as much", clock.now())
    paid = await shop.now(new)
    assert (paid.status, paid.pay_in, paid.received_raw) == ("paid", eth.pay_in, str(int(eth.pay_in.amount_raw) * 2))
    assert int(paid.credited_raw or 0) > int(paid.net_raw or 0)
    await credit(shop, new)
    assert (await shop.now(new)).credited_raw == paid.credited_raw, "the other asset counts for nothing here"
    await assert_invoices()
    await assert_books()


async def test_parts_count_within_one_quote(shop: Shop) -> None:
    shop.terms = Terms(shop.terms.merchant_id, "test", 80, "customer", accept_parts=True, prices=PRICES)
    new = await shop.sell()
    usdt, eth = await shop.choose(new, USDT), await shop.choose(new, ETH)
    half_raw = int(usdt.pay_in.amount_raw) // 2
    await shop.pay(usdt, half_raw)
    part = await shop.now(new)
    assert (shape(part)[:2], part.received_raw) == (("awaiting_deposit", "USDT"), str(half_raw))
    with pytest.raises(ApiError, match="INVOICE_NOT_QUOTABLE: a deposit was seen"):
        await shop.choose(new, ETH)
    await shop.pay(eth, int(eth.pay_in.amount_raw) // 4)
    assert (await shop.now(new)).received_raw == str(half_raw)
    await shop.pay(usdt, int(usdt.pay_in.amount_raw) - half_raw)
    assert (await shop.now(new)).status == "confirming"
    await shop.settle()
    await shop.wait(20)
    paid = await shop.now(new)
    assert (paid.status, paid.needs_review, [each.verdict for each in paid.deposits]) == (
        *("paid", True),
        ["exact", "second", "exact"],
    )


async def test_parts_of_two_quotes_pay_nothing_together(shop: Shop) -> None:
    """Both quotes are in one asset: the rate has moved in between."""
    shop.terms = Terms(shop.terms.merchant_id, "test", 80, "customer", accept_parts=True, prices=PRICES)
    new = await shop.sell(expires_in=timedelta(hours=2))
    first = await shop.choose(new, USDT)
    await shop.wait(13.5)
    second = await shop.choose(new, USDT)
    assert second.id != first.id, "the first one is good for less than two minutes"
    asked_raw = int(second.pay_in.amount_raw)
    await shop.pay(second, asked_raw - asked_raw // 2)
    await shop.pay(first, asked_raw // 2)
    two_parts = await shop.now(new)
    assert (two_parts.status, two_parts.pay_in) == ("awaiting_deposit", second.pay_in)
    assert two_parts.received_raw == str(asked_raw - asked_raw // 2)
    await shop.pay(second, asked_raw // 2)
    assert (await shop.now(new)).status == "confirming"


async def test_an_amount_at_an_address_is_asked_once(shop: Shop) -> None:
    """There are 99 tails, so an address gets the same tail again; the same sum would then match two quotes."""
    first = await shop.choose(await shop.sell(), USDT)
    await shop.wait(80)
    await database.execute(
        "UPDATE deposit_addresses SET lease_count = 99, reserved_by = NULL, reserved_until = NULL,"
        " available_at = CASE WHEN address = $1 THEN created_at ELSE 'infinity' END",
        first.pay_in.address,
    )
    shop.services.addresses._reserved.clear()
    await database.execute(
        "INSERT INTO deposit_addresses (network, derivation_index, address, lease_count, available_at,"
        " created_at) SELECT network, 100000, '0x' || repeat('5', 40), 0, now() - interval '1 day', created_at"
        " FROM deposit_addresses LIMIT 1"
    )
    second = await shop.choose(await shop.sell(), USDT)
    assert second.pay_in.amount_raw == first.pay_in.amount_raw, "by the same tail"
    assert second.pay_in.address != first.pay_in.address


async def test_parts_of_a_quote_that_ends_go_to_review(shop: Shop) -> None:
    shop.terms = Terms(shop.terms.merchant_id, "test", 80, "customer", accept_parts=True, prices=PRICES)
    new = await shop.sell()
    quote = await shop.choose(new, USDT)
    await shop.pay(quote, int(quote.pay_in.amount_raw) // 2)
    await shop.wait(16)
    left = await shop.now(new)
    assert (left.status, left.pay_in, left.deposits[0].verdict) == ("manual_review", quote.pay_in, "underpaid")


async def test_dust_does_not_end_the_choice(shop: Shop) -> None:
    new = await shop.sell()
    usdt = await shop.choose(new, USDT)
    await shop.pay(usdt, 7)
    assert (await shop.now(new)).received_raw == "7"
    eth = await shop.choose(new, ETH)
    assert ((await shop.now(new)).received_raw, eth.pay_in.asset) == ("0", "ETH")


async def test_a_quote_has_more_time_while_its_payment_may_come_back(shop: Shop) -> None:
    new = await shop.sell(expires_in=timedelta(hours=6))
    quote = await shop.choose(new, USDT)
    await shop.pay(quote)
    await shop.feed.reorganise(1)
    await shop.wait(30)
    away = await shop.now(new)
    assert (shape(away), away.pay_in) == (("awaiting_deposit", "USDT", ["open"]), quote.pay_in)
    assert await leased(new) == {quote.pay_in.address}
    await shop.feed.find(0)
    assert (await shop.now(new)).status == "confirming", "it was made in time"
    await shop.feed.reorganise(1)
    await shop.wait(200)
    assert shape(await shop.now(new)) == ("awaiting_choice", None, ["ended"])
    eth = await shop.choose(new, ETH)
    await shop.feed.find(0)
    back = await shop.now(new)
    assert (shape(back), back.pay_in) == (("confirming", "USDT", ["used", "open"]), quote.pay_in)
    await shop.wait(20)
    assert await leased(new) == set(), "the one address has gone to nobody, the other's time is over"
    assert eth.pay_in.asset == "ETH"
    await shop.settle()
    assert (await shop.now(new)).status == "paid"


async def test_an_address_is_kept_while_its_quote_has_a_payment(shop: Shop) -> None:
    new = await shop.sell(expires_in=timedelta(hours=6))
    quote = await shop.choose(new, USDT)
    await shop.pay(quote)
    await shop.wait(16)
    await shop.feed.reorganise(1)
    held = await shop.now(new)
    assert (shape(held), await leased(new)) == (("confirming", "USDT", ["used"]), {quote.pay_in.address})
    await shop.feed.reorganise(1)
    assert (await shop.now(new)).status == "awaiting_deposit"
    await shop.wait(200)
    assert (shape(await shop.now(new)), await leased(new)) == (("awaiting_choice", None, ["ended"]), set())


async def test_what_cannot_be_chosen(shop: Shop) -> None:
    new = await shop.sell(USDT, ETH)
    for asset, chain in (("USDC", "ethereum"), ("USDT", "tron"), ("BTC", "bitcoin")):
        with pytest.raises(ApiError, match="PAY_IN_ASSET_NOT_ALLOWED"):
            await shop.services.quotes.choose(new.id, asset, chain, clock.now())
    await shop.rates(ETH=None)
    with pytest.raises(ApiError, match="RATE_UNAVAILABLE"):
        await shop.choose(new, ETH)
    offered = await shop.services.quotes.choices(new.id, clock.now())
    assert {one.asset.symbol: bool(one.amount_decimal) for one in offered} == {"USDT": True, "ETH": False}
    await database.execute("UPDATE merchant_assets SET enabled = false WHERE asset = 'USDT'")
    with pytest.raises(ApiError, match="PAY_IN_ASSET_NOT_ALLOWED"):
        await shop.choose(new, USDT)
    with pytest.raises(ApiError, match="PAY_IN_ASSET_NOT_ALLOWED: pay_in_assets"):
        await shop.sell(USDT, ETH)
    with pytest.raises(ApiError, match="RATE_UNAVAILABLE"):
        await shop.sell(ETH)


async def test_cancelled_while_nothing_is_chosen(shop: Shop) -> None:
    new = await shop.sell()
    cancelled = await shop.services.invoices.cancel(shop.terms.merchant_id, "test", new.id, clock.now())
    assert shape(cancelled) == ("cancelled", None, [])


async def test_a_choice_by_key_is_made_once(shop: Shop) -> None:
    new = await shop.sell()

    def replay() -> Replay:
        return replay_of("k", merchant_id=shop.terms.merchant_id, mode="test", endpoint="quotes", body=new.id)

    arguments = (shop.terms.merchant_id, "test", new.id, "USDT", "ethereum", replay(), clock.now())
    body = msgspec.json.decode(await shop.services.quotes.choose_for(*arguments), type=InvoiceBody)  # type: ignore[arg-type]
    assert shape(body) == ("awaiting_deposit", "USDT", ["open"])
    await shop.pay(body.quotes[0])
    with pytest.raises(ReplayExists):
        await shop.services.quotes.choose_for(*arguments)  # type: ignore[arg-type]
    with pytest.raises(ApiError, match="INVOICE_NOT_FOUND"):
        await shop.services.quotes.choose_for("MCH-0", "test", new.id, "USDT", "ethereum", replay(), clock.now())


async def test_the_spread_and_the_life_are_the_merchants(shop: Shop) -> None:
    shop.terms = Terms(shop.terms.merchant_id, "test", 0, "merchant", prices=PriceTerms(("EUR",), 200, 5))
    new = await shop.sell(USDT)
    (quote,) = new.quotes
    assert (new.amount_raw, quote.spread_bps) == ("55324000", 200)  # 49.90 × 1.02 ÷ 0.92 = 55.32391…
    assert life(quote) == timedelta(minutes=5)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE quotes SET pay_in_raw = pay_in_raw + 1, net_raw = net_raw + 1",
        "UPDATE quotes SET expires_at = expires_at + interval '1 hour'",
        "UPDATE invoices SET amount_raw = amount_raw + 1",
        "UPDATE invoices SET price_raw = 1",
        "UPDATE invoices SET quote_expires_at = quote_expires_at + interval '1 hour'",
        "DELETE FROM quotes",
    ],
)
async def test_the_database_refuses_other_figures(shop: Shop, change: str) -> None:
    await shop.sell(USDT)
    with pytest.raises(asyncpg.exceptions.IntegrityConstraintViolationError):
        await database.execute(change)


async def test_an_invoice_without_a_price_keeps_its_amounts(shop: Shop) -> None:
    new = NewInvoice(amount="5.00", currency="USDT", chain="ethereum", expires_in=timedelta(hours=1))
    await shop.services.invoice_creation.create(shop.terms, new, None, clock.now())
    with pytest.raises(asyncpg.exceptions.IntegrityConstraintViolationError, match="is fixed"):
        await database.execute("UPDATE invoices SET pay_in_raw = pay_in_raw + 1, net_raw = net_raw + 1")
