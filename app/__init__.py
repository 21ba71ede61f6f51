"""Swap Pay: docs/architecture.md is the map."""

import sys

# To httpx its own command is then not installed. Nobody here runs it, and its import brings Rich and Pygments.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
