"""Reports: volume, conversion, time to pay, fees and webhooks over a period, compared with the one before."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import report_periods
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.labels import plural
from app.cabinet.report_periods import BadSpan, Period
from app.core import clock
from app.core.money import format_amount, group_digits
from app.identity import charts
from app.identity.identity import PageRequest, visitor_of
from app.invoices.quoting import format_price
from app.merchants import settings
from app.merchants.roles import Permission
from app.networks.registry import Networks
from app.reports import invoice_figures, performance
from app.reports.invoice_figures import Sums
from app.reports.performance import PaymentTimes, WebhookHealth
from app.web.standby_reads import FROM_STANDBY

_CLASSES = ("Within a minute", "1 to 5 minutes", "5 to 15 minutes", "15 minutes to an hour", "Longer than an hour")


class Measure(msgspec.Struct, frozen=True):
    """What volume and fees are shown in: an asset, or the reporting currency. `of` and `fee_of` take it from sums, in
    minor units; `text` writes such an amount without its unit."""

    value: str
    label: str
    unit: str
    of: Callable[[Sums], int]
    fee_of: Callable[[Sums], int]
    text: Callable[[int], str]
    is_currency: bool = False

    def money(self, amount_raw: int) -> str:
        """An amount with its unit, for a sentence or a table."""
        return f"{group_digits(self.text(amount_raw))} {self.unit}"


def handlers(cabinet: Cabinet) -> list[Any]:
    """`reports`."""
    networks = cabinet.services.networks

    @get("/reports", opt=needs(Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def reports(request: PageRequest) -> Response[Any]:
        ctx, given, zone = context_of(request), request.query_params, visitor_of(request).zone
        choice = given.get("period", report_periods.USUAL)
        choice = choice if choice in report_periods.CHOICES else report_periods.USUAL
        today = clock.now().astimezone(zone).date()
        problem = ""
        try:
            period = report_periods.period_of(choice, given.get("from"), given.get("to"), today, zone)
        except BadSpan as error:
            problem = str(error)
            period = report_periods.period_of(report_periods.USUAL, None, None, today, zone)
        compared = "period" not in given or given.get("compare") == "yes"
        earlier = report_periods.before(period, choice if not problem else report_periods.USUAL, zone)
        now = await invoice_figures.sums(ctx.merchant_id, ctx.mode, period.starts, period.end)
        then = await invoice_figures.sums(ctx.merchant_id, ctx.mode, earlier.starts, earlier.end) if compared else None
        times = await performance.payment_times(ctx.merchant_id, ctx.mode, period.starts[0], period.end)
        health = await performance.webhook_health(ctx.merchant_id, ctx.mode, period.starts[0], period.end)
        currency = (await settings.price_terms(ctx.merchant_id)).reporting_currency
        measures = _measures(networks, [*now, *(then or [])], currency)
        measure = next((one for one in measures if one.value == given.get("asset")), measures[0] if measures else None)
        context = {
            "problem": problem,
            "choices": list(report_periods.CHOICES.items()),
            "choice": choice,
            "first_day": given.get("from") or period.first_day.isoformat(),
            "last_day": given.get("to") or period.last_day.isoformat(),
            "compared": compared,
            "span": period.words,
            "span_before": earlier.words,
            "measures": [(one.value, one.label) for one in measures],
            "measure": measure,
            "column": period.unit.capitalize(),
            "volume": measure and _bars(measure, measure.of, period, now, then, _volume_words(measure, now)),
            "fees": measure and _bars(measure, measure.fee_of, period, now, then, _fee_words(measure)),
            "conversion": _conversion(now, then),
            "times": _times(times),
            "health": _health(health) if ctx.may(Permission.WEBHOOKS_VIEW) else None,
            "by_asset": _by_asset(networks, now, currency),
            "currency": currency,
            "per_cent": charts.per_cent,
        }
        return await cabinet.page(request, "cabinet/reports.html", context)

    return [reports]


def _measures(networks: Networks, sums: Sequence[Sums], currency: str | None) -> list[Measure]:
    """What can be shown: all assets by their worth, where the merchant reports in a currency, then each asset that was
    paid in, the one with the most paid invoices first."""
    paid: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one in sums:
        if one.network and one.credited_raw:
            paid[one.network, one.asset] += one.paid
    found = []
    if currency is not None and any(one.currency == currency for one in sums):
        found.append(_of_currency(currency))
    by_paid = sorted(paid, key=lambda key: (-paid[key], key))
    return found + [_of_asset(networks, *key) for key in by_paid]


def _of_currency(currency: str) -> Measure:
    def fee_raw(one: Sums) -> int:
        """The fee's part of the worth, by the same rate, to the nearest minor unit."""
        if one.currency != currency or not one.credited_raw:
            return 0
        return (2 * one.worth_raw * one.fee_raw + one.credited_raw) // (2 * one.credited_raw)

    return Measure(
        value=currency,
        label=f"All assets, in {currency}",
        unit=currency,
        of=lambda one: one.worth_raw if one.currency == currency else 0,
        fee_of=fee_raw,
        text=lambda amount_raw: format_price(amount_raw, currency),
        is_currency=True,
    )


