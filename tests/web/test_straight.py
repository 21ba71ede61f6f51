"""Routes whose requests go straight to their handler: whatever else Litestar would do for them must not be missed."""

from litestar.handlers import HTTPRouteHandler

from app.asgi import create_app
from app.core.settings import Settings
from app.web.straight import straight


def test_nothing_is_passed_by_on_a_straight_route(settings: Settings) -> None:
    handlers = {
        path: handler
        for path, method_map in create_app(settings)._app.route_handler_method_map.items()
        for handler in method_map.values()
        if isinstance(handler, HTTPRouteHandler) and straight in handler.resolve_middleware()
    }
    assert set(handlers) == {"/pay/{slug:str}", "/pay/{slug:str}/status", "/pay/{slug:str}/events"}
    for handler in handlers.values():
        assert handler.resolve_middleware()[0] is straight, "the innermost"
        assert not handler.resolve_guards()
        assert not handler.resolve_dependencies()
        assert not handler.resolve_before_request()
        assert handler.http_methods <= {"GET", "HEAD"}
