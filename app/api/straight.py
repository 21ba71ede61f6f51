"""Requests of the merchant API go straight to their guard, past the layers that Litestar has around each handler.

Litestar finds the route, with its parameters, and describes the API. What it does besides (layers for errors, resolved
for each request; hooks; a check of the host, which app/web/strict_http.py has made) costs as much as finding the key.
What is raised here is answered by the edge (app/web/edge.py), in the same form. Requests for which there is no route or
no method go Litestar's way, and so does everything that is not the API's.
"""

from typing import Any

from litestar import Litestar
from litestar.exceptions import HTTPException

from app.api.guard import KeyGuard
from app.web.headers import API_PREFIX


class StraightApi:
    """An ASGI layer around the app, inside the edge."""

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._find = app.asgi_router.handle_routing

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection. Raises what the guard and the handler raise."""
        if scope["type"] == "http" and scope["path"].startswith(API_PREFIX):
            try:
                guard, handler, _, parameters, template = self._find(path=scope["path"], method=scope["method"])
            except HTTPException:  # Litestar says what is wrong
                guard = None
            if isinstance(guard, KeyGuard):
                scope["app"] = scope["litestar_app"] = self._app
                scope["path_params"], scope["path_template"], scope["route_handler"] = parameters, template, handler
                await guard(scope, receive, send)
                return
        await self._app(scope, receive, send)
