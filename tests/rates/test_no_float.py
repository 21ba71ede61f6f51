"""A rate goes from a source's text to the books as Decimal and int: no float is on the way."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    *sorted((ROOT / "app" / "rates").rglob("*.py")),
    *sorted((ROOT / "app" / "networks").rglob("*feeds.py")),
    *(
        ROOT / "app" / "invoices" / f"{name}.py"
        for name in ("asking", "pricing", "quotes", "quotes_repository", "quoting")
    ),
    *(ROOT / "app" / name for name in ("core/currencies.py", "core/money.py", "deposits/late_quotes.py")),
]


def floats(source: str) -> list[str]:
    """Float literals, `float` as a name or type of a value, and calls that return floats. A reading of a clock in
    seconds may be one: its line names the unit."""
    found = []
    for node in ast.walk(ast.parse(source)):
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
        names_float = isinstance(node, ast.Name) and node.id == "float"
        called = node.func if isinstance(node, ast.Call) else None
        makes_float = isinstance(called, ast.Attribute) and called.attr in ("timestamp", "total_seconds")
        if isinstance(node, ast.expr) and (is_float or names_float or makes_float):
            line = source.splitlines()[node.lineno - 1].strip()
            if not re.search(r"_s\b|_S\b", line):
                found.append(line)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_float(path: Path) -> None:
    assert floats(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "is_found"),
    [
        ("x = 0.1", True),
        ("x = float(text)", True),
        ("def f(x: float) -> None: ...", True),
        ("x = moment.timestamp()", True),
        ("rate_sources = 0.5", True),
        ("x = Decimal('0.1')", False),
        ("timeout_s = 0.5", False),
        ("x = 1 / y", False),  # of two Decimals
    ],
)
def test_floats_are_found(source: str, is_found: bool) -> None:
    assert bool(floats(source)) == is_found
