"""Rules for the code. The rules for imports are in `lint-imports`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APP = sorted((ROOT / "app").rglob("*.py")) + sorted((ROOT / "workers").rglob("*.py"))
MONEY = ["core/money.py", "invoices", "deposits", "ledger", "withdrawals", "payouts", "refunds", "networks"]
READ_MODELS = ["reports", "backoffice"]
BELOW_THE_WEB = ("service.py", "repository.py", "queries.py", "states.py")
SQL = re.compile(
    r"\bSELECT\b.*\bFROM\b|^\s*SELECT\s+\w+\(|\bINSERT\s+INTO\b|\bUPDATE\s+\S+\s+SET\b|\bDELETE\s+FROM\b"
    r"|\bWITH\s+\w+\s+AS\s*\(|\bTRUNCATE\s+\w|^\s*(NOTIFY|LISTEN|SHOW|SET|LOCK)\s+[A-Za-z]|\bpg_[a-z_]+\(",
    re.DOTALL,
)
"""SQL keywords, which we write in capitals."""

CHECK = "a check is one question to the database with its finding, over the tables of several nouns"

EXCEPTIONS = {
    "app/core/advisory_lock.py": "holds its lock on a connection of its own",
    "app/core/key_rotation.py": "walks through any table that holds sealed values",
    "app/core/migrations.py": "runs before there are tables",
    "app/core/searching.py": "joins the queries of a search, which are the repositories'",
    "app/core/sql_migration.py": "sets how long a migration waits for locks, and drops unfinished indexes",
    "app/core/statement.py": "makes SQL of the repositories' queries, and counts the rows of any of them",
    "app/doctor/postgres.py": "asks Postgres about its settings, roles and triggers",
    "app/reconciliation/checks/balances.py": CHECK,
    "app/reconciliation/checks/conservation.py": CHECK,
    "app/reconciliation/checks/coverage.py": CHECK,
    "app/reconciliation/checks/deposits.py": CHECK,
    "app/reconciliation/checks/events.py": CHECK,
    "app/reconciliation/checks/holdings.py": CHECK,
    "app/reconciliation/checks/secrets.py": CHECK,
    "app/reconciliation/checks/withdrawals.py": CHECK,
    "app/reconciliation/snapshot.py": "begins the transaction in which the checks read",
    "app/sandbox/continuity.py": "looks into another process's database before it starts",
    "app/sandbox/postgres.py": "creates the sandbox's database",
}
"""Modules with SQL outside repositories and read models, with the reason. The list may only get shorter."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def below(path: Path, *rooms: str) -> bool:
    return any(name(path).startswith(f"app/{room}") for room in rooms)


def test_money_code_holds_no_float() -> None:
    """Seconds may be floats; such a line names the unit."""
    assert [line for path in APP if below(path, *MONEY) for line in floats(path)] == []


def floats(path: Path) -> Iterator[str]:
    """Where a module has floats or divisions that are no seconds."""
    for node in ast.walk(ast.parse(path.read_text())):
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
        names_float = isinstance(node, ast.Name) and node.id == "float"
        divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        if isinstance(node, ast.expr) and (divides or names_float or is_float):
            line = path.read_text().splitlines()[node.lineno - 1]
            if not re.search(r"_s\b|_S\b|_ms\b|timeout", line):
                yield f"{name(path)}:{node.lineno}: {line.strip()}"


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module with their lines, without docstrings. An f-string is one string, with `?` for values."""
    tree = ast.parse(path.read_text())
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # a docstring, of a module, a function or a constant
            left_out.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            left_out.update(id(part) for part in node.values)
            if id(node) not in left_out:
                parts = (part.value if isinstance(part, ast.Constant) else "?" for part in node.values)
                yield node.lineno, "".join(map(str, parts))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.lineno, node.value


def statements(path: Path) -> list[int]:
    """The lines of a module with SQL."""
    return [line for line, text in texts(path) if SQL.search(text)]


def may_hold_sql(path: Path) -> bool:
    return path.name == "repository.py" or path.name.endswith("_repository.py") or below(path, *READ_MODELS)


def test_sql_lives_in_repositories() -> None:
    without = [path for path in APP if not may_hold_sql(path) and name(path) not in EXCEPTIONS]
    assert {name(path): lines for path in without if (lines := statements(path))} == {}


@pytest.mark.parametrize("path", EXCEPTIONS)
def test_every_exception_is_needed(path: str) -> None:
    """A module without SQL is removed from the list."""
    assert (ROOT / path).exists()
    assert statements(ROOT / path)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('"SELECT id FROM events"', 1),
        ('f"SELECT id FROM {table}"', 1),
        ('f"{start} FROM events" "; DELETE FROM events"', 1),
        ('"INSERT INTO events (id) VALUES ($1)"', 1),
        ('"UPDATE events SET seq = 1"', 1),
        ('"SELECT pg_advisory_xact_lock($1)"', 1),
        ('"WITH due AS (TABLE events)"', 1),
        ('"LISTEN events"', 1),
        ('def f():\n    """Does SELECT id FROM events."""', 0),
        ('"Select one from the list, then update and set it"', 0),
    ],
)
def test_sql_is_recognised(source: str, found: int, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(source if source.startswith("def") else f"TEXT = {source}")
    assert len(statements(module)) == found


def test_services_know_no_web_framework() -> None:
    assert [name(path) for path in APP if path.name in BELOW_THE_WEB and "litestar" in path.read_text()] == []


def test_time_comes_from_the_clock() -> None:
    asks = re.compile(r"datetime\.now\(|time\.time\(|datetime\.utcnow\(")
    without = [path for path in APP if not below(path, "core/clock.py", "sandbox")]
    assert [name(path) for path in without if asks.search(path.read_text())] == []


def test_no_template_holds_inline_script_or_style() -> None:
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text), name(path)
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), name(path)
