"""Routers that are registered once, and remember their routes.

Litestar registers a deep copy of each router, so that it can be registered twice, makes the map of a router's routes
anew for each path that is registered, and reads the signature of the same function, which answers OPTIONS, for each.
With hundreds of paths that would be most of the work.
"""

from copy import copy
from itertools import zip_longest
from typing import Any

import litestar
from litestar import MediaType, Response
from litestar.handlers import HTTPRouteHandler
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import Scope


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


def _allowed(scope: Scope) -> Response[None]:
    """The answer to OPTIONS, on every path that has no other."""
    of_path = [route for route in scope["litestar_app"].routes if route.path_format == scope["path_template"]]
    methods = {method for route in of_path for method in getattr(route, "methods", ())}
    return Response(None, status_code=204, headers={"Allow": ", ".join(sorted(methods))}, media_type=MediaType.TEXT)


_OPTIONS = HTTPRouteHandler("/", http_method=["OPTIONS"], include_in_schema=False, sync_to_thread=False)(_allowed)
assert _OPTIONS.parsed_fn_signature, "its copies have it too"


def _options_of_path(_: HTTPRoute, path: str) -> HTTPRouteHandler:
    handler = copy(_OPTIONS)
    handler.paths = {path}
    return handler


# Litestar has no setting for it. Its types say that a method isn't assigned, and name the route `self`.
HTTPRoute.create_options_handler = _options_of_path  # type: ignore[method-assign, assignment]
