"""The one-use key of a form, and the token that carries it.

Each form of a page has a hidden token, `<key>.<mac>`. The key makes two submissions of one form the same request
(accounts/form_uses.py). The MAC binds it to the session for which the page was made, or to the visit token of a browser
in which nobody is signed in.

A page whose form could do the same thing twice has the key in its URL (`?form=…`). Going back to it or reloading it
shows the same form; opening it from a link creates a new one. This needs no script.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Request

from app.core import ids
from app.core.crypto import derive_key, hmac_sha256, same

PARAMETER = "form"
"""The name of the key in a page's URL."""

KEY_BYTES = 16
"""Long enough that nobody can guess another page's key and no two are equal."""

_KEY = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", re.ASCII)


def new_key() -> str:
    """A new key."""
    return ids.random_bytes(KEY_BYTES).hex()


def key_in_address(request: Request[Any, Any, Any]) -> str | None:
    """The key in the URL of a page, if there is a well-formed one."""
    key = request.query_params.get(PARAMETER, "")
    return key if _KEY.fullmatch(key) else None


def address_with_key(request: Request[Any, Any, Any], key: str) -> str:
    """The URL of the requested page, with a key in it."""
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    kept = [(name, value) for name, value in query if name != PARAMETER]
    return f"{quote(request.scope['path'], safe='/@:')}?{urlencode([*kept, (PARAMETER, key)])}"


class FormTokens:
    """Makes and opens the tokens of one deployment's forms."""

    def __init__(self, link_secret: bytes) -> None:
        self._mac_key = derive_key(link_secret, "csrf")

    def make(self, key: str, bound_to: str) -> str:
        """The token of a form with this key, for the session or visit that `bound_to` names."""
        return f"{key}.{hmac_sha256(self._mac_key, f'{bound_to}:{key}'.encode()).hex()}"

    def open(self, token: str, bound_to: str) -> str | None:
        """The key of a token; None for a token of another session or visit, or a forged one."""
        key = token.partition(".")[0]
        if not _KEY.fullmatch(key):
            return None
        is_ours = same(token.encode("utf-8", "replace"), self.make(key, bound_to).encode())
        return key if is_ours else None
