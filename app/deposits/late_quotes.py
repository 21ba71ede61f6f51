"""Payments of a price that come after their quote's end: what they are worth, and whether they count all the same."""

from datetime import datetime

import msgspec

from app.core import database
from app.invoices import quotes_repository
from app.invoices.pricing import BPS
from app.rates import service as rates
from app.rates.service import to_minor_units, worth_by


class Worths(msgspec.Struct, frozen=True):
    """What an amount is worth in the price's currency, in its minor units: at the quote's rate, and at the rate of the
    minute in which it was made, None where there was none."""

    currency: str
    price_raw: int
    by_quote_raw: int
    by_its_minute_raw: int | None


async def worths(quote_id: str, amount_raw: int, made_at: datetime) -> Worths:
    """Both worths of an amount in the quote's asset, in the caller's transaction. The rate that was used is kept."""
    database.in_transaction()
    quote = await quotes_repository.priced_quote(quote_id)
    by_quote = await rates.kept(quote.rate)
    then = await rates.rate_at(quote.asset, quote.price_currency, made_at)
    by_its_minute_raw = None
    if then is not None:
        await rates.keep(then)
        by_its_minute_raw = to_minor_units(worth_by(then, amount_raw, quote.decimals), quote.price_currency)
    by_quote_raw = to_minor_units(worth_by(by_quote, amount_raw, quote.decimals), quote.price_currency)
    return Worths(quote.price_currency, quote.price_raw, by_quote_raw, by_its_minute_raw)


async def counts(quote_id: str, amount_raw: int, made_at: datetime) -> bool:
    """Whether a late payment of the exact amount counts by the merchant's tolerance: it was made before the invoice's
    end, and the rate has moved against the merchant by at most `late_quote_bps` of what the amount was worth.

    In the caller's transaction.
    """
    database.in_transaction()
    quote = await quotes_repository.priced_quote(quote_id)
    if not quote.late_quote_bps or made_at >= quote.invoice_expires_at:
        return False
    then = await rates.rate_at(quote.asset, quote.price_currency, made_at)
    if then is None:
        return False
    await rates.keep(then)
    agreed = (await rates.kept(quote.rate)).figure
    return then.figure * BPS >= agreed * (BPS - quote.late_quote_bps)
