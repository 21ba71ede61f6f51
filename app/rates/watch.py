"""What operators are told of a refresh: pairs that have lost their rate, are held, or are back."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.alerts.service import raise_alert
from app.rates.repository import Refreshed

MOST_NAMED = 10
"""Pairs that an alert names in its message; all are in its details."""


async def tell(before: Mapping[tuple[str, str], Refreshed], found: Sequence[Refreshed], now: datetime) -> None:
    """Raise an alert for all pairs together that are down to one source or none since the last refresh, one for those
    that are back, and one for figures that are held. In the caller's transaction."""
    low = [one for one in found if _is_low(one) and not _is_low(before.get((one.base, one.quote)))]
    if low:
        await raise_alert(
            severity="warning",
            kind="rate_sources_low",
            dedupe_key=f"rate_sources_low:{_names(low)}"[:200],
            message=f"{_names(low)}: no rate, since fewer than two sources agree on one ({low[0].problem}). "
            "Nothing is priced by it until they do.",
            details={f"{one.base}/{one.quote}": one.problem for one in low},
            now=now,
        )
    back = [
        one
        for one in found
        if one.rate is not None and (earlier := before.get((one.base, one.quote))) is not None and _is_low(earlier)
    ]
    if back:
        await raise_alert(
            severity="info",
            kind="rate_sources_back",
            dedupe_key=f"rate_sources_back:{_names(back)}"[:200],
            message=f"{_names(back)}: there is a rate again, of two sources or more.",
            details={f"{one.base}/{one.quote}": [source.name for source in one.sources if source.used] for one in back},
            now=now,
        )
    held = [one for one in found if one.held_figure is not None]
    if held:
        await raise_alert(
            severity="warning",
            kind="rate_held",
            dedupe_key=f"rate_held:{_names(held)}"[:200],
            message=f"{_names(held)}: the price has jumped, {held[0].problem}.",
            details={f"{one.base}/{one.quote}": one.problem for one in held},
            now=now,
        )


def _is_low(refreshed: Refreshed | None) -> bool:
    """Whether fewer than two sources agree. A pair that was never refreshed counts as one that had its sources."""
    return refreshed is not None and refreshed.rate is None and refreshed.held_figure is None


def _names(pairs: Sequence[Refreshed]) -> str:
    named = [f"{one.base}/{one.quote}" for one in pairs[:MOST_NAMED]]
    more = len(pairs) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
