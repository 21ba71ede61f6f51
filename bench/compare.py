"""What moved between two commits beyond noise: `python -m bench.compare BASE [HEAD] [--only api,rates] [--rounds 8]`.

Both commits are checked out into temporary work trees. In each round every bench runs once for each commit, one
directly after the other; they take turns at being first. bench/pairing.py says what moved. Where a figure has a limit,
its share of the limit is looked at too: it moves less where the machine changes its speed.

The exit code is 0 if nothing got worse, 1 if something did, 2 if head lacks figures that base has or nothing could be
compared. Ctrl-C ends the rounds early; the complete ones are compared. All that ran is left in `var/bench/compare`, the
medians of both sides in its folders `base` and `head`, for `python -m bench.charts`.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench import BENCHES, worktrees
from bench.comparison import Outcome, Round, compare, lines, median
from bench.report import FOLDER, Run

ROUNDS = 8
RESULTS = FOLDER / "compare"


def main() -> int:
    """Check out, run, compare, print. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description="What moved between two commits.")
    parser.add_argument("base")
    parser.add_argument("head", nargs="?", default="HEAD")
    parser.add_argument("--only", default=",".join(BENCHES), metavar="NAMES", help=f"of: {', '.join(BENCHES)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    benches = asked.only.split(",")
    if unknown := sorted(set(benches) - set(BENCHES)):
        parser.error(f"there is no bench {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    if asked.rounds < 1:
        parser.error("at least one round is needed")
    try:
        base, head = worktrees.resolved(asked.base), worktrees.resolved(asked.head)
    except worktrees.UnknownCommit as error:
        parser.error(str(error))
    _print_notes(base, head, benches, asked.rounds)
    shutil.rmtree(RESULTS, ignore_errors=True)
    with worktrees.checked_out(base, head) as sides:
        rounds = _run(sides, benches, asked.rounds)
    _keep_medians(rounds, base, head)
    comparison = compare(rounds)
    print("\n".join(lines(comparison)))
    return comparison.exit_code


def _print_notes(base: str, head: str, benches: Sequence[str], rounds: int) -> None:
    print(f"base {base[:12]}, head {head[:12]}: {', '.join(benches)}; {rounds} rounds; load {os.getloadavg()[0]:.1f}")
    if worktrees.differ("HEAD", head) or not worktrees.is_clean():
        print("  Only what is committed is measured: this checkout's files differ from head")
    if worktrees.differ(base, head, "requirements-dev.lock"):
        print("  Their locks differ: both run with the packages of this environment")
    if changed := [bench for bench in benches if worktrees.differ(base, head, f"bench/{bench}.py")]:
        print(f"  The bench itself changed: {', '.join(changed)}. A difference may be one of the bench")
    print(flush=True)


def _run(sides: tuple[worktrees.Side, worktrees.Side], benches: Sequence[str], rounds: int) -> list[Round]:
    done: list[Round] = []
    try:
        for number in range(1, rounds + 1):
            outcomes: tuple[dict[str, Outcome], dict[str, Outcome]] = ({}, {})
            for bench in benches:
                for which in (0, 1) if number % 2 else (1, 0):
                    side, other = sides[which], sides[1 - which]
                    outcome, took_s = worktrees.run(side, other, bench, RESULTS / f"round-{number}" / side.name)
                    outcomes[which][bench] = outcome
                    problem = outcome if isinstance(outcome, str) else outcome.broken
                    said = f": broke off: {problem}" if problem else ""
                    print(f"round {number} of {rounds}: {bench} of {side.name}: {took_s:.0f} s{said}", flush=True)
            done.append(outcomes)
    except KeyboardInterrupt:
        print(f"\nEnded early: {len(done)} rounds are complete", flush=True)
    return done


def _keep_medians(rounds: Sequence[Round], base: str, head: str) -> None:
    for which, (name, commit) in enumerate((("base", base), ("head", head))):
        for bench in rounds[0][which] if rounds else ():
            runs = [found for one in rounds if isinstance(found := one[which][bench], Run)]
            if runs:
                replace(median(runs), commit=commit[:12]).write(RESULTS / name)


if __name__ == "__main__":
    sys.exit(main())
