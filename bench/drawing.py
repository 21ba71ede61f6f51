"""A chart of figures as SVG: figures in, text out.

Each figure is a group of bars: now, before where that is known, and its limit; a mark across them is the goal. Each
group has a scale of its own, since its figures have units of their own. Bars differ in their filling, and each has its
name and value beside it, so nothing is told by colour alone. A chart is as wide as a page on a
phone, so that its letters keep their size there; on a wide page two stand side by side. Colours follow the reader's
system; there is no script.
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from bench.report import Figure, with_unit

WIDTH = 336
EDGE = 14
BARS = 136
"""Units of the longest bar."""

BAR, GAP = 13, 5
LINE = 17
"""Units of a line of letters."""

LETTERS, CAPTION_LETTERS = 44, 50
"""How many fit into a line of a name and of a caption."""

LEAST_BAR = 2.0

_STYLE = """
svg { --paper: #fffefb; --line: #c9c4b6; --ink: #10211f; --soft: #53615d; --now: #0d5a63; --goal: #8a4b00;
  font: 12px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #111b1e; --line: #3b4d53; --ink: #e9f0ee; --soft: #a3b3b0; --now: #58b9c0; --goal: #f6cf86; }
}
text { fill: var(--ink); }
.paper { fill: var(--paper); stroke: var(--line); }
.title { font-size: 15px; font-weight: 650; }
.name { font-size: 13px; font-weight: 600; }
.soft { fill: var(--soft); }
.now { fill: var(--now); }
.before { fill: url(#hatched); stroke: var(--now); }
.stripe { stroke: var(--now); stroke-width: 2; }
.limit { fill: none; stroke: var(--soft); stroke-dasharray: 3 2; }
.goal { stroke: var(--goal); stroke-width: 2; fill: var(--goal); }
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure of a chart: as it is now, and as it was before, if that is known."""

    now: Figure
    before: Figure | None = None


def chart(title: str, figures: Sequence[Shown]) -> str:
    """The chart as an SVG document."""
    drawn: list[str] = []
    y = EDGE + 12.0
    drawn.append(_text(EDGE, y, title, "title"))
    y += 2
    for shown in figures:
        y, group = _group(shown, y + 14)
        drawn += group
    height = round(y + EDGE)
    said = " ".join(sentence(shown) for shown in figures)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
            ' role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(said)}</desc>',
            f"<style>{_STYLE}</style>",
            '<defs><pattern id="hatched" width="5" height="5" patternUnits="userSpaceOnUse"'
            ' patternTransform="rotate(45)"><path class="stripe" d="M0 0V5"/></pattern></defs>',
            f'<rect class="paper" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>',
            *drawn,
            "</svg>\n",
        ]
    )


def sentence(shown: Shown) -> str:
    """The figure in words, for those who do not see the chart."""
    figure, parts = shown.now, [f"now {of_limit(shown.now)}"]
    if shown.before is not None:
        parts.append(f"before {of_limit(shown.before)}")
    if figure.limit is not None:
        parts.append(f"limit: {figure.limit.name}, {with_unit(figure.limit.value, figure.unit)}")
    if figure.goal is not None:
        parts.append(f"goal: {figure.wanted()}, {reached(figure)}")
    return f"{figure.name}: {'; '.join(parts)}."


def of_limit(figure: Figure) -> str:
    """The figure with its unit, and its share of the limit if it has one: `741/s · 46%`."""
    value = with_unit(figure.value, figure.unit)
    return value if figure.share is None else f"{value} · {figure.share_in_words().removesuffix(' of')}"


def reached(figure: Figure) -> str:
    """Whether the goal is reached, in words; empty without one."""
    if figure.goal is None:
        return ""
    return {True: "reached", False: "not reached", None: "not known"}[figure.reaches_goal]


def _group(shown: Shown, y: float) -> tuple[float, list[str]]:
    """A figure's name, bars and caption from `y` on. Returns where it ends."""
    figure, drawn = shown.now, []
    for line in textwrap.wrap(figure.name, LETTERS):
        y += LINE
        drawn.append(_text(EDGE, y, line, "name"))
    y += 7
    bars = list(_bars(shown))
    goal = _goal(shown)
    longest = max([*(length for _, length, _ in bars), goal or 0.0]) or 1.0
    top = y
    for kind, length, words in bars:
        width = max(LEAST_BAR, length / longest * BARS)
        drawn.append(f'<rect class="{kind}" x="{EDGE}" y="{y:g}" width="{width:.1f}" height="{BAR}"/>')
        drawn.append(_text(EDGE + BARS + 8, y + BAR - 3, words, "" if kind == "now" else "soft"))
        y += BAR + GAP
    if goal is not None:
        x, end = EDGE + goal / longest * BARS, y - GAP + 3
        drawn.append(f'<path class="goal" d="M{x:.1f} {top - 1:g}V{end:g}m-4 4h8l-4 -5z"/>')
        y += 5
    for caption in _captions(figure):
        for line in textwrap.wrap(caption, CAPTION_LETTERS):
            y += LINE - 3
            drawn.append(_text(EDGE, y, line, "soft"))
    return y, drawn


def _in_shares(shown: Shown) -> bool:
    """Whether the bars are shares of the limit: those of two runs differ, their shares can be compared."""
    return shown.now.share is not None and (shown.before is None or shown.before.share is not None)


def _bars(shown: Shown) -> Iterator[tuple[str, float, str]]:
    """Kind, length and words of each bar."""
    in_shares = _in_shares(shown)
    for kind, figure in (("now", shown.now), ("before", shown.before)):
        if figure is not None:
            length = figure.share if in_shares and figure.share is not None else figure.value
            yield kind, length, f"{kind} {of_limit(figure)}"
    if in_shares and shown.now.limit is not None:
        yield "limit", 1.0, f"limit {with_unit(shown.now.limit.value, shown.now.unit)}"


def _goal(shown: Shown) -> float | None:
    """Where the goal is on the scale of the bars; None where it has no place there."""
    goal, limit = shown.now.goal, shown.now.limit
    if goal is None:
        return None
    if _in_shares(shown) and limit is not None:
        return goal.value if goal.of == "share" else goal.value / limit.value
    return goal.value if goal.of == "figure" else None


def _captions(figure: Figure) -> Iterator[str]:
    if figure.goal:
        yield f"▲ goal: {figure.wanted()}, {reached(figure)}"
    if figure.limit:
        yield f"limit: {figure.limit.name}"


def _text(x: float, y: float, words: str, kind: str) -> str:
    marked = f" class={quoteattr(kind)}" if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{marked}>{escape(words)}</text>'
