"""Every statement that this code has, found without running it.

Three ways, over all modules: objects of `app.core.statement` and NamedStatement at the level of a module; each set of
filters of a Listing, one by one and all at once; and texts in the source that are a whole statement, with what they
take from their module filled in. What a function puts together from its arguments is not found: the two versions of
`tests/resilience/test_two_versions.py`, which really run side by side, are there for that too.
"""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from types import ModuleType

import app
import workers
from app.core.database import NamedStatement
from app.core.keyset import Place
from app.core.statement import Command, Listing, Statement

SKIPPED = ("app.sandbox", "app.cli.__main__", "app.core.sql_migration", "app.core.migrations")
"""The sandbox is no deployment; migrations are what statements are held against."""

_BEGINS = re.compile(r"\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b")


def statements() -> dict[str, str]:
    """The SQL of each statement, with the module that has it."""
    found: dict[str, str] = {}
    for module in _modules():
        for sql in (*_of_objects(module), *_of_source(module)):
            found.setdefault(" ".join(sql.split()), module.__name__)
    return found


def _modules() -> Iterator[ModuleType]:
    for package in (app, workers):
        for one in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not one.name.startswith(SKIPPED):
                yield importlib.import_module(one.name)


def _of_objects(module: ModuleType) -> Iterator[str]:
    for value in list(vars(module).values()):
        for one in value.values() if isinstance(value, dict) else (value,):
            if isinstance(one, Statement | Command | NamedStatement):
                yield one.sql
            elif isinstance(one, Listing):
                yield from _of_listing(one)


def _of_listing(listing: "Listing[object]") -> Iterator[str]:
    every = frozenset(listing._filters)
    key = tuple("" for _ in listing._key)
    for names in {frozenset[str](), every, *(frozenset({name}) for name in every)}:
        for at in (None, Place(key), Place(key, is_end=True)):
            yield listing._statement(names, at).sql


def _of_source(module: ModuleType) -> Iterator[str]:
    """Texts of the source that begin like a statement. Those in f-strings are evaluated in the module."""
    assert module.__file__ is not None
    with open(module.__file__) as file:
        tree = ast.parse(file.read())
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text: object = node.value
        elif isinstance(node, ast.JoinedStr):
            text = _evaluated(node, module)
        else:
            continue
        if isinstance(text, str) and _BEGINS.match(text):
            yield text


def _evaluated(node: ast.JoinedStr, module: ModuleType) -> str | None:
    try:
        return str(eval(compile(ast.Expression(node), "<statement>", "eval"), dict(vars(module))))
    except Exception:  # it needs a function's own values
        return None


def written(sql: str) -> Iterable[tuple[str, tuple[str, ...]]]:
    """The tables that a statement inserts into, and the columns that it gives values for; none named: all."""
    for table, columns in re.findall(r'INSERT INTO "?(\w+)"?(?: AS \w+)?\s*(?:\(([^()]*)\))?', sql):
        yield table, tuple(name.strip().strip('"') for name in columns.split(",") if name.strip())
