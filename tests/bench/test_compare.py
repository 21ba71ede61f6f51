"""`python -m bench.compare` names what moved and nothing else, and says what it could not compare.

The figures are made up: their true changes and their noise are known.
"""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.comparison import Outcome, Round, compare, lines, median
from bench.pairing import ALPHA, LEAST_ROUNDS, Pair, interval, moves
from bench.report import Better, Figure, Goal, Limit, Report, Run, runs_in

ROUNDS = 8
STILL = "no difference seen"


def run(*figures: Figure, broken: str = "") -> Run:
    return Run("api", "abc", "", {}, {figure.name: figure for figure in figures}, broken)


def figure(name: str, value: float, *, better: Better = "higher", limit: float = 0, unit: str = "/s") -> Figure:
    return Figure(name, value, unit, better, Limit("the bare SQL", limit) if limit else None)


def rounds_of(before: Callable[[], Outcome], after: Callable[[], Outcome], count: int = ROUNDS) -> list[Round]:
    return [({"api": before()}, {"api": after()}) for _ in range(count)]


def noisy_pairs(dice: random.Random, change: float, noise: float, count: int = ROUNDS) -> list[Pair | None]:
    """Pairs on a machine whose speed changes from round to round; one run in ten is disturbed by other programs."""

    def value(speed: float, factor: float) -> float:
        disturbed = 0.7 if dice.random() < 0.1 else 1.0
        return 1_000 * speed * factor * disturbed * dice.lognormvariate(0, noise)

    speeds = [dice.lognormvariate(0, 0.3) for _ in range(count)]
    return [Pair(value(speed, 1), value(speed, 1 + change)) for speed in speeds]


def test_where_nothing_has_changed_hardly_any_comparison_names_a_figure() -> None:
    dice = random.Random(5)
    comparisons, named = 300, 0
    for _ in range(comparisons):
        pairs = {str(n): noisy_pairs(dice, 0, dice.choice((0.01, 0.05, 0.2)), count=7) for n in range(12)}
        found = moves(pairs, dict.fromkeys(pairs, True))
        named += any(move.verdict != STILL for move in found.values())
    assert named / comparisons <= ALPHA + 0.025, "three standard deviations above the rate that is promised"


def test_true_moves_are_named_among_many_that_are_still() -> None:
    dice = random.Random(6)
    seen = others = 0
    for _ in range(50):
        pairs = {f"still {n}": noisy_pairs(dice, 0, 0.05) for n in range(20)}
        pairs |= {"fell": noisy_pairs(dice, -0.5, 0.02), "rose": noisy_pairs(dice, 1.0, 0.02)}
        found = moves(pairs, dict.fromkeys(pairs, True))
        seen += (found["fell"].verdict, found["rose"].verdict) == ("worse", "better")
        others += any(move.verdict != STILL for name, move in found.items() if name.startswith("still"))
    assert seen >= 45
    assert others <= 6


def test_the_interval_has_the_true_change_as_often_as_it_says() -> None:
    dice = random.Random(7)
    for count in (3, 6, 10, 15):
        right, coverage = 0, 0.0
        for _ in range(1_000):
            low, high, coverage = interval([dice.gauss(0.1, 0.05) for _ in range(count)])
            right += low <= 0.1 <= high
        assert right / 1_000 == pytest.approx(coverage, abs=0.03)
        assert coverage >= 0.95 or count < LEAST_ROUNDS


def test_no_result_of_too_few_rounds_is_a_difference() -> None:
    """Even where each of them is ten times slower."""
    few = compare(rounds_of(lambda: run(figure("create", 1_000)), lambda: run(figure("create", 100)), LEAST_ROUNDS - 1))
    assert [row.move.verdict for row in few.rows] == [STILL]
    assert few.exit_code == 0
    said = "\n".join(lines(few))
    assert f"5 rounds can't tell any difference from noise, at least {LEAST_ROUNDS} are needed" in said
    assert "no difference that 5 rounds can show: 1" in said
    assert "-90.0%  (-90.0% to -90.0%, right in 94%)" in said
    enough = compare(rounds_of(lambda: run(figure("create", 1_000)), lambda: run(figure("create", 100)), LEAST_ROUNDS))
    assert [row.move.verdict for row in enough.rows] == ["worse"]