def _of_asset(networks: Networks, network: str, symbol: str) -> Measure:
    found = networks.get(network)
    asset = found.asset(symbol)
    assert asset is not None, "assets are never removed from a network that has invoices"

    def is_it(one: Sums) -> bool:
        return (one.network, one.asset) == (network, symbol)

    return Measure(
        value=f"{symbol}@{found.chain}",
        label=f"{symbol} on {found.display_name}",
        unit=symbol,
        of=lambda one: one.credited_raw if is_it(one) else 0,
        fee_of=lambda one: one.fee_raw if is_it(one) else 0,
        text=lambda amount_raw: format_amount(amount_raw, asset.decimals),
    )


def _bars(
    measure: Measure,
    value_of: Callable[[Sums], int],
    period: Period,
    now: Sequence[Sums],
    then: Sequence[Sums] | None,
    words: tuple[str, str],
) -> dict[str, Any]:
    """A chart of a sum by part of the period. `words` are the subject of its sentence, and what follows."""
    values = _by_period(value_of, now, len(period.starts))
    values = [max(0, value) for value in values]  # a reversal may leave less than nothing
    earlier = [] if then is None else [max(0, value) for value in _by_period(value_of, then, len(period.starts))]
    total, total_before = sum(values), sum(earlier)
    earlier = earlier if total_before else []  # marks on the floor would say nothing
    chart = charts.bars(list(zip(period.names, values, strict=True)), earlier)
    subject, rest = words
    if then is None:
        verb = "is" if subject == "Volume" else "are"
    else:
        verb = charts.change(total, total_before)
        verb = verb.replace("is now", "are now") if subject != "Volume" else verb
    return {
        "chart": chart,
        "figures": [measure.money(value) for value in values],
        "before": [measure.money(value) for value in earlier],
        "ticks": [group_digits(measure.text(one.value).removesuffix(".00")) for one in chart.lines],
        "summary": f"{subject} {verb} {measure.money(total)}"
        + (f", from {measure.money(total_before)}" if total_before and total_before != total else "")
        + f"{rest}.",
    }


def _by_period(value_of: Callable[[Sums], int], sums: Sequence[Sums], count: int) -> list[int]:
    values = [0] * count
    for one in sums:
        values[min(one.period, count - 1)] += value_of(one)
    return values


def _volume_words(measure: Measure, now: Sequence[Sums]) -> tuple[str, str]:
    if not measure.is_currency:
        return "Volume", ", net of fees"
    unknown = sum(one.unvalued + (one.paid if one.currency not in ("", measure.unit) else 0) for one in now)
    missing = f"; the worth of {plural(unknown, 'invoice')} is not known" if unknown else ""
    return "Volume", f", net of fees, by the rates of then{missing}"


