"""Messages that the next page shows once, in a signed cookie."""

from typing import Any

import msgspec
from itsdangerous import BadData, URLSafeTimedSerializer
from litestar import Request

from app.core.crypto import derive_key
from app.identity import cookies
from app.identity.nav import Tone

MAX_LENGTH = 500

MAX_AGE_S = 300
"""Older messages are not shown: they would confuse."""


class Flash(msgspec.Struct, frozen=True):
    """A message that the next page shows once, with a link to what it is about; empty where there is none."""

    text: str
    tone: Tone
    link: str = ""
    href: str = ""


class Flashes:
    """Sends and reads the messages of one deployment."""

    def __init__(self, link_secret: bytes) -> None:
        self._serializer = URLSafeTimedSerializer(derive_key(link_secret, "flash"), salt="flash")

    def put(self, request: Request[Any, Any, Any], text: str, tone: Tone, *, link: str = "", href: str = "") -> None:
        """Send a message with the answer to `request`, for the next page. `link` are the words of the path `href`."""
        flash = Flash(text[:MAX_LENGTH], tone, link, href)
        cookies.put(request, cookies.FLASH, self._serializer.dumps(msgspec.to_builtins(flash)))

    def take(self, request: Request[Any, Any, Any]) -> Flash | None:
        """Return and delete the message that the last answer sent for this page.

        A request of htmx for a part of a page leaves it for the next whole page.
        """
        sent = request.cookies.get(cookies.FLASH)
        if not sent or ("hx-request" in request.headers and "hx-boosted" not in request.headers):
            return None
        cookies.drop(request, cookies.FLASH)
        try:
            return msgspec.convert(self._serializer.loads(sent, max_age=MAX_AGE_S), Flash)
        except (BadData, msgspec.ValidationError):
            return None
