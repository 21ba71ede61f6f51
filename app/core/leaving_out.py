"""Imports of packages without what they use where it is installed, and we don't."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


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


class _NoModel:
    """In place of the model that eth_utils makes with Pydantic, for eth_account alone."""

    def __init_subclass__(cls, **options: object) -> None:
        raise ImportError("eth_account was left out: this process doesn't sign")


def leave_out_signing_models() -> None:
    """Let eth_utils, which eth_abi imports, be imported without Pydantic: 7 of 12 MB. For processes that don't sign:
    eth_account can't be imported any more."""
    without = ModuleType("eth_utils.pydantic")
    without.__dict__["CamelModel"] = _NoModel
    sys.modules.setdefault(without.__name__, without)
