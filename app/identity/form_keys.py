"""The one-use key of a form, and the token that carries it.

Each form of a page has a hidden token, `<key>.<mac>`, of a signed-in person `<key>.<mac>.<mark>`. The key makes two
submissions of one form the same request (accounts/form_uses.py). The MAC binds it to the session for which the page was
made, or to the visit token of a browser in which nobody is signed in. The mark says of which account that session was:
what is typed into a form whose session has ended is shown to no other account (keeping.py).

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

    def make(self, key: str, bound_to: str, account_id: str | None = None) -> str:
        """The token of a form with this key, for the session or visit that `bound_to` names, and the session's
        account."""
        token = f"{key}.{self._bound(key, bound_to)}"
        return token if account_id is None else f"{token}.{self._mark(key, account_id)}"

    def open(self, token: str, bound_to: str) -> str | None:
        """The key of a token; None for a token of another session or visit, or a forged one."""
        key, _, rest = token.partition(".")
        if not _KEY.fullmatch(key):
            return None
        mac = rest.partition(".")[0]
        is_ours = same(mac.encode("utf-8", "replace"), self._bound(key, bound_to).encode())
        return key if is_ours else None

    def key_of(self, token: str) -> str | None:
        """The key of a token of any session, with a mark; None for other texts."""
        key, *rest = token.split(".")
        return key if _KEY.fullmatch(key) and len(rest) == 2 else None

    def is_of_account(self, token: str, account_id: str) -> bool:
        """Whether a token, of whatever session, was made for a session of this account."""
        key = self.key_of(token)
        if key is None:
            return False
        mark = token.rpartition(".")[2]
        return same(mark.encode("utf-8", "replace"), self._mark(key, account_id).encode())

    def _bound(self, key: str, bound_to: str) -> str:
        return self._mac(f"{bound_to}:{key}")

    def _mark(self, key: str, account_id: str) -> str:
        return self._mac(f"account:{account_id}:{key}")

    def _mac(self, text: str) -> str:
        return hmac_sha256(self._mac_key, text.encode()).hex()
