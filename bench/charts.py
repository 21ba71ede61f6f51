"""Charts of the figures, and the page of them: `python -m bench.charts [FOLDER] [--before FOLDER] [--publish]`.

It draws an SVG for each bench from the JSON in a folder, `var/bench` unless named, into its folder `charts`.
With `--publish` the figures are also stored in `bench/figures`, and `docs/performance.md` and its charts are made from
what is stored there: no figure on that page is typed by hand. `--before` gives the figures that they are held against,
such as those of `python -m bench.compare`: `var/bench/compare/head --before var/bench/compare/base`.
"""

import argparse
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bench import BENCHES
from bench.drawing import Shown, chart
from bench.report import FOLDER, Run, runs_in
from bench.tables import all_figures, goals, machines

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "bench" / "figures"
PAGE = ROOT / "docs" / "performance.md"
CHARTS = ROOT / "docs" / "charts"

_PART = re.compile(r"(?P<begin>\[//\]: # \(generated: (?P<name>\w+)\)\n).*?(?P<end>\[//\]: # \(end\)\n)", re.DOTALL)

Runs = Mapping[str, Run]


def main() -> None:
    """Draw, and publish if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench.charts", description="Draw the figures of the benches.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--before", type=Path, metavar="FOLDER")
    parser.add_argument("--publish", action="store_true", help="store the figures and make docs/performance.md of them")
    asked = parser.parse_args()
    for folder in filter(None, (asked.folder, asked.before)):
        if not any(folder.glob("*.json")):
            parser.error(f"there is no JSON in {folder}")
    try:
        drawn = draw(asked.folder, asked.before, asked.folder / "charts")
        print(f"{len(drawn)} charts are in {asked.folder / 'charts'}")
        if asked.publish:
            publish(asked.folder, asked.before)
            print(f"Stored in {STORED}; made of them: {PAGE}, {CHARTS}")
    except ValueError as error:
        sys.exit(f"{error}")


def draw(folder: Path, before: Path | None, into: Path) -> list[str]:
    """Draw a chart for each bench that has something to show in one. Returns their benches. Raises ValueError for JSON
    that is none of a bench."""
    now, then = runs_in(folder), runs_in(before) if before else {}
    drawn = charts_of(now, then)
    into.mkdir(parents=True, exist_ok=True)
    for stale in into.glob("*.svg"):
        stale.unlink()
    for bench, content in drawn.items():
        (into / f"{bench}.svg").write_text(content)
    return list(drawn)


def charts_of(now: Runs, before: Runs) -> dict[str, str]:
    """The SVG of each bench, in the order of the benches. One without figures that have a limit or a goal has none."""
    shown = {bench: shown_of(now[bench], before.get(bench)) for bench in BENCHES if bench in now}
    return {bench: chart(BENCHES[bench], figures) for bench, figures in shown.items() if figures}


def shown_of(now: Run, before: Run | None) -> list[Shown]:
    """The figures of a chart: those with a limit or a goal. One in another unit before is another figure."""
    found = []
    for figure in now.figures.values():
        old = before.figures.get(figure.name) if before else None
        if figure.limit or figure.goal:
            found.append(Shown(figure, old if old and old.unit == figure.unit else None))
    return found


def publish(folder: Path, before: Path | None) -> None:
    """Store the figures, those of other benches stay, and make the page of all that is stored."""
    for name, source in (("now", folder), ("before", before)):
        if source is not None:
            (STORED / name).mkdir(parents=True, exist_ok=True)
            for path in source.glob("*.json"):
                if path.resolve() != (STORED / name / path.name).resolve():
                    shutil.copyfile(path, STORED / name / path.name)
    draw(STORED / "now", STORED / "before", CHARTS)
    PAGE.write_text(page(PAGE.read_text(), runs_in(STORED / "now"), runs_in(STORED / "before")))


def page(written: str, now: Runs, before: Runs) -> str:
    """The page with its generated parts made anew. Each is between two lines that Markdown does not show."""
    parts = {
        "machine": machines(now, before),
        "goals": goals(now, before),
        "charts": pictures(now, before),
        "figures": all_figures(now, before),
    }

    def made(found: re.Match[str]) -> str:
        return f"{found['begin']}\n{parts.pop(found['name'])}\n\n{found['end']}"

    made_anew = _PART.sub(made, written)
    if parts:
        raise ValueError(f"docs/performance.md has no part {', '.join(parts)}")
    return made_anew


def pictures(now: Runs, before: Runs) -> str:
    """The charts in Markdown. Who does not see them has the same figures in the tables."""
    about = "each figure beside its limit and its goal, as in the table of every figure below"
    lines = [f"![{BENCHES[bench]}: {about}](charts/{bench}.svg)" for bench in charts_of(now, before)]
    return "\n".join(lines) or "No figures are stored yet."


if __name__ == "__main__":
    main()
