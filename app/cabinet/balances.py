"""Balances of each asset: available, locked, pending."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.core import clock
from app.core.money import format_amount
from app.identity.identity import PageRequest
from app.invoices.quoting import format_price
from app.merchants import settings
from app.merchants.roles import Permission
from app.rates.rate import Rate
from app.rates.service import rates_now, to_minor_units, worth_by
from app.reports.balances import AssetBalance
from app.reports.balances import balances as asset_balances


def handlers(cabinet: Cabinet) -> list[Any]:
    """`balances`."""

    @get("/balances", opt=needs(Permission.BOOKS_VIEW))
    async def balances(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        held = await asset_balances(cabinet.services.networks, ctx.merchant_id, ctx.mode)
        currency = (await settings.price_terms(ctx.merchant_id)).reporting_currency
        found = {} if currency is None else await rates_now({one.asset.symbol for one in held}, currency, clock.now())
        rows = [
            {
                "asset": one.asset.symbol,
                "name": one.asset.name,
                "network": one.network.display_name,
                "ledger": f"{one.asset.symbol}@{one.network.chain}",
                "available": format_amount(one.available_raw, one.asset.decimals),
                "available_raw": one.available_raw,
                "locked": format_amount(one.locked_raw, one.asset.decimals) if one.locked_raw else "",
                "pending": format_amount(one.pending_raw, one.asset.decimals) if one.pending_raw else "",
                "entries": one.seq,
                "worth": _worth(one, found[one.asset.symbol]) if one.asset.symbol in found else "",
            }
            for one in held
        ]
        return await cabinet.page(request, "cabinet/balances.html", {"rows": rows, "currency": currency})

    return [balances]


def _worth(one: AssetBalance, rate: Rate) -> str:
    """What is available is worth now."""
    exact = worth_by(rate, one.available_raw, one.asset.decimals)
    return format_price(to_minor_units(exact, rate.quote), rate.quote)
