"""Capabilities in the code: tables with secrets, cookies, purposes of keys and of sealing."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from app.identity import cookies
from app.piccolo_app import APP_CONFIG

APP = Path(__file__).parents[2] / "app"

_SECRET_COLUMN = re.compile(r"(token|code|secret|password)_(hash|sealed)|\w+_sealed|bucket")

_SEALS_WHAT_OTHERS_SEAL = ("crypto.py", "key_rotation.py")
"""`encrypt` itself, and the rotation of data keys."""


def tables() -> set[str]:
    """Tables with a column that holds a secret, or a hash of one."""
    return {
        table._meta.tablename
        for table in APP_CONFIG.table_classes
        if any(_SECRET_COLUMN.fullmatch(column._meta.name) for column in table._meta.columns)
    }


def cookie_names() -> set[str]:
    """Every cookie that we set. One that is named elsewhere than in identity/cookies.py is found too."""
    elsewhere = {name for _, text in _sources() for name in re.findall(r"__Host-\w+", text)}
    return elsewhere | {value for value in vars(cookies).values() if str(value).startswith("__Host-")}


def derived_keys() -> set[str]:
    """The purposes that keys are derived for."""
    return {purpose for _, tree in _trees() for purpose in _constants(tree, "derive_key", 1, "purpose")}


def sealed() -> set[str]:
    """The first part of each purpose of encryption, such as `totp` in `totp:ACC-…`."""
    found = set()
    for path, tree in _trees():
        if path.name in _SEALS_WHAT_OTHERS_SEAL:
            continue
        functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        for call in _calls(tree, "encrypt"):
            given = [keyword.value for keyword in call.keywords if keyword.arg == "purpose"]
            if not given:  # AESGCM's own, of the signer's key file
                continue
            found.add(_prefix(given[0], functions) or f"{path.name}:{call.lineno}: a purpose that can't be read")
    return found


def hmacs() -> set[str]:
    """The files that compute an HMAC: each is either named on the page or of a kind that it tells apart."""
    return {str(path.relative_to(APP.parent)) for path, tree in _trees() if any(_calls(tree, "hmac_sha256"))}


def _prefix(purpose: ast.expr, functions: dict[str, ast.FunctionDef]) -> str | None:
    """The constant that a purpose begins with; a function or property of the same file is read for it."""
    if isinstance(purpose, ast.JoinedStr) and isinstance(purpose.values[0], ast.Constant):
        return str(purpose.values[0].value).partition(":")[0]
    if isinstance(purpose, ast.Constant):
        return str(purpose.value).partition(":")[0]
    name = purpose.func if isinstance(purpose, ast.Call) else purpose
    function = functions.get(str(getattr(name, "id", None) or getattr(name, "attr", "")))
    if function is not None:
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                return _prefix(node.value, functions)
    return None


def _constants(tree: ast.AST, function: str, place: int, keyword: str) -> Iterator[str]:
    for call in _calls(tree, function):
        named = [each.value for each in call.keywords if each.arg == keyword]
        given = named or call.args[place : place + 1]
        if given and isinstance(given[0], ast.Constant):
            yield str(given[0].value)
        else:
            yield f"line {call.lineno}: a purpose that can't be read"


def _calls(tree: ast.AST, function: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == function:
                yield node


@cache
def _trees() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple((path, ast.parse(text)) for path, text in _sources())


def _sources() -> Iterator[tuple[Path, str]]:
    for path in sorted(APP.rglob("*.py")):
        if "sandbox" not in path.parts:
            yield path, path.read_text()
