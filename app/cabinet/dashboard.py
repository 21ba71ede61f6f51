"""The dashboard: balances, charts of the last 30 days, and tasks for a person."""

from datetime import date, datetime, tzinfo
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import first_steps, labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.core import clock
from app.core.money import format_amount, group_digits
from app.identity import charts
from app.identity.identity import PageRequest, visitor_of
from app.invoices.quoting import format_price
from app.invoices.reading_repository import Filters
from app.merchants import applications, settings
from app.merchants.roles import Permission
from app.reports import dashboard
from app.reports import reviews as review_list
from app.reports.balances import balances
from app.reports.dashboard import AssetRevenue, Attention, Concern, Figures, WorthRevenue
from app.web.standby_reads import FROM_STANDBY

LATEST = 6
MOST_BALANCES = 4


class Task(msgspec.Struct, frozen=True):
    """Something that a person must deal with, and the page for it."""

    title: str
    text: str
    href: str
    tone: str


def handlers(cabinet: Cabinet) -> list[Any]:
    """The page at the merchant's own address."""
    services = cabinet.services

    @get("/", opt=needs(Permission.VIEW) | FROM_STANDBY)
    async def home(request: PageRequest) -> Response[Any]:
        ctx, now, zone = context_of(request), clock.now(), visitor_of(request).zone
        if ctx.mode == "live" and ctx.member.standing in ("pending", "rejected"):
            newest = (await applications.of_merchant(ctx.merchant_id))[:1]
            return await cabinet.page(request, "cabinet/waiting.html", {"application": newest[0] if newest else None})
        latest = await services.invoice_reader.page(ctx.merchant_id, ctx.mode, Filters(), None, LATEST)
        context = {
            "first": await first_steps.shown(cabinet, ctx, now),
            "tasks": [_task(one, ctx) for one in await _attention(ctx, now)],
            "invoices": latest,
            "state_words": labels.INVOICE_STATES,
            "books": await books(request, ctx, now, zone) if ctx.may(Permission.BOOKS_VIEW) else None,
            "reviews": [] if ctx.may(Permission.BOOKS_VIEW) else await _open_reviews(cabinet, ctx),
            "verdicts": labels.VERDICTS,
        }
        return await cabinet.page(request, "cabinet/dashboard.html", context)

    async def books(request: PageRequest, ctx: MemberContext, now: datetime, zone: tzinfo) -> dict[str, Any]:
        """What the merchant has, and what it took in lately."""
        held = await balances(services.networks, ctx.merchant_id, ctx.mode)
        figures = await dashboard.figures(ctx.merchant_id, ctx.mode, now, zone)
        currency = (await settings.price_terms(ctx.merchant_id)).reporting_currency
        wanted = request.query_params.get("asset", "")
        volume = _volume(cabinet, figures, wanted)
        if currency is not None and volume["options"]:
            if wanted == currency:
                volume |= _worth_volume(
                    await dashboard.worth_figures(ctx.merchant_id, ctx.mode, currency, now, zone), currency
                )
            volume["options"] = [*volume["options"], (currency, f"All, in {currency} at the time")]
        held.sort(key=lambda one: one.available_raw + one.locked_raw + one.pending_raw == 0)
        return {
            "balances": [
                {
                    "asset": one.asset.symbol,
                    "chain": one.network.display_name,
                    "available": format_amount(one.available_raw, one.asset.decimals),
                    "locked": format_amount(one.locked_raw, one.asset.decimals) if one.locked_raw else "",
                    "pending": format_amount(one.pending_raw, one.asset.decimals) if one.pending_raw else "",
                }
                for one in held[:MOST_BALANCES]
            ],
            "more_balances": max(0, len(held) - MOST_BALANCES),
            "volume": volume,
            "conversion": _conversion(figures),
            "per_cent": charts.per_cent,
        }

    return [home]


def _volume(cabinet: Cabinet, figures: Figures, wanted: str) -> dict[str, Any]:
    """The chart of revenue by day, of the chosen asset or else of the one that is paid in most often."""
    by_name = {f"{one.asset}@{one.network.partition(':')[0]}": one for one in figures.revenue if one.paid}
    chosen = by_name.get(wanted) or next(iter(by_name.values()), None)
    options = [(name, f"{one.asset} on {_network_name(cabinet, one)}") for name, one in by_name.items()]
    if chosen is None:
        return {"options": options, "chart": charts.bars([]), "value": "", "summary": "", "figures": [], "ticks": []}
    decimals = _decimals(cabinet, chosen)
    chart = charts.bars([(_day(day.day), day.credited_raw) for day in chosen.days])
    total = group_digits(format_amount(chosen.credited_raw, decimals))
    return {
        "options": options,
        "value": next(name for name, one in by_name.items() if one is chosen),
        "chart": chart,
        "figures": [f"{group_digits(format_amount(day.credited_raw, decimals))} {chosen.asset}" for day in chosen.days],
        "ticks": [group_digits(format_amount(line.value, decimals).removesuffix(".00")) for line in chart.lines],
        "summary": f"{total} {chosen.asset} credited for {labels.plural(chosen.paid, 'paid invoice')}, net of fees",
    }


