"""What browsers, search engines and security researchers request from any host: front page, icons, `robots.txt`, and
two of the well-known addresses (RFC 8615)."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.core import clock, resources
from app.core.clock import rfc3339
from app.core.errors import ApiError, Code
from app.core.settings import Settings
from app.core.waiting import DatabaseUnavailable
from app.web.pages import COMPRESSED, Pages

ROBOTS = "User-agent: *\nDisallow: /\n"
"""A payment link gives access to its reader, so no search engine may index it, nor anything else here."""

SECURITY_TXT_PATH = "/.well-known/security.txt"

SECURITY_TXT_LIFE = timedelta(days=90)
"""RFC 9116, section 2.5.5, wants an end less than a year away. The file is made for each request."""

CHANGE_PASSWORD_PATH = "/account/password"  # noqa: S105 - an address
"""The page that password managers open (W3C, "A Well-Known URL for Changing Passwords")."""

ICON_CACHE = {"Cache-Control": f"public, max-age={timedelta(days=1) // timedelta(seconds=1)}"}


Home = Callable[[Request[Any, Any, Any]], Awaitable[str | None]]
"""Where the person who is signed in belongs, None for a stranger."""


def routes(pages: Pages, settings: Settings, home: Home | None = None) -> list[HTTPRouteHandler]:
    """The handlers to mount at the root of the app. `/` leads people who are signed in to `home`."""
    icon = (resources.STATIC / "img/favicon.ico").read_bytes()
    touch_icon = (resources.STATIC / "img/apple-touch-icon.png").read_bytes()
    front_page = {
        "run_by": settings.operator_name or "",
        "run_by_url": settings.operator_url or "",
        "has_security_txt": bool(settings.security_contacts),
    }

    @get("/", include_in_schema=False, middleware=[COMPRESSED])
    async def front(request: Request[Any, Any, Any]) -> Response[Any]:
        with suppress(DatabaseUnavailable):  # strangers' page is there all the same
            if home is not None and (path := await home(request)) is not None:
                return Response(b"", status_code=303, headers={"Location": path}, media_type="text/plain")
        return pages.page("front.html", front_page)

    @get("/favicon.ico", include_in_schema=False, sync_to_thread=False)
    def favicon() -> Response[bytes]:
        return Response(icon, media_type="image/x-icon", headers=ICON_CACHE)

    @get(["/apple-touch-icon.png", "/apple-touch-icon-precomposed.png"], include_in_schema=False, sync_to_thread=False)
    def apple_touch_icon() -> Response[bytes]:
        return Response(touch_icon, media_type="image/png", headers=ICON_CACHE)

    @get("/robots.txt", media_type="text/plain", include_in_schema=False, sync_to_thread=False)
    def robots_txt() -> str:
        return ROBOTS

    @get(SECURITY_TXT_PATH, media_type="text/plain", include_in_schema=False, sync_to_thread=False)
    def security_txt() -> str:
        if not settings.security_contacts:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return security_text(settings, clock.now())

    @get("/.well-known/change-password", include_in_schema=False, sync_to_thread=False)
    def change_password() -> Response[Any]:
        return Response(b"", status_code=303, headers={"Location": CHANGE_PASSWORD_PATH}, media_type="text/plain")

    return [front, favicon, apple_touch_icon, robots_txt, security_txt, change_password]


def security_text(settings: Settings, now: datetime) -> str:
    """The fields of RFC 9116 that a deployment can fill in. It ends at a midnight, so that a day's copies are equal."""
    ends_at = datetime.combine(now.date(), time(), now.tzinfo) + SECURITY_TXT_LIFE
    lines = [
        *(f"Contact: {contact}" for contact in settings.security_contacts),
        f"Expires: {rfc3339(ends_at)}",
        f"Canonical: {settings.public_url}{SECURITY_TXT_PATH}",
    ]
    return "".join(f"{line}\n" for line in lines)
