"""What moved between two commits, from paired runs: values in, a verdict of each figure out.

In each round both commits run, one directly after the other, so that both meet the same machine. What is looked at is
the difference of each pair. If a change had no effect, each pair could as well have its two runs swapped: every
difference could have the other sign. So the differences of all figures are computed with the signs of whole rounds
swapped in each possible way, and a figure has moved if hardly any way has a figure that is so much of one direction.
That is the permutation test of Westfall and Young (1993, "Resampling-Based Multiple Testing", maximum statistic). It
assumes nothing about the noise, and ALPHA is the chance that a comparison without any difference names even one figure,
however many figures there are.
"""

import itertools
import math
import random
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Name = TypeVar("Name", bound=Hashable)

ALPHA = 0.05
"""The chance of naming anything where nothing has changed."""

LEAST_ROUNDS = 6
"""With five, the least chance that any result can have is 2 of 32: above ALPHA."""

COVERAGE = 0.95
"""Of the interval of one figure, at least; less where there are too few rounds for it."""

MOST_SWAPS = 4_096
"""All ways of swapping are tried up to 13 rounds; beyond, so many random ones."""

Verdict = Literal["better", "worse", "no difference seen"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure in one round: before and after."""

    before: float
    after: float

    @property
    def difference(self) -> float:
        """From -2 to 2, of the mean of both: it changes its sign when they are swapped, and a value may be 0."""
        size = (abs(self.before) + abs(self.after)) / 2
        return (self.after - self.before) / size if size else 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """A figure over all rounds. `change` is the median one as a share of before (0.1: a tenth more), `low` and `high`
    the interval of it, which is right in `coverage` of all cases; `chance` is how often so clear a move would be seen
    somewhere among the figures if nothing had changed."""

    before: float
    after: float
    change: float
    low: float
    high: float
    coverage: float
    rounds: int
    chance: float
    verdict: Verdict


def moves(
    pairs: Mapping[Name, Sequence[Pair | None]], higher_is_better: Mapping[Name, bool], *, alpha: float = ALPHA
) -> dict[Name, Move]:
    """What each figure did. `pairs` has one element for each round, None where a figure is missing on either side; all
    figures must have the same rounds. A figure that no round has is not in the answer."""
    there = {name: [p for p in of_rounds if p is not None] for name, of_rounds in pairs.items()}
    differences = {
        name: [0.0 if pair is None else pair.difference for pair in pairs[name]] for name, some in there.items() if some
    }
    chances = _chances(differences)
    return {name: _move(there[name], chances[name], higher_is_better[name], alpha) for name in differences}


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """An interval of the median of what the differences are of, and how often it is right: from two of the values
    themselves, so nothing is assumed about the noise (binomial; the sign test turned round)."""
    ordered, n = sorted(differences), len(differences)
    cut = 0
    while cut + 1 < (n + 1) // 2 and _coverage(n, cut + 1) >= COVERAGE:
        cut += 1
    return ordered[cut], ordered[n - 1 - cut], _coverage(n, cut)


def _move(pairs: Sequence[Pair], chance: float, higher_is_better: bool, alpha: float) -> Move:
    differences = [pair.difference for pair in pairs]
    middle = statistics.median(differences)
    low, high, coverage = interval(differences)
    verdict: Verdict = "no difference seen"
    if chance <= alpha:
        verdict = "better" if (sum(differences) > 0) == higher_is_better else "worse"
    return Move(
        statistics.median(pair.before for pair in pairs),
        statistics.median(pair.after for pair in pairs),
        _as_change(middle),
        _as_change(low),
        _as_change(high),
        coverage,
        len(pairs),
        chance,
        verdict,
    )


def _chances(differences: Mapping[Name, Sequence[float]]) -> dict[Name, float]:
    """Of each figure: the share of all ways to swap in which some figure is as clear as this one."""
    if not differences:
        return {}
    rounds = len(next(iter(differences.values())))
    sizes = {name: math.sqrt(sum(d * d for d in of_rounds)) for name, of_rounds in differences.items()}
    scaled = [[d / sizes[name] for d in of_rounds] for name, of_rounds in differences.items() if sizes[name]]
    clearest = sorted(
        max((abs(sum(map(float.__mul__, of_rounds, signs))) for of_rounds in scaled), default=0.0)
        for signs in _swaps(rounds)
    )
    found = {}
    for name, of_rounds in differences.items():
        own = abs(sum(of_rounds)) / sizes[name] if sizes[name] else 0.0
        at_least = sum(1 for each in clearest if each >= own - 1e-9)
        found[name] = at_least / len(clearest)
    return found


def _swaps(rounds: int) -> list[tuple[float, ...]]:
    """The signs of rounds, the first always as it was: to swap all rounds is to look from the other side."""
    if 2 ** (rounds - 1) <= MOST_SWAPS:
        return [(1.0, *signs) for signs in itertools.product((1.0, -1.0), repeat=rounds - 1)]
    dice = random.Random(rounds)
    others = [tuple(dice.choice((1.0, -1.0)) for _ in range(rounds)) for _ in range(MOST_SWAPS - 1)]
    return [(1.0,) * rounds, *others]


def _coverage(n: int, cut: int) -> float:
    """How often the median lies between the values that are left when `cut` are cut off at both ends."""
    return 1 - 2 * sum(math.comb(n, k) for k in range(cut + 1)) / 2**n if n > 1 else 0.0


def _as_change(difference: float) -> float:
    """A difference of the mean as a share of what was before; infinite where that was 0."""
    return (2 + difference) / (2 - difference) - 1 if difference < 2 else math.inf
