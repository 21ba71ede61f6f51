"""Routers that are registered once, and remember their routes.

Litestar registers a deep copy of each router, so that it can be registered twice, makes the map of a router's routes
anew for each path that is registered, and gives each path a handler for OPTIONS. With hundreds of paths that would be
most of the work.
"""

from itertools import zip_longest
from typing import Any

import litestar.router
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute


class _Remembering(litestar.Router):
    """A router that remembers the map of its routes."""

    _map: dict[str, Any] | None = None
    _mapped: list[BaseRoute]

    @property
    def route_handler_method_map(self) -> dict[str, Any]:
        """The handler of each method, or kind of connection, by path."""
        if self._map is None:
            self._map, self._mapped = {}, []
        for route, mapped in zip_longest(self.routes, self._mapped):
            if route is not mapped:  # it is new, or in place of one with the same path
                self._map.setdefault(route.path, {}).update(_handlers_of(route))
        self._mapped = list(self.routes)
        return self._map


class Router(_Remembering):
    """A router that is made for one app."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Router":
        return self


class App(_Remembering, litestar.Litestar):
    """The application."""


def _handlers_of(route: BaseRoute) -> dict[str, Any]:
    if isinstance(route, HTTPRoute):
        return {method: handler for handler in route.route_handlers for method in handler.http_methods}
    assert isinstance(route, (ASGIRoute, WebSocketRoute))
    return {"asgi" if isinstance(route, ASGIRoute) else "websocket": route.route_handler}


class _Route(HTTPRoute):
    """A route without a handler for OPTIONS, which app/web/methods.py answers for all of them."""

    def __init__(self, *, path: str, route_handlers: list[HTTPRouteHandler]) -> None:
        self.route_handlers = route_handlers
        self.route_handler_map = {}
        BaseRoute.__init__(
            self,
            methods=[method for handler in route_handlers for method in handler.http_methods],
            path=path,
            scope_type=ScopeType.HTTP,
            handler_names=[handler.handler_name for handler in route_handlers],
        )


# Litestar has no setting for it.
litestar.router.HTTPRoute = _Route  # type: ignore[attr-defined]
