"""Whether a form was sent from a page of our own, by headers that browsers set and other sites' pages can't change."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Request

from app.core.errors import ApiError, Code


def is_same_origin(request: Request[Any, Any, Any], public_url: str) -> bool:
    """Whether a page at `public_url` sent this request.

    `Sec-Fetch-Site` decides. Browsers without it send `Origin`, which must be ours; "null" or no header is refused.
    """
    fetch_site = request.headers.get("sec-fetch-site")
    if fetch_site is not None:
        return fetch_site == "same-origin"
    parts = urlsplit(public_url)
    return request.headers.get("origin") == f"{parts.scheme}://{parts.netloc}"


def require_same_origin(request: Request[Any, Any, Any], public_url: str) -> None:
    """Raise NOT_FOUND unless a page at `public_url` sent this request."""
    if not is_same_origin(request, public_url):
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
