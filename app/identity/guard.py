"""Access: routers for signed-in people, for operators, and for visitors without a session.

The guard is on the router, so no handler below can forget it.
"""

from collections.abc import Sequence
from typing import Any, cast

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ExceptionHandlersMap

from app.accounts.credentials import Outdated
from app.core.errors import ApiError, Code
from app.identity.form_routes import (
    SAFE_METHODS,
    AddressesWithKeys,
    declaration_of,
    page_with_form,
    put_identity,
    refuse_undeclared,
)
from app.identity.forms import FormRefused
from app.identity.identity import ForeignForm, Identity, PageRequest, SignedOut, known_visitor, sign_in_path, visitor_of
from app.web.errors import ErrorView, exception_handlers
from app.web.pages import HTML
from app.web.routing import Router

__all__ = ["known_visitor", "operator_router", "signed_in_router", "signed_out_router", "visitor_of"]

MAX_FORM_BYTES = 1024 * 1024
"""Enough for forms and logos. A router with larger files sets its own limit."""

NO_STORE = {"Cache-Control": "no-store"}

OUT_OF_DATE = (
    "this form was out of date, or not sent from this site. Go back, load the page again and send it once more. "
    "If that doesn’t help, allow cookies for this site"
)


class CodesMissing(Exception):
    """The operator has no two-step verification, and so can't act."""


def signed_in_router(
    path: str, handlers: Sequence[Any], identity: Identity, *, max_body_bytes: int = MAX_FORM_BYTES
) -> Router:
    """Routes for signed-in people; others are redirected to sign in. Forms must belong to the session."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        await _authenticate(identity, cast(PageRequest, connection))

    return _signed_in(path, handlers, identity, guard, max_body_bytes)


def operator_router(
    path: str, handlers: Sequence[Any], identity: Identity, *, max_body_bytes: int = MAX_FORM_BYTES
) -> Router:
    """Routes for operators: others get 404. An operator without two-step verification is sent to set it up."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        request = cast(PageRequest, connection)
        await _authenticate(identity, request)
        session = visitor_of(request).session
        if not session.is_operator:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        if not session.has_second_step:
            raise CodesMissing

    return _signed_in(path, handlers, identity, guard, max_body_bytes)


def signed_out_router(path: str, handlers: Sequence[Any], identity: Identity) -> Router:
    """Routes that need no session: forms must come from a page of ours that was made for this browser."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        request = cast(PageRequest, connection)
        if request.method not in SAFE_METHODS:
            await identity.require_own_form(request)

    return _router(path, handlers, identity, guard, MAX_FORM_BYTES)


async def _authenticate(identity: Identity, request: PageRequest) -> None:
    if await identity.recognise(request) is None:
        raise SignedOut
    put_identity(request, identity)
    if request.method not in SAFE_METHODS:
        await identity.require_own_form(request)


def _signed_in(path: str, handlers: Sequence[Any], identity: Identity, guard: Any, max_body_bytes: int) -> Router:
    """A router whose forms are carried out once: their pages have the key in their URL."""
    addresses = AddressesWithKeys()
    router = _router(path, handlers, identity, guard, max_body_bytes, before_request=addresses)
    addresses.know(router.routes)
    return router


def _router(
    path: str, handlers: Sequence[Any], identity: Identity, guard: Any, max_body_bytes: int, before_request: Any = None
) -> Router:
    """Raises ImproperlyConfiguredException for a form whose route doesn't declare its step-up."""
    router = Router(
        path,
        route_handlers=handlers,
        guards=[guard],
        before_request=before_request,
        exception_handlers=_handlers(identity),
        request_max_body_size=max_body_bytes,
        include_in_schema=False,
    )
    refuse_undeclared(router.routes)
    return router


def _handlers(identity: Identity) -> ExceptionHandlersMap:
    """The answers to errors below our routers: a redirect to sign in, or an error page."""

    def signed_out(request: Request[Any, Any, Any], _: Exception) -> Response[Any]:
        target = sign_in_path(request)
        if "hx-request" in request.headers:  # htmx would put the sign-in page into a part of this one
            return Response(b"", status_code=401, headers={"HX-Redirect": "/sign-in"}, media_type="text/plain")
        return identity.redirect(request, target)

    def in_words(request: PageRequest, status: int, code: str, words: str) -> Response[Any]:
        request_id = request.scope["state"].get("request_id", "")
        view = ErrorView(status=status, code=code, message=words, request_id=request_id)
        return Response(identity.error_page(request, view), status_code=status, media_type=HTML, headers=NO_STORE)

    def foreign_form(request: Request[Any, Any, Any], _: Exception) -> Response[Any]:
        return in_words(request, 403, "FORBIDDEN", OUT_OF_DATE)

    def form_refused(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        """A form that its own page doesn't show again: where only the code is missing, a page asks for it."""
        form = cast(FormRefused, error).form
        declaration = declaration_of(request.route_handler)
        if declaration is None or set(form.errors) != {"code"}:
            return in_words(request, 422, Code.INVALID_INPUT, "; ".join(form.errors.values()))
        context = {
            "does": declaration.does,
            "action": request.scope["path"],
            "sent": form.fields(),
            "back": page_with_form(request, declaration),
        }
        return identity.refused(request, form, "identity/confirm_code.html", context)

    def codes_missing(request: Request[Any, Any, Any], _: Exception) -> Response[Any]:
        words = "Set an authenticator app up first: operators act with two-step verification only."
        return identity.redirect(request, "/account/security/authenticator", flash=words, tone="caution")

    return {
        **exception_handlers(identity.error_page),
        SignedOut: signed_out,
        Outdated: signed_out,
        ForeignForm: foreign_form,
        FormRefused: form_refused,
        CodesMissing: codes_missing,
    }
