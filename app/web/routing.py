"""Routers that are registered once."""

from typing import Any

import litestar


class Router(litestar.Router):
    """Litestar's router, without the copy.

    Litestar registers a deep copy of a router, so that it can be registered twice. Ours are made for one app each,
    and copying their handlers would take two fifths of the start.
    """

    def __deepcopy__(self, memo: dict[int, Any]) -> "Router":
        return self
