"""Litestar's preparation of handlers, at the first request to each one instead of for every app that is made.

An app has six hundred handlers, and preparing them takes half of what an app costs; most tests make an app, and ask a
few of them. A handler that can't be prepared is found by the tests whose web process is one of its own, which prepares
all of them at its start (tests/checkout/running.py, tests/install).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.utils.signature import ParsedSignature

from tests.signatures import SignaturesReadOnce

_prepare = HTTPRouteHandler.on_registration
_route_map: Any = Router.route_handler_method_map


@contextmanager
def prepared_when_called() -> Iterator[None]:
    """Inside, apps are made so; and what was read of a function's signature is used again (tests/signatures.py)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ParsedSignature, "from_fn", SignaturesReadOnce())
        patch.setattr(HTTPRouteHandler, "on_registration", _on_registration)
        patch.setattr(HTTPRoute, "create_handler_map", _create_handler_map)
        patch.setattr(Router, "route_handler_method_map", property(_RouteMap))
        yield


def _on_registration(handler: HTTPRouteHandler, app: Litestar) -> None:
    """Guards read a handler's options before it is called. An app that describes its handlers needs them prepared."""
    if app.openapi_config is not None:
        _prepare(handler, app)
    else:
        handler.resolve_opts()


def _create_handler_map(route: HTTPRoute) -> None:
    route.route_handler_map = _HandlerMap(route)


class _HandlerMap(dict[Any, Any]):
    """A route's handlers by method, each with the model of its arguments, which is made when it is called."""

    def __init__(self, route: HTTPRoute) -> None:
        super().__init__(
            (method, (handler, None)) for handler in route.route_handlers for method in handler.http_methods
        )
        self._route = route

    def __getitem__(self, method: Any) -> Any:
        handler, model = super().__getitem__(method)
        if model is None:
            _prepare(handler, handler.app)
            model = handler.create_kwargs_model(path_parameters=self._route.path_parameters)
            self[method] = handler, model
        return handler, model


class _RouteMap:
    """A router's routes by path. Litestar makes the whole map for each handler that it adds, to look up one path."""

    def __init__(self, router: Router) -> None:
        self._routes = router.routes

    def get(self, path: str, default: Any) -> Any:
        return _mapped([route for route in self._routes if route.path == path]).get(path, default)

    def items(self) -> Any:
        return _mapped(self._routes).items()


def _mapped(routes: Any) -> Any:
    return _route_map.fget(SimpleNamespace(routes=routes))
