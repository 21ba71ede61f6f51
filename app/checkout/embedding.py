"""The checkout page in a frame of the merchant's page: who may frame it, and the script that opens it there.

The page is framed only where `?embed` asks for it and the merchant lists origins. Every other page and answer keeps
`X-Frame-Options: DENY` (app/web/headers.py). docs/embedding.md is the merchant's guide.
"""

from datetime import timedelta
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.core import resources
from app.web.pages import COMPRESSED

QUERY = "embed"

SCRIPT_PATH = "/embed.js"
"""Merchants write it into their pages: it never changes."""

SCRIPT_HEADERS = {
    "Cache-Control": f"public, max-age={timedelta(hours=1) // timedelta(seconds=1)}",
    # Other origins may run it; without this a browser refuses (app/web/headers.py).
    "Cross-Origin-Resource-Policy": "cross-origin",
}


def is_asked(request: Request[Any, Any, Any]) -> bool:
    """Whether a request asks for the page in a frame."""
    return bool(request.scope["query_string"]) and QUERY in request.query_params


def script() -> HTTPRouteHandler:
    """The route of the script."""
    body = (resources.STATIC / "js/embed.js").read_bytes()

    @get(SCRIPT_PATH, include_in_schema=False, sync_to_thread=False, middleware=[COMPRESSED])
    def embed_js() -> Response[bytes]:
        return Response(body, media_type="text/javascript", headers=SCRIPT_HEADERS)

    return embed_js
