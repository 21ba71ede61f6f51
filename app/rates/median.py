"""How the figures of several sources become one, or none. Values in, values out.

A figure is used if it is fresh, of this world, and near the others: the median of all is taken, those more than 2 % off
it are left out, and the median of the rest is the rate. Where fewer than two are left there is none. A figure that is
far from the one of the last refresh waits until the next refresh finds it too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import msgspec

from app.rates.rate import MIN_SOURCES, Rate, SourceFigure
from app.rates.sources.port import LIVE_FOR, Pair, Quoted

MAX_OFF_BPS = 200
"""How far a figure may be from the median of all, in hundredths of a percent (contract, section 10)."""

MAX_JUMP_BPS = 2_500
"""A change since the last refresh of more than this is not believed at once."""

MAX_AHEAD = timedelta(seconds=5)
"""How far a source's clock may be ahead of ours. One that is further ahead could show old prices as new ones."""

LEAST, MOST = Decimal("1E-15"), Decimal("1E+15")
"""Bounds of a figure: no asset is worth so little or so much in any currency."""

DIGITS = 18
"""Significant digits of a rate."""

PLACES = 24
"""Decimal places of a rate at most: those of the column that keeps it."""

WORKING_DIGITS = 60


class Sourced(msgspec.Struct, frozen=True):
    """A figure with the name of its source, and until when it may be used."""

    name: str
    figure: Decimal
    at: datetime
    good_until: datetime


class Result(msgspec.Struct, frozen=True):
    """What the sources say of a pair. Either `rate` is set, or `problem`. `held_figure` is what is to be confirmed."""

    rate: Rate | None
    sources: tuple[SourceFigure, ...]
    problem: str | None = None
    held_figure: Decimal | None = None


def objection(quoted: Quoted, now: datetime) -> str | None:
    """Why a source's figure may not be used; None where it may."""
    if not quoted.figure.is_finite() or quoted.figure <= 0:
        return f"{quoted.pair}: {_short(quoted.figure)} is not a price"
    if not LEAST <= quoted.figure <= MOST:
        return f"{quoted.pair}: {_short(quoted.figure)} is out of all bounds"
    if quoted.at > now + MAX_AHEAD:
        return f"{quoted.pair}: its time is {_seconds(quoted.at - now)} s ahead of our clock"
    if now > quoted.at + quoted.good_for:
        return f"{quoted.pair}: its last price is {_seconds(now - quoted.at)} s old"
    return None


def sourced(name: str, quoted: Quoted) -> Sourced:
    """A figure that `objection` has nothing against."""
    return Sourced(name, quoted.figure, quoted.at, quoted.at + quoted.good_for)


def crossed(first: Sourced, second: Sourced) -> Sourced:
    """The figure of A in C, from one of A in B and one of B in C. It is as old as the older one."""
    with localcontext(prec=WORKING_DIGITS):
        figure = first.figure * second.figure
    return Sourced(
        f"{first.name} × {second.name}",
        figure,
        min(first.at, second.at),
        min(first.good_until, second.good_until),
    )


def agree(
    pair: Pair, figures: Sequence[Sourced], now: datetime, *, before: Decimal | None, held: Decimal | None
) -> Result:
    """The rate of a pair by figures that may be used, each of another source.

    `before` is the last rate there was, None where nothing is known; `held` is what the last refresh found and did not
    believe.
    """
    used = near_median([one.figure for one in figures])
    sources = tuple(
        SourceFigure(one.name, rounded(one.figure), one.at, used=is_used)
        for one, is_used in zip(figures, used, strict=True)
    )
    counted = [one for one, is_used in zip(figures, used, strict=True) if is_used]
    if not counted:
        return Result(None, sources, _too_few(figures))
    figure = rounded(median([one.figure for one in counted]))
    has_jumped = before is not None and _is_off(figure, before, MAX_JUMP_BPS)
    if has_jumped and (held is None or _is_off(figure, held, MAX_OFF_BPS)):
        words = f"{_short(figure)} after {_short(before or figure)}: held until the next refresh finds it too"
        return Result(None, sources, words, figure)
    rate = Rate(
        base=pair.base,
        quote=pair.quote,
        figure=figure,
        at=min(one.at for one in counted),
        sources=sources,
        refreshed_at=now,
        good_until=min(now + LIVE_FOR, *(one.good_until for one in counted)),
    )
    return Result(rate, sources)


def near_median(figures: Sequence[Decimal]) -> list[bool]:
    """Which of these figures count: those within 2 % of the median of all, if at least two are."""
    if len(figures) < MIN_SOURCES:
        return [False for _ in figures]
    middle = median(figures)
    near = [not _is_off(figure, middle, MAX_OFF_BPS) for figure in figures]
    return near if sum(near) >= MIN_SOURCES else [False for _ in figures]


def median(figures: Sequence[Decimal]) -> Decimal:
    """The middle of an odd number of figures, the mean of the two in the middle of an even one. Raises ValueError for
    none."""
    if not figures:
        raise ValueError("the median of nothing")
    ordered = sorted(figures)
    lower, upper = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    with localcontext(prec=WORKING_DIGITS):
        return lower if lower == upper else (lower + upper) / 2


def rounded(figure: Decimal) -> Decimal:
    """A figure of 18 significant digits and 24 places at most, half a unit to the even neighbour, without zeros at
    its end."""
    last = max(figure.adjusted() - DIGITS + 1, -PLACES)
    with localcontext(prec=WORKING_DIGITS):
        figure = figure.quantize(Decimal(1).scaleb(last), rounding=ROUND_HALF_EVEN)
        text = f"{figure:f}"
    return Decimal(text.rstrip("0").rstrip(".") if "." in text else text)


def spread_bps(sources: Sequence[SourceFigure]) -> int:
    """How far apart the used figures are, in hundredths of a percent of the lowest."""
    figures = [source.figure for source in sources if source.used]
    if not figures:
        return 0
    with localcontext(prec=WORKING_DIGITS):
        return int((max(figures) - min(figures)) * 10_000 / min(figures))


def _is_off(figure: Decimal, middle: Decimal, bps: int) -> bool:
    """Whether a figure is more than so many hundredths of a percent away from another. Both are more than zero."""
    with localcontext(prec=WORKING_DIGITS):
        return abs(figure - middle) * 10_000 > middle * bps


def _too_few(figures: Sequence[Sourced]) -> str:
    if not figures:
        return "no source has a price"
    if len(figures) < MIN_SOURCES:
        return f"{figures[0].name} alone has a price"
    return "the sources' prices differ by more than 2 %"


def _short(figure: Decimal) -> str:
    return f"{figure:.8g}"


def _seconds(difference: timedelta) -> int:
    return difference // timedelta(seconds=1)
