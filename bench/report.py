"""The figures of a bench: a line each for people, and JSON that `python -m bench.compare` pairs.

A figure stands beside the raw limit of the same run, since a machine's speed changes from day to day; its share of that
limit is what two machines can compare.
"""

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import psutil

FOLDER = Path(os.environ.get("BENCH_JSON", "var/bench"))
"""Where the JSON is written, a file for each bench."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The raw limit of a figure, measured in the same run and in the same unit."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to reach: at least or at most `value`, of itself or of its share of the limit."""

    kind: Literal["at least", "at most"]
    value: float
    of: Literal["figure", "share"] = "figure"

    def is_reached_by(self, figure: float, share: float | None) -> bool:
        """Whether it is. `share` must be given where the goal is one."""
        got = figure if self.of == "figure" else share
        assert got is not None, "a goal of a share needs a limit"
        return got >= self.value if self.kind == "at least" else got <= self.value


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. `name` is the same in every run, for comparison."""

    name: str
    value: float
    unit: str
    better: Literal["higher", "lower"]
    limit: Limit | None = None
    goal: Goal | None = None

    @property
    def share(self) -> float | None:
        """The figure as a share of its limit."""
        return None if self.limit is None or not self.limit.value else self.value / self.limit.value

    def line(self) -> str:
        """For people."""
        said = [f"  {self.name:46}{_shown(self.value):>10} {self.unit}"]
        if self.limit is not None and self.share is not None:
            said.append(f"{self.share:.0%} of {self.limit.name} ({_shown(self.limit.value)} {self.unit})")
        if self.goal is not None:
            wanted = f"{self.goal.value:.0%}" if self.goal.of == "share" else f"{_shown(self.goal.value)} {self.unit}"
            reached = "reached" if self.goal.is_reached_by(self.value, self.share) else "NOT reached"
            said.append(f"{self.goal.kind} {wanted}: {reached}")
        return "; ".join(said)


class Report:
    """The figures of one run of one bench. `close()` writes the JSON, also of a run that broke off."""

    def __init__(self, bench: str) -> None:
        self._bench = bench
        self._machine = machine()
        self._figures: list[Figure] = []
        print(f"{bench}: {self._machine['cores']} cores, load {self._machine['load']:.1f} before the start", flush=True)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        better: Literal["higher", "lower"] = "higher",
        limit: Limit | None = None,
        goal: Goal | None = None,
    ) -> None:
        """Record a figure and print its line."""
        figure = Figure(name, value, unit, better, limit, goal)
        self._figures.append(figure)
        print(figure.line(), flush=True)

    def close(self) -> None:
        """Write the figures to FOLDER."""
        FOLDER.mkdir(parents=True, exist_ok=True)
        figures = [{**asdict(figure), "share": figure.share} for figure in self._figures]
        content = {"bench": self._bench, "commit": commit(), "machine": self._machine, "figures": figures}
        (FOLDER / f"{self._bench}.json").write_text(json.dumps(content, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What a reader needs to know of the machine, and how busy it was before the start."""
    return {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "load": os.getloadavg()[0],
    }


def commit() -> str:
    """The commit that is measured, with `+` where files differ from it; empty outside of a checkout."""
    found = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--match="],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
