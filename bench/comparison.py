"""The runs of some rounds compared, figure by figure, and what is said of them: runs in, sentences out."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.pairing import ALPHA, COVERAGE, LEAST_ROUNDS, Move, Pair, moves
from bench.report import Figure, Limit, Run, shown

Outcome = Run | str
"""What a bench wrote, or why there is nothing."""

Round = tuple[Mapping[str, Outcome], Mapping[str, Outcome]]
"""The outcomes of base and of head, by bench."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure that was compared; `share_of` is its limit's name where its share of the limit was."""

    bench: str
    figure: str
    share_of: str
    unit: str
    move: Move
    limit_moved: bool = False
    """A share that fell while the figure itself rose: its limit rose more."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.figure}, share of {self.share_of}" if self.share_of else self.figure

    @property
    def is_worse(self) -> bool:
        """Whether it counts as worse."""
        return self.move.verdict == "worse" and not self.limit_moved


@dataclass
class Comparison:
    """All that there is to say. `lost` is whether head lacks something that base has."""

    rounds: int
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lost: bool = False

    @property
    def exit_code(self) -> int:
        """0: nothing is worse; 1: something is; 2: head lacks what base has, or nothing could be compared."""
        if any(row.is_worse for row in self.rows):
            return 1
        return 2 if self.lost or not self.rows else 0


def compare(rounds: Sequence[Round]) -> Comparison:
    """Compare what the rounds gave. A figure with a limit is compared as it is and as a share of its limit."""
    found = Comparison(len(rounds))
    pairs: dict[tuple[str, str, str], list[Pair | None]] = {}
    kinds: dict[tuple[str, str, str], Figure] = {}
    for bench in dict.fromkeys(name for one in rounds for side in one for name in side):
        before, after = ([one[side].get(bench, "it was not run") for one in rounds] for side in (0, 1))
        _say_broken(found, bench, before, after)
        for name in dict.fromkeys(name for outcome in (*before, *after) for name in _figures(outcome)):
            befores, afters = ([_figures(outcome).get(name) for outcome in side] for side in (before, after))
            if not _is_comparable(found, f"{bench}: {name}", befores, afters):
                continue
            both = [(b, a) if b and a else None for b, a in zip(befores, afters, strict=True)]
            kind = next(figure for figure in afters if figure)
            key = (bench, name, "")
            pairs[key], kinds[key] = [pair and Pair(pair[0].value, pair[1].value) for pair in both], kind
            if limit := _limit_of_all(found, f"{bench}: {name}", [*befores, *afters]):
                key = (bench, name, limit)
                pairs[key], kinds[key] = [pair and _of_shares(*pair) for pair in both], kind
    judged = moves(pairs, {key: kind.better == "higher" for key, kind in kinds.items()})
    for (bench, name, limit), move in judged.items():
        itself = judged[bench, name, ""].verdict
        limit_moved = bool(limit) and move.verdict == "worse" and itself == "better"
        unit = "%" if limit else kinds[bench, name, limit].unit
        found.rows.append(Row(bench, name, limit, unit, move, limit_moved))
    return found


def lines(comparison: Comparison) -> Iterator[str]:
    """The comparison for people: each figure, then what moved, then what could not be compared."""
    rounds, rows = comparison.rounds, comparison.rows
    for bench in dict.fromkeys(row.bench for row in rows):
        yield f"\n{bench}"
        yield from (f"  {_line(row)}" for row in rows if row.bench == bench)
    yield f"\n{rounds} rounds, {len(rows)} comparisons"
    if rounds < LEAST_ROUNDS:
        yield (
            f"  {rounds} rounds can't tell any difference from noise, at least {LEAST_ROUNDS} are needed."
            " The intervals are all that there is to see."
        )
    worse = [row for row in rows if row.is_worse]
    better = [row for row in rows if row.move.verdict == "better"]
    for title, named in (("worse", worse), ("better", better)):
        yield f"  {title}: {len(named)}"
        yield from (f"    {row.bench}: {row.name} {_change(row.move.change)}" for row in named)
    yield from (
        f"  {row.bench}: {row.name}: worse only because the limit got better by more than the figure did"
        for row in rows
        if row.limit_moved
    )
    still = sum(row.move.verdict == "no difference seen" for row in rows)
    yield f"  no difference that {rounds} rounds can show: {still}, each within its interval"
    yield (
        f"  Where nothing has changed, one of {1 / ALPHA:.0f} comparisons names a figure. An interval is of its figure"
        f" alone, right in {COVERAGE:.0%} of all cases, or in as many as it says."
    )
    if comparison.problems:
        yield "\nNot compared, or not in all rounds"
        yield from (f"  {problem}" for problem in comparison.problems)


def median(runs: Sequence[Run]) -> Run:
    """One run with the median of each figure and of its limit. It is broken if all are."""
    figures: dict[str, list[Figure]] = {}
    for run in runs:
        for figure in run.figures.values():
            figures.setdefault(figure.name, []).append(figure)
    middle = {}
    for name, found in figures.items():
        limits = [figure.limit for figure in found if figure.limit]
        limit = Limit(limits[0].name, statistics.median(each.value for each in limits)) if limits else None
        middle[name] = replace(found[0], value=statistics.median(each.value for each in found), limit=limit)
    return replace(runs[0], figures=middle, broken=runs[0].broken if all(run.broken for run in runs) else "")


def _figures(outcome: Outcome) -> Mapping[str, Figure]:
    """Also those of a run that broke off later."""
    return {} if isinstance(outcome, str) else outcome.figures


def _say_broken(found: Comparison, bench: str, before: Sequence[Outcome], after: Sequence[Outcome]) -> None:
    reasons = [[each if isinstance(each, str) else each.broken for each in side] for side in (before, after)]
    for side, of_rounds in zip(("base", "head"), reasons, strict=True):
        for number, why in enumerate(of_rounds, 1):
            if why:
                found.problems.append(f"{bench} of {side} broke off in round {number}: {why}")
    if any(reasons[1]) and not all(reasons[0]):
        found.lost = True


def _is_comparable(
    found: Comparison, name: str, before: Sequence[Figure | None], after: Sequence[Figure | None]
) -> bool:
    """Whether a figure is there on both sides, in one unit. What is missing is said."""
    if not any(before):
        found.problems.append(f"{name}: new in head")
        return False
    forms = [sorted({f"in {f.unit}, {f.better} is better" for f in side if f}) for side in (before, after)]
    if not any(after) or forms[0] != forms[1] or len(forms[0]) > 1:
        said = f"{' or '.join(forms[0])} in base, {' or '.join(forms[1]) or 'not there'} in head"
        found.problems.append(f"{name}: {said}: not compared")
        found.lost = True
        return False
    if not any(b and a for b, a in zip(before, after, strict=True)):
        found.problems.append(f"{name}: no round has it on both sides: not compared")
        found.lost = True
        return False
    for side, figures in (("base", before), ("head", after)):
        if missing := [str(number) for number, figure in enumerate(figures, 1) if figure is None]:
            found.problems.append(f"{name}: {side} does not have it in round {', '.join(missing)}")
    return True


def _limit_of_all(found: Comparison, name: str, figures: Sequence[Figure | None]) -> str:
    """The limit that all have by name; empty where there is none, or not always the same one, which is said."""
    names = sorted({figure.limit.name if figure.limit else "none" for figure in figures if figure})
    if len(names) > 1:
        found.problems.append(
            f"{name}: its limit is not always the same ({', '.join(names)}): its share is not compared"
        )
        return ""
    return "" if names == ["none"] else names[0]


def _of_shares(before: Figure, after: Figure) -> Pair | None:
    return None if before.share is None or after.share is None else Pair(before.share, after.share)


def _line(row: Row) -> str:
    move = row.move
    if row.share_of:
        values = f"{move.before:.0%} → {move.after:.0%}"
    else:
        values = f"{shown(move.before)} → {shown(move.after)} {row.unit}"
    said = "worse with its limit" if row.limit_moved else {"better": "BETTER", "worse": "WORSE"}.get(move.verdict, "")
    coverage = "" if move.coverage >= COVERAGE else f", right in {move.coverage:.0%}"
    span = f"({_change(move.low)} to {_change(move.high)}{coverage})"
    return f"{row.name:58} {values:26} {_change(move.change):>8}  {span:22} {said}".rstrip()


def _change(share: float) -> str:
    return "from 0" if math.isinf(share) else f"{share:+.1%}"
