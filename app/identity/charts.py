"""The geometry of charts that the server draws, in whole numbers, without markup.

Charts are SVG that is stretched to the available width: x is in units of our own, y from 0 to `HEIGHT`. Labels are HTML
beside the drawing, so that they are not stretched. Values are raw amounts or counts of any size, computed as `int`.
"""

from collections.abc import Sequence

import msgspec

from app.core.money import group_digits

HEIGHT = 160
"""Units from the floor of a chart to its highest line; about a pixel each as the style sheet draws it."""

STEP = 24
"""Units of x for one bar with the gap beside it."""

BAR = 17
"""Units of x that a bar takes of its step."""

LEAST_STEPS = 16
"""With fewer bars than this the gaps grow, not the bars."""

LEAST_BAR = 2
"""The height of the smallest value above zero, so that it is visible."""

LINES = 4
"""Lines above the floor."""

SPARK_WIDTH = 120
SPARK_HEIGHT = 28


class Bar(msgspec.Struct, frozen=True):
    """One bar from the floor up. `label` is its name, `value` what it shows. `before_y` is the height of the mark that
    shows the period before, None without one."""

    x: int
    y: int
    width: int
    height: int
    label: str
    value: int
    before_y: int | None = None


class Line(msgspec.Struct, frozen=True):
    """A line across the chart at `y`, which is the height of `value`."""

    y: int
    value: int


class BarChart(msgspec.Struct, frozen=True):
    """Bars side by side. `top` is the value of the highest line, 0 where there is nothing to show."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    top: int

    @property
    def is_empty(self) -> bool:
        """Whether every value is zero."""
        return self.top == 0


class Stage(msgspec.Struct, frozen=True):
    """One stage of a funnel. `share_bps` is of the first stage, `kept_bps` of the one before; 10 000 is all."""

    label: str
    value: int
    share_bps: int
    kept_bps: int


class Sparkline(msgspec.Struct, frozen=True):
    """A line without axes: `points` for a polyline, `area` for the polygon below it."""

    width: int
    height: int
    points: str
    area: str


def bars(values: Sequence[tuple[str, int]], before: Sequence[int] = ()) -> BarChart:
    """The chart of (label, value), left to right, perhaps with a mark on each for the value of the period before.

    Raises ValueError for a negative value.
    """
    if any(value < 0 for _, value in values):
        raise ValueError("a bar can't show a negative value")
    top = ceiling(max((*(value for _, value in values), *before), default=0))
    step = max(STEP, LEAST_STEPS * STEP // max(1, len(values)))
    return BarChart(
        width=max(1, len(values)) * step,
        height=HEIGHT,
        bars=tuple(
            _bar(place, step, label, value, before[place] if place < len(before) else None, top)
            for place, (label, value) in enumerate(values)
        ),
        lines=tuple(Line(HEIGHT - HEIGHT * step // LINES, top * step // LINES) for step in range(1, LINES + 1))
        if top
        else (),
        top=top,
    )


def ceiling(value: int) -> int:
    """The least of 4, 8, 12, 20, 40, 60, 80, 100 (times a power of ten) that is not below `value`; 0 for 0.

    Each is divisible by `LINES` into round numbers.
    """
    if value <= 0:
        return 0
    measure = 1
    while 100 * measure < value:
        measure *= 10
    return next(step * measure for step in (4, 8, 12, 20, 40, 60, 80, 100) if step * measure >= value)


def change(now: int, before: int) -> str:
    """How a value compares with the one before: `rose 12 % to`, `fell 5.5 % to`, `stayed at`; `is now` where it was
    zero before."""
    if not before:
        return "is now" if now else "stayed at"
    tenths = (abs(now - before) * 2_000 + before) // (2 * before)
    if not tenths:
        return "stayed at"
    share = f"{group_digits(tenths // 10)}" if tenths % 10 == 0 else f"{group_digits(tenths // 10)}.{tenths % 10}"
    return f"{'rose' if now > before else 'fell'} {share} % to"


def funnel(stages: Sequence[tuple[str, int]]) -> tuple[Stage, ...]:
    """Stages in order, each with its share of the first and of the one before. A share of zero is zero."""
    made: list[Stage] = []
    for label, value in stages:
        first, before = (stages[0][1], made[-1].value) if made else (value, value)
        made.append(Stage(label, value, share_bps(value, first), share_bps(value, before)))
    return tuple(made)


def share_bps(part: int, whole: int) -> int:
    """`part` of `whole` in hundredths of a per cent, rounded to the nearest, within 0 and 10 000; 0 of zero."""
    if whole <= 0:
        return 0
    return min(10_000, max(0, (part * 20_000 + whole) // (2 * whole)))


def per_cent(bps: int) -> str:
    """A share as text, with one decimal where it isn't zero: `80 %`, `33.3 %`."""
    tenths = (bps + 5) // 10
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths // 10}.{tenths % 10} %"


def sparkline(values: Sequence[int]) -> Sparkline:
    """The line through `values`, evenly spaced, zero at the bottom. One value is a level line."""
    series = list(values) or [0]
    if len(series) == 1:
        series *= 2
    top = max(*series, 1)
    last, room = len(series) - 1, SPARK_HEIGHT - 4  # two units above and below for the line's own width
    spots = [
        (place * SPARK_WIDTH // last, SPARK_HEIGHT - 2 - room * max(0, value) // top)
        for place, value in enumerate(series)
    ]
    points = " ".join(f"{x},{y}" for x, y in spots)
    return Sparkline(SPARK_WIDTH, SPARK_HEIGHT, points, f"0,{SPARK_HEIGHT} {points} {SPARK_WIDTH},{SPARK_HEIGHT}")


def _bar(place: int, step: int, label: str, value: int, before: int | None, top: int) -> Bar:
    height = max(LEAST_BAR, HEIGHT * value // top) if value else 0
    before_y = None if before is None or not top else HEIGHT - HEIGHT * before // top
    return Bar(place * step + (step - BAR) // 2, HEIGHT - height, BAR, height, label, value, before_y)
