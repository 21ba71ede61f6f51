"""The figures of a bench: a line each for people, and JSON that `python -m bench.compare` pairs.

A figure stands beside the raw limit of the same run, since a machine's speed changes from day to day; its share of that
limit is what two machines can compare.

    with Report("rates") as report:
        report.add("newest rate of a pair", 0.42, "ms", better="lower", goal=Goal("at most", 1.0))
"""

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psutil

FOLDER = Path(os.environ.get("BENCH_JSON", "var/bench"))
"""Where the JSON is written, a file for each bench."""

Better = Literal["higher", "lower"]


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
    better: Better
    limit: Limit | None = None
    goal: Goal | None = None

    @property
    def share(self) -> float | None:
        """The figure as a share of its limit."""
        return None if self.limit is None or not self.limit.value else self.value / self.limit.value

    def share_in_words(self) -> str:
        """`46% of` or, where less is better, `1.8 times`, to stand before the limit's name; empty without a limit."""
        if self.share is None:
            return ""
        return f"{self.share:.0%} of" if self.better == "higher" else f"{shown(self.share)} times"

    @property
    def reaches_goal(self) -> bool | None:
        """Whether the goal is reached; None without a goal, or where its share is not known."""
        if self.goal is None or (self.goal.of == "share" and self.share is None):
            return None
        return self.goal.is_reached_by(self.value, self.share)

    def wanted(self) -> str:
        """The goal for people, such as `at least 65%`; empty without one."""
        if self.goal is None:
            return ""
        share = self.goal.of == "share"
        return f"{self.goal.kind} {f'{self.goal.value:.0%}' if share else with_unit(self.goal.value, self.unit)}"

    def line(self) -> str:
        """For people."""
        said = [f"  {self.name:46}{shown(self.value):>10} {self.unit}"]
        if self.limit is not None and self.share is not None:
            said.append(f"{self.share_in_words()} {self.limit.name} ({with_unit(self.limit.value, self.unit)})")
        if self.goal is not None:
            reached = {True: "reached", False: "NOT reached", None: "its limit is not known"}[self.reaches_goal]
            said.append(f"{self.wanted()}: {reached}")
        return "; ".join(said)


class Report:
    """The figures of one run of one bench, as a context: the JSON is written at its end, and also where the run broke
    off, with the figures until then and the reason."""

    def __init__(self, bench: str) -> None:
        self._bench = bench
        self._machine = machine()
        self._begun_at = datetime.now(UTC)
        self._cpu_at_begin = psutil.cpu_times()
        self._figures: dict[str, Figure] = {}
        print(f"{bench}: {self._machine['cores']} cores, load {self._machine['load']:.1f} before the start", flush=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close("" if kind is None else f"{kind.__name__}: {error}")

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        better: Better = "higher",
        limit: Limit | None = None,
        goal: Goal | None = None,
    ) -> None:
        """Record a figure and print its line. Raises ValueError for a name that was used, or a value that is none."""
        if name in self._figures:
            raise ValueError(f"{self._bench} has two figures {name!r}")
        if not all(math.isfinite(each) for each in (value, limit.value if limit else 0)):
            raise ValueError(f"{self._bench}: {name!r} is {value}, its limit {limit and limit.value}")
        self._figures[name] = Figure(name, value, unit, better, limit, goal)
        print(self._figures[name].line(), flush=True)

    def close(self, broken: str = "") -> None:
        """Write the figures to FOLDER, with the reason if the run broke off."""
        self._machine["load_at_end"] = os.getloadavg()[0]
        self._machine["taken_by_host"] = _taken_by_host(self._cpu_at_begin, psutil.cpu_times())
        run = Run(
            self._bench, commit(), self._begun_at.isoformat(timespec="seconds"), self._machine, self._figures, broken
        )
        run.write(FOLDER)


@dataclass(frozen=True, slots=True)
class Run:
    """What a bench's JSON holds. `broken` is why the run broke off, empty where it did not."""

    bench: str
    commit: str
    begun_at: str
    machine: Mapping[str, Any]
    figures: Mapping[str, Figure]
    broken: str = ""

    def write(self, folder: Path) -> None:
        """Write it to the bench's file in `folder`, whole or not at all."""
        figures = [{**asdict(figure), "share": figure.share} for figure in self.figures.values()]
        content = {**{name: getattr(self, name) for name in self.__slots__}, "figures": figures}
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = folder / f".{self.bench}.json"
        unfinished.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
        unfinished.replace(folder / f"{self.bench}.json")

    @classmethod
    def read(cls, path: Path) -> "Run":
        """Read it. Raises OSError, or ValueError where the file is not what `write` makes."""
        try:
            content = json.loads(path.read_text())
            figures = [_figure(each) for each in content["figures"]]
            named = {figure.name: figure for figure in figures}
            commit, begun_at = content["commit"], content.get("begun_at", "")
            return cls(content["bench"], commit, begun_at, content["machine"], named, content.get("broken", ""))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no bench's JSON: {error!r}") from error


def runs_in(folder: Path) -> dict[str, Run]:
    """The runs whose JSON is in a folder, by bench. Raises ValueError for a file that is none."""
    return {run.bench: run for run in map(Run.read, sorted(folder.glob("*.json")))}


def machine() -> dict[str, Any]:
    """What a reader needs to know of the machine, and how busy it was before the start."""
    return {
        "processor": _processor(),
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


def shown(value: float) -> str:
    """A figure in three digits, or as a whole number from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:,.3g}"


def with_unit(value: float, unit: str) -> str:
    """A figure with its unit, `1,234/s` without a space."""
    return f"{shown(value)}{unit}" if unit.startswith("/") else f"{shown(value)} {unit}"


def _figure(stored: Mapping[str, Any]) -> Figure:
    limit = Limit(**stored["limit"]) if stored.get("limit") else None
    goal = Goal(**stored["goal"]) if stored.get("goal") else None
    figure = Figure(stored["name"], stored["value"], stored["unit"], stored["better"], limit, goal)
    values = [figure.value, *([limit.value] if limit else []), *([goal.value] if goal else [])]
    if not all(isinstance(each, int | float) and math.isfinite(each) for each in values):
        raise ValueError(f"{figure.name!r} has the value {figure.value!r} and the limit {limit}")
    return figure


def _taken_by_host(begin: Any, end: Any) -> float:
    """The share of what this machine's programs wanted of its cores that the host of a virtual machine gave to others
    instead, between two `psutil.cpu_times()`; 0 where the system does not tell."""
    used = [after - before for after, before in zip(end, begin, strict=True)]
    of = dict(zip(end._fields, used, strict=True))
    wanted = sum(used) - of["idle"] - of.get("iowait", 0.0) - of.get("guest", 0.0) - of.get("guest_nice", 0.0)
    return round(of.get("steal", 0.0) / wanted, 3) if wanted > 0 else 0.0


def _processor() -> str:
    """The processor's name, which Linux tells in a file alone."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