def _fee_words(measure: Measure) -> tuple[str, str]:
    return "Service fees", ", by the rates of then" if measure.is_currency else ""


def _conversion(now: Sequence[Sums], then: Sequence[Sums] | None) -> dict[str, Any]:
    """What became of the invoices that were created in the period."""
    created, paid = sum(one.created for one in now), sum(one.paid for one in now)
    ends = {
        "Paid": paid,
        "Expired": sum(one.expired for one in now),
        "In review": sum(one.in_review for one in now),
        "Cancelled or closed": sum(one.cancelled for one in now),
    }
    ends["Still open"] = max(0, created - sum(ends.values()))
    share = charts.share_bps(paid, created)
    words = f"{charts.per_cent(share)} of {plural(created, 'invoice')} were paid"
    if then is not None and (created_before := sum(one.created for one in then)):
        share_before = charts.share_bps(sum(one.paid for one in then), created_before)
        words += f", {charts.per_cent(share_before)} of {group_digits(created_before)} in the period before"
    rows = [(name, group_digits(count), charts.share_bps(count, created)) for name, count in ends.items()]
    return {"rows": rows if created else [], "summary": f"{words}." if created else "", "paid": paid}


def _times(times: PaymentTimes) -> dict[str, Any]:
    if times.median_s is None or times.slow_s is None:
        return {"rows": [], "summary": ""}
    rows = [
        (name, group_digits(count), charts.share_bps(count, times.count))
        for name, count in zip(_CLASSES, times.classes, strict=True)
    ]
    of = f" Of the latest {plural(times.count, 'payment')}." if times.is_capped else ""
    words = f"Half are paid within {duration(times.median_s)}, nine of ten within {duration(times.slow_s)}.{of}"
    return {"rows": rows, "summary": words}


def _health(health: WebhookHealth) -> dict[str, Any]:
    ends: Mapping[str, int] = {
        "Delivered at the first attempt": health.first_try,
        "Delivered later": health.later,
        "Retrying": health.retrying,
        "Waiting": health.waiting,
        "Given up": health.dead,
    }
    if not health.total:
        return {"rows": [], "summary": ""}
    rows = [(name, group_digits(count), charts.share_bps(count, health.total)) for name, count in ends.items()]
    words = f"{charts.per_cent(charts.share_bps(health.first_try, health.total))} arrived at the first attempt"
    if health.slow_ms is not None:
        words += f"; 19 of 20 were answered within {group_digits(health.slow_ms)} ms"
    return {"rows": rows, "summary": f"{words}. Of the latest {plural(health.total, 'delivery', 'deliveries')}."}


def _by_asset(networks: Networks, now: Sequence[Sums], currency: str | None) -> list[dict[str, Any]]:
    """The sums of the whole period by asset, those that were paid in most often first."""
    totals: defaultdict[tuple[str, str], list[Sums]] = defaultdict(list)
    for one in now:
        if one.network:
            totals[one.network, one.asset].append(one)
    rows = []
    for (network, symbol), sums in totals.items():
        measure = _of_asset(networks, network, symbol)
        worth_raw = sum(one.worth_raw for one in sums if one.currency == currency)
        rows.append(
            {
                "label": measure.label,
                "unit": symbol,
                "created": sum(one.created for one in sums),
                "paid": sum(one.paid for one in sums),
                "credited": measure.text(sum(one.credited_raw for one in sums)),
                "fees": measure.text(sum(one.fee_raw for one in sums)),
                "worth": format_price(worth_raw, currency) if currency and worth_raw else "",
            }
        )
    return sorted(rows, key=lambda row: (-row["paid"], row["label"]))


def duration(seconds: int) -> str:
    """`45 s`, `3 min 12 s`, `2 h 5 min`, `3 days`."""
    span = timedelta(seconds=seconds)
    if span.days >= 2:
        return f"{span.days} days"
    minutes, left = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    return f"{left} s"
