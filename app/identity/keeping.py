"""Keeps what was typed into a form that was not carried out, and puts it into the form's page again.

A form that was refused leads to its page, which shows it with its errors under the form's key (`?form=…`): the page can
be loaded again, and going back to it sends nothing. A form that was sent after its session had ended leads to signing
in, and from there to its page, filled in and not sent. Passwords, codes and files are never kept
(accounts/kept_forms.py).
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Request, Response

from app.accounts import kept_forms
from app.accounts.kept_forms import KeptForm, Owner
from app.core import clock
from app.core.settings import DataKeys
from app.identity import form_keys
from app.identity.form_keys import FormTokens
from app.identity.forms import Form
from app.web.client_address import site
from app.web.rate_limits import RateLimiter

NEVER_KEPT = ("password", "new_password", "code", "csrf_token", "passkey", "passkey_challenge")
"""Fields that no page shows again."""

MAX_PER_MINUTE = 60
"""Forms that are kept in a minute for one session, or for one client address without a session; more are answered with
their errors alone."""

OWN = "form"
"""The name of a page's form, where it has no other one that is kept."""

NOTE = "note_form"
"""The name of the form that leaves a note on a page that has a form of its own."""

_LOADED, _REFUSED = "kept_form", "refused_form"


class Keeping:
    """Keeps forms. One per process."""

    def __init__(self, keys: DataKeys, tokens: FormTokens, rate_limiter: RateLimiter) -> None:
        self._keys = keys
        self._tokens = tokens
        self._rate_limiter = rate_limiter

    async def load(self, request: Request[Any, Any, Any], owner: Owner | None, address: str, key: str | None) -> None:
        """Find what is kept of the form with this key on the page at this path, for `kept_of` and `fill_again`."""
        if owner is not None and key is not None:
            request.scope["state"][_LOADED] = await kept_forms.find(owner, address, key, self._keys, clock.now())

    async def keep_refused(
        self, request: Request[Any, Any, Any], owner: Owner, page: str, key: str, carries: Sequence[str]
    ) -> Response[Any] | None:
        """Keep the form that the answer to this request shows with its errors, and return the redirect to its page;
        None where it can't be kept. The page's URL has the query with which the form was sent, and the fields that are
        in `carries`."""
        refused: tuple[str, Form] | None = request.scope["state"].get(_REFUSED)
        if refused is None:
            return None
        name, form = refused
        content = KeptForm(**_content(form), address=page, key=key, name=name)
        if not await self._keep("refused", request, owner, content):
            return None
        headers = {"Location": _url(request, page, form, carries, key)}
        return Response(b"", status_code=303, headers=headers, media_type="text/plain")

    async def keep_unsent(
        self,
        request: Request[Any, Any, Any],
        owner: Owner,
        form: Form,
        token: str,
        page: str,
        carries: Sequence[str],
        name: str,
    ) -> str:
        """Keep a form that was sent from an ended session, with the token of that session; `name` is which of the
        page's forms it is. Returns its page's URL; empty where it can't be kept, or has nothing to be kept."""
        key = self._tokens.key_of(token)
        content = KeptForm(**(_content(form) | {"errors": {}, "token": token}), address=page, key=key or "", name=name)
        if key is None or not content.fields or not await self._keep("unsent", request, owner, content):
            return ""
        return _url(request, page, form, carries, key)

    async def forget(self, request: Request[Any, Any, Any], owner: Owner, page: str, key: str) -> None:
        """Delete what is kept of a form that was carried out."""
        if kept_of(request) is not None:
            await kept_forms.forget(owner, page, key)

    async def sign_in(self, visit: str, session_id: str, account_id: str) -> None:
        """Give a browser's kept forms to the session that begins there, if they are this account's."""

        def is_theirs(form: KeptForm) -> bool:
            return self._tokens.is_of_account(form.token, account_id)

        owners = Owner.of_visit(visit), Owner.of_session(session_id)
        await kept_forms.move(*owners, is_theirs, self._keys, clock.now())

    async def follow_visit(self, before: str, after: str) -> None:
        """Give a browser's kept forms to its next visit token."""
        if before and before != after:
            owners = Owner.of_visit(before), Owner.of_visit(after)
            await kept_forms.move(*owners, lambda _: True, self._keys, clock.now())

    async def _keep(self, why: str, request: Request[Any, Any, Any], owner: Owner, form: KeptForm) -> bool:
        who = owner.digest.hex() if owner.is_session else site(request.scope["state"]["client_address"])
        window = await self._rate_limiter.take(f"kept:{why}:{who}", MAX_PER_MINUTE)
        return not window.is_exceeded and await kept_forms.keep(owner, form, self._keys, clock.now())


def kept_of(request: Request[Any, Any, Any]) -> KeptForm | None:
    """What is kept of the form of this request."""
    kept: KeptForm | None = request.scope["state"].get(_LOADED)
    return kept


def is_unsent(request: Request[Any, Any, Any]) -> bool:
    """Whether the form of this request was kept because its session had ended."""
    kept = kept_of(request)
    return kept is not None and not kept.errors


def fill_again(request: Request[Any, Any, Any], form: Form, name: str = OWN) -> None:
    """Put what is kept of a page's form with this name into it."""
    kept = kept_of(request)
    if kept is not None and kept.name == name:
        form.fill_again(kept.fields, kept.errors, kept.proofs)


def note_refused(request: Request[Any, Any, Any], form: Form, name: str = OWN) -> None:
    """Note the form, of this name, that the answer to this request shows with its errors."""
    request.scope["state"][_REFUSED] = (name, form)


def _url(request: Request[Any, Any, Any], page: str, form: Form, carries: Sequence[str], key: str) -> str:
    sent = parse_qsl(request.scope["query_string"].decode("latin-1"))
    query = [(name, value) for name, value in sent if name != form_keys.PARAMETER and name not in carries]
    query += [(name, form.text(name)) for name in carries if form.text(name)]
    return f"{quote(page, safe='/@:')}?{urlencode([*query, (form_keys.PARAMETER, key)])}"


def _content(form: Form) -> dict[str, Any]:
    fields = [(name, value) for name, value in form.fields() if name not in NEVER_KEPT]
    return {"fields": fields, "errors": form.errors, "proofs": form.proofs, "token": ""}
