"""Tables of figures in Markdown: figures in, text out."""

from collections.abc import Iterator, Mapping, Sequence

from bench import BENCHES
from bench.report import Figure, Run, with_unit

Runs = Mapping[str, Run]


def goals(now: Runs, before: Runs) -> str:
    """The figures that have a goal: what it is, what they were, what they are."""
    rows = [
        f"| {_cell(figure.name)} | {_value(old)} | {_value(figure)} | {_unbroken(figure.wanted())} |"
        f" {_reached(figure)} | {_limit(figure)} |"
        for bench in BENCHES
        for figure, old in _figures(bench, now, before)
        if figure.goal is not None
    ]
    return _table("| work | before | now | to reach | | limit |\n|---|---:|---:|---|---|---|", rows)


def all_figures(now: Runs, before: Runs) -> str:
    """Every figure, a table for each bench."""
    parts = []
    for bench, title in BENCHES.items():
        if bench not in now:
            continue
        rows = [
            f"| {_cell(figure.name)} | {_value(old)} | {_value(figure)} | {_limit(figure)} |"
            for figure, old in _figures(bench, now, before)
        ]
        note = f"It broke off: {_cell(now[bench].broken)}\n\n" if now[bench].broken else ""
        table = _table("| figure | before | now | limit |\n|---|---:|---:|---|", rows)
        parts.append(f"### {title}\n\n`python -m bench.{bench}`\n\n{note}{table}")
    return "\n\n".join(parts) or "No figures are stored yet."


def machines(now: Runs, before: Runs) -> str:
    """What the figures were measured on, and how busy it was: a row for each set."""
    rows = []
    for name, runs in (("before", before), ("now", now)):
        for machine, of_machine in _by_machine(runs).items():
            loads = [f"{load:.1f}" for load in sorted(run.machine["load"] for run in of_machine)]
            known = [run.machine["taken_by_host"] for run in of_machine if "taken_by_host" in run.machine]
            taken = [f"{share:.0%}" for share in sorted(known)]
            commits = ", ".join(f"`{commit}`" for commit in dict.fromkeys(run.commit for run in of_machine))
            days = sorted({run.begun_at[:10] for run in of_machine})
            rows.append(f"| {name} | {commits} | {_range(days)} | {machine} | {_range(loads)} | {_range(taken)} |")
    heads = "| figures | commit | day | machine | load before each bench | taken by the host during it |"
    return _table(f"{heads}\n|---|---|---|---|---|---|", rows)


def _range(ordered: Sequence[str]) -> str:
    return " to ".join(dict.fromkeys((ordered[0], ordered[-1]))) if ordered else "–"


def _by_machine(runs: Runs) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in runs.values():
        has = run.machine
        name = (
            f"{has['cores']} cores of {has['processor']}, {has['memory_gib']} GiB; {has['system']};"
            f" Python {has['python']}"
        )
        found.setdefault(name, []).append(run)
    return found


def _figures(bench: str, now: Runs, before: Runs) -> Iterator[tuple[Figure, Figure | None]]:
    """Each figure of a bench with the one before, if there was one in the same unit."""
    old_figures = before[bench].figures if bench in before else {}
    for name, figure in now[bench].figures.items() if bench in now else ():
        old = old_figures.get(name)
        yield figure, old if old is not None and old.unit == figure.unit else None


def _value(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    share = f" ({figure.share_in_words().removesuffix(' of')})" if figure.share is not None else ""
    return _unbroken(f"{with_unit(figure.value, figure.unit)}{share}")


def _limit(figure: Figure) -> str:
    if figure.limit is None:
        return ""
    return f"{_cell(figure.limit.name)}, {_unbroken(with_unit(figure.limit.value, figure.unit))}"


def _reached(figure: Figure) -> str:
    return {True: "✓ reached", False: "not reached", None: "not known"}[figure.reaches_goal]


def _unbroken(text: str) -> str:
    """With spaces at which no line breaks."""
    return text.replace(" ", "\u00a0")


def _cell(text: str) -> str:
    """Text that does not end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _table(head: str, rows: list[str]) -> str:
    return "\n".join([head, *rows]) if rows else "No figures are stored yet."