def _worth_volume(revenue: WorthRevenue, currency: str) -> dict[str, Any]:
    """The same chart of all assets, by what each credit was worth when it was booked."""
    chart = charts.bars([(_day(day.day), day.credited_raw) for day in revenue.days])
    total = group_digits(format_price(sum(day.credited_raw for day in revenue.days), currency))
    unknown = f"; the worth of {labels.plural(revenue.unknown, 'invoice')} is not known" if revenue.unknown else ""
    return {
        "value": currency,
        "chart": chart,
        "figures": [f"{group_digits(format_price(day.credited_raw, currency))} {currency}" for day in revenue.days],
        "ticks": [group_digits(format_price(line.value, currency).removesuffix(".00")) for line in chart.lines],
        "summary": f"{total} {currency} credited, at the rates of then, net of fees{unknown}",
    }


def _conversion(figures: Figures) -> dict[str, Any]:
    """How many of the invoices created were paid, and how many are created a day."""
    share = charts.share_bps(figures.paid, figures.created)
    busiest = max(figures.days, key=lambda day: day.created)
    return {
        "stages": charts.funnel([("Created", figures.created), ("Paid", figures.paid)]),
        "line": charts.sparkline([day.created for day in figures.days]),
        "daily": f"Created a day, {group_digits(busiest.created)} at the most, on {_day(busiest.day)}"
        if figures.created
        else "",
        "summary": f"{labels.plural(figures.paid, 'invoice')} paid of {group_digits(figures.created)} created: "
        f"{charts.per_cent(share)}",
    }


def _decimals(cabinet: Cabinet, revenue: AssetRevenue) -> int:
    asset = cabinet.services.networks.get(revenue.network).asset(revenue.asset)
    assert asset is not None, "assets are never removed from a network that has invoices"
    return asset.decimals


def _network_name(cabinet: Cabinet, revenue: AssetRevenue) -> str:
    return cabinet.services.networks.get(revenue.network).display_name


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"


_TASKS: dict[Concern, tuple[str, str, str, str]] = {
    "negative_balances": (
        "{} below zero",
        "A reorganisation removed a payment after it was credited. Later payments make up for it first.",
        "balances",
        "critical",
    ),
    "paused_webhooks": (
        "{} paused",
        "Deliveries wait until it is enabled again. Nothing is lost.",
        "webhooks",
        "critical",
    ),
    "reviews": ("{} in review", "A payment did not match its invoice. An operator settles it.", "reviews", "caution"),
    "failed_payouts": ("{} failed", "The amount is back in the balance.", "payouts?status=failed", "critical"),
    "held_payouts": ("{} held", "An operator must release it before it is sent.", "payouts", "caution"),
    "locked_keys": ("{} locked", "Five wrong secrets were tried. It unlocks within the hour.", "keys", "caution"),
}

_NOUNS: dict[Concern, tuple[str, str]] = {
    "negative_balances": ("balance", "balances"),
    "paused_webhooks": ("webhook", "webhooks"),
    "reviews": ("payment", "payments"),
    "failed_payouts": ("payout", "payouts"),
    "held_payouts": ("payout or refund", "payouts and refunds"),
    "locked_keys": ("API key", "API keys"),
}


async def _open_reviews(cabinet: Cabinet, ctx: MemberContext) -> list[dict[str, Any]]:
    """The newest payments in review: the first thing of a member who sees to customers."""
    found = await review_list.page(ctx.merchant_id, ctx.mode, status="open", place=None, limit=LATEST)
    networks = cabinet.services.networks
    return [
        {"review": one, "received": labels.decimal(networks, one.network, one.asset, one.received_raw)} for one in found
    ]


_SEEN_WITH: dict[Concern, Permission] = {
    "negative_balances": Permission.BOOKS_VIEW,
    "paused_webhooks": Permission.WEBHOOKS_VIEW,
    "reviews": Permission.VIEW,
    "failed_payouts": Permission.PAYOUTS_VIEW,
    "held_payouts": Permission.PAYOUTS_VIEW,
    "locked_keys": Permission.KEYS_VIEW,
}
"""What a member must be allowed to see to be told of it: the page that it leads to."""


async def _attention(ctx: MemberContext, now: datetime) -> list[Attention]:
    every = await dashboard.attention(ctx.merchant_id, ctx.mode, now)
    return [one for one in every if ctx.may(_SEEN_WITH[one.concern])]


def _task(attention: Attention, ctx: MemberContext) -> Task:
    title, text, place, tone = _TASKS[attention.concern]
    return Task(title.format(labels.plural(attention.count, *_NOUNS[attention.concern])), text, ctx.path(place), tone)
