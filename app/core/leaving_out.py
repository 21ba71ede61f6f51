"""Imports of packages without what they use where it is installed, and we don't."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def leaving_out(name: str) -> Iterator[None]:
    """To what is imported meanwhile, the package `name` is not installed, unless it has been imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