def test_what_got_worse_is_the_exit_code() -> None:
    dice = random.Random(8)

    def side(speed: float, latency: float) -> Callable[[], Run]:
        def made() -> Run:
            def noise() -> float:
                return dice.lognormvariate(0, 0.01)

            latency_ms = figure("create, p99", latency * noise(), better="lower", unit="ms")
            return run(figure("create", speed * noise(), limit=2_000 * noise()), latency_ms, figure("failed", 0))

        return made

    slower = compare(rounds_of(side(1_000, 40), side(1_000, 60)))
    assert {row.name: row.move.verdict for row in slower.rows} == {
        "create": STILL,
        "create, share of the bare SQL": STILL,
        "create, p99": "worse",
        "failed": STILL,
    }
    assert slower.exit_code == 1
    faster = compare(rounds_of(side(1_000, 60), side(1_500, 40)))
    assert [row.move.verdict for row in faster.rows] == ["better", "better", "better", STILL]
    assert faster.exit_code == 0
    said = "\n".join(lines(faster))
    assert re.search(r"share of the bare SQL +\d\d% → \d\d% .*  BETTER", said)
    assert "no difference that 8 rounds can show: 1, each within its interval" in said


def test_a_share_that_falls_because_the_limit_rose_is_said_and_is_not_worse() -> None:
    dice = random.Random(9)

    def side(value: float, limit: float) -> Callable[[], Run]:
        return lambda: run(figure("create", value * dice.uniform(0.99, 1), limit=limit * dice.uniform(0.99, 1)))

    risen = compare(rounds_of(side(1_000, 2_000), side(1_500, 6_000)))
    assert [(row.move.verdict, row.is_worse) for row in risen.rows] == [("better", False), ("worse", False)]
    assert risen.exit_code == 0
    assert "worse only because the limit got better by more than the figure did" in "\n".join(lines(risen))
    assert compare(rounds_of(side(1_000, 2_000), side(1_000, 6_000))).exit_code == 1


def test_what_is_missing_or_broken_is_said() -> None:
    whole = run(figure("create", 10), figure("read", 20), figure("page", 5, unit="ms"))
    part = run(figure("create", 10), broken="ValueError: no answer")
    rounds = rounds_of(lambda: whole, lambda: run(*whole.figures.values(), figure("new", 1)))
    rounds[2] = ({"api": whole}, {"api": part})
    rounds[4] = ({"api": whole}, {"api": "it ended with 1\n    ImportError: no such name"})
    found = compare(rounds)
    assert {row.name: row.move.rounds for row in found.rows} == {"create": 7, "read": 6, "page": 6}
    assert found.problems == [
        "api of head broke off in round 3: ValueError: no answer",
        "api of head broke off in round 5: it ended with 1\n    ImportError: no such name",
        "api: create: head does not have it in round 5",
        "api: read: head does not have it in round 3, 5",
        "api: page: head does not have it in round 3, 5",
        "api: new: new in head",
    ]
    assert found.exit_code == 2
    assert all(problem in "\n".join(lines(found)) for problem in found.problems)

    other_unit = compare(rounds_of(lambda: whole, lambda: run(figure("create", 10), figure("page", 5, unit="us"))))
    assert [row.name for row in other_unit.rows] == ["create"]
    assert other_unit.problems == [
        "api: read: in /s, higher is better in base, not there in head: not compared",
        "api: page: in ms, higher is better in base, in us, higher is better in head: not compared",
    ]
    assert other_unit.exit_code == 2
    assert compare(rounds_of(lambda: "it wrote no JSON", lambda: whole)).exit_code == 2
    assert compare([]).exit_code == 2


def test_a_move_counts_as_worse_although_something_else_is_missing() -> None:
    before, after = run(figure("create", 10), figure("read", 20)), run(figure("create", 5))
    assert compare(rounds_of(lambda: before, lambda: after)).exit_code == 1


def test_a_run_that_breaks_off_leaves_its_figures_and_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.report.FOLDER", tmp_path)
    with pytest.raises(ValueError, match="two figures 'read'"), Report("api") as report:
        report.add("read", 450, "/s", limit=Limit("empty route", 1_000), goal=Goal("at least", 0.45, "share"))
        report.add("read", 1, "/s")
    with pytest.raises(ValueError, match="is nan"), Report("rates") as report:
        report.add("newest", float("nan"), "ms")
    assert "45% of empty route (1,000/s); at least 45%: reached" in capsys.readouterr().out
    found = runs_in(tmp_path)
    assert list(found) == ["api", "rates"]
    assert found["api"].broken == "ValueError: api has two figures 'read'"
    assert found["api"].figures["read"].share == 0.45
    assert found["api"].machine["cores"] > 0
    assert found["rates"].figures == {}
    (tmp_path / "api.json").write_text(json.dumps({"bench": "api", "figures": [{"name": "read"}]}))
    with pytest.raises(ValueError, match="is no bench's JSON"):
        runs_in(tmp_path)


def test_medians_stand_for_all_rounds() -> None:
    runs = [run(figure("create", value, limit=limit)) for value, limit in ((1, 30), (9, 10), (2, 20))]
    middle = median([*runs, run(broken="no answer")])
    assert (middle.figures["create"].value, middle.figures["create"].limit) == (2, Limit("the bare SQL", 20))
    assert middle.broken == ""
