"""Whether a test can prove anything: it is there, it runs, and it asserts. Reads the file; runs nothing."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]

NOT_RUN = ("skip", "skipif", "xfail")

ASSERTING = ("raises", "warns", "expect", "approx")
"""Calls that fail a test without an `assert`. A function of the tests' own that asserts counts as well."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def why_no_proof(node: str) -> str | None:
    """Why a test, named by its node id below `tests/`, proves nothing; None where it may."""
    file, *names = node.partition("[")[0].split("::")
    path = TESTS / file
    if not path.is_file():
        return f"{node}: there is no such file"
    module = _parsed(path)
    found = _named(module, names)
    if found is None or not found.name.startswith("test_"):
        return f"{node}: there is no such test"
    if any(_is_mark(each, NOT_RUN) for each in (*found.decorator_list, *_module_marks(module))):
        return f"{node}: it is skipped, or may fail"
    if not _asserts(found, path, frozenset()):
        return f"{node}: it asserts nothing"
    return None


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _named(module: ast.Module, names: Sequence[str]) -> Function | None:
    """A function by its name, or by its class's and its own."""
    place: ast.AST = module
    for name in names:
        inside = (each for each in getattr(place, "body", ()) if getattr(each, "name", None) == name)
        place = next(inside, ast.Pass())
    return place if isinstance(place, Function) else None


def _functions(module: ast.AST) -> Iterator[Function]:
    return (each for each in ast.walk(module) if isinstance(each, Function))


def _module_marks(module: ast.Module) -> Iterator[ast.expr]:
    for statement in module.body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "pytestmark":
            yield statement.value


def _is_mark(expression: ast.expr, names: tuple[str, ...]) -> bool:
    return any(isinstance(each, ast.Attribute) and each.attr in names for each in ast.walk(expression))


def _asserts(function: Function, path: Path, seen: frozenset[tuple[Path, str]]) -> bool:
    """Whether a function asserts, or calls one of the tests' own that does."""
    if (path, function.name) in seen:
        return False
    seen |= {(path, function.name)}
    called = set()
    for each in ast.walk(function):
        if isinstance(each, ast.Assert) and not isinstance(each.test, ast.Constant):
            return True
        if isinstance(each, ast.Call):
            called.add(each.func.attr if isinstance(each.func, ast.Attribute) else ast.unparse(each.func))
    if called & set(ASSERTING):
        return True
    return any(
        _asserts(other, where, seen)
        for where in (path, *_imported_tests(path))
        for other in _functions(_parsed(where))
        if other.name in called
    )


def _imported_tests(path: Path) -> Iterator[Path]:
    for each in ast.walk(_parsed(path)):
        if isinstance(each, ast.ImportFrom) and (each.module or "").startswith("tests."):
            file = TESTS.parent.joinpath(*str(each.module).split(".")).with_suffix(".py")
            if file.is_file():
                yield file
