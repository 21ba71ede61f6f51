"""Reads the table of docs/security.md."""

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/security.md").read_text()

_CHANGE = "a change of credentials"
_HOW_LONG = re.compile(r"(\d+) (days?|hours?|minutes?|seconds)\b")


@dataclass(frozen=True)
class Row:
    """One capability. `ends` are the events that end it early, a change of credentials spelt out."""

    what: str
    how_long: str
    ends: tuple[str, ...]
    where: str

    @property
    def lifetime(self) -> timedelta | None:
        """How long it lasts, where the row gives a time of its own."""
        found = _HOW_LONG.match(self.how_long)
        if found is None:
            return None
        number, unit = int(found[1]), found[2].rstrip("s")
        return timedelta(**{f"{unit}s": number})


def rows() -> dict[str, Row]:
    """Every row by its capability."""
    found = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 5 and cells[0] != "what":
            what, _, how_long, ends, where = cells
            found[what] = Row(what, how_long, tuple(_spelt_out(ends)), where)
    return found


def changes() -> list[str]:
    """What counts as a change of credentials."""
    found = re.search(r"A \*change of credentials\* is one of: (.+?)\.\n", PAGE, re.DOTALL)
    assert found is not None
    return [" ".join(each.split()) for each in found[1].split(";")]


def named(kind: str) -> set[str]:
    """The names of a kind on the page: `table`, `cookie`, `derived key`, `sealed`, `memory`."""
    return set(re.findall(rf"{kind} `([^`]+)`", PAGE))


def _spelt_out(ends: str) -> list[str]:
    found: list[str] = []
    for each in ends.split("; "):
        found += changes() if each == _CHANGE else [each]
    return found
