"""Rules of the house that a reader should be able to rely on. Who may import whom is in `lint-imports`."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
APP = sorted((ROOT / "app").rglob("*.py")) + sorted((ROOT / "workers").rglob("*.py"))
MONEY = ["core/money.py", "invoices", "deposits", "ledger", "withdrawals", "payouts", "refunds", "networks"]
FACES = ["api/", "checkout/", "cabinet/", "operator/"]
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\s+[a-z_]+\b.*\b(FROM|SET|VALUES|WHERE)\b", re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def below(path: Path, *rooms: str) -> bool:
    return any(name(path).startswith(f"app/{room}") for room in rooms)


@pytest.mark.parametrize("path", [p for p in APP if below(p, *MONEY)], ids=name)
def test_money_code_holds_no_float(path: Path) -> None:
    """Seconds may be floats; a line that has one says so by its unit."""
    for node in ast.walk(ast.parse(path.read_text())):
        is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
        names_float = isinstance(node, ast.Name) and node.id == "float"
        divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        if divides or names_float or is_float:
            line = path.read_text().splitlines()[node.lineno - 1]
            assert re.search(r"_s\b|_S\b|_ms\b|timeout", line), f"{name(path)}:{node.lineno}: {line.strip()}"


@pytest.mark.parametrize("path", [p for p in APP if below(p, *FACES)], ids=name)
def test_faces_hold_no_sql(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SQL.search(node.value), f"{name(path)}:{node.lineno}"


@pytest.mark.parametrize("path", [p for p in APP if p.name in ("service.py", "queries.py", "states.py")], ids=name)
def test_services_know_no_web_framework(path: Path) -> None:
    assert "litestar" not in path.read_text()


@pytest.mark.parametrize("path", [p for p in APP if not below(p, "core/clock.py", "sandbox")], ids=name)
def test_time_comes_from_the_clock(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"datetime\.now\(|time\.time\(|datetime\.utcnow\(", source)


def test_no_template_holds_inline_script_or_style() -> None:
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|hx-on", text), name(path)
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), name(path)
