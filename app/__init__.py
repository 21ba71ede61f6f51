"""Swap Pay: docs/architecture.md is the map."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# To httpx its own command is then not installed. Nobody here runs it, and its import brings Rich and Pygments.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def _put_off(name: str) -> None:
    """Let whoever imports a module get an empty one, which loads it when something of it is used."""

    def loaded(attribute: str) -> Any:
        if sys.modules.get(name) is empty:
            del sys.modules[name]
        return getattr(import_module(name), attribute)

    empty = ModuleType(name)
    empty.__dict__["__getattr__"] = loaded
    sys.modules.setdefault(name, empty)


# What libraries import for what is never done here: a debugger and YAML for Litestar, tokens for redis, files of
# services for asyncpg.
for _name in ("pdb", "yaml", "jwt", "configparser"):
    _put_off(_name)

# Web processes rarely ask a node.
_put_off("httpx")
