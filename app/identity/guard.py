"""Access: routers for signed-in people, for operators, and for visitors without a session.

The guard is on the router, so no handler below can forget it.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ExceptionHandlersMap

from app.accounts.credentials import Outdated
from app.accounts.kept_forms import Owner
from app.core.errors import ApiError, Code
from app.identity import cookies, form_keys, redirects
from app.identity.form_routes import (
    EVERY_PAGE,
    SAFE_METHODS,
    AddressesWithKeys,
    declaration_of,
    page_with_form,
    put_identity,
    refuse_undeclared,
)
from app.identity.forms import CSRF_FIELD, FormRefused
from app.identity.identity import (
    ForeignForm,
    Identity,
    OutdatedForm,
    PageRequest,
    SignedOut,
    known_visitor,
    sign_in_path,
    visitor_of,
)
from app.identity.nav import Nav
from app.identity.targets import SECOND_STEP
from app.web import standby_reads
from app.web.errors import ErrorView, exception_handlers
from app.web.pages import HTML
from app.web.routing import Router
from app.web.same_origin import is_same_origin

__all__ = ["known_visitor", "operator_router", "signed_in_router", "signed_out_router", "visitor_of"]

MAX_FORM_BYTES = 1024 * 1024
"""Enough for forms and logos. A router with larger files sets its own limit."""

NO_STORE = {"Cache-Control": "no-store"}

OUT_OF_DATE = (
    "this form was out of date, or not sent from this site. Go back, load the page again and send it once more. "
    "If that doesn’t help, allow cookies for this site"
)


NavOf = Callable[[PageRequest], Nav]
"""The navigation around an error page, which must not need the database. Without one the page stands alone."""
SIGNED_OUT = "You were signed out meanwhile, so nothing was sent. Sign in and try again."

SIGNED_OUT_KEPT = (
    "You were signed out meanwhile, so nothing was sent. Your input is kept for half an hour: sign in, and the form is "
    "shown as you filled it in."
)


class FormShownAgain(Exception):
    """The form is of an earlier session of the same account. `page` shows it as it was filled in."""

    def __init__(self, page: str) -> None:
        super().__init__("the form is of an earlier session")
        self.page = page


class CodesMissing(Exception):
    """The operator has no two-step verification, and so can't act."""


def signed_in_router(
    path: str,
    handlers: Sequence[Any],
    identity: Identity,
    nav: NavOf | None = None,
    *,
    max_body_bytes: int = MAX_FORM_BYTES,
) -> Router:
    """Routes for signed-in people; others are redirected to sign in. Forms must belong to the session."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        await _authenticate(identity, cast(PageRequest, connection), handler)

    return _signed_in(path, handlers, identity, guard, nav, max_body_bytes)


def operator_router(
    path: str,
    handlers: Sequence[Any],
    identity: Identity,
    nav: NavOf | None = None,
    *,
    max_body_bytes: int = MAX_FORM_BYTES,
) -> Router:
    """Routes for operators: others get 404. An operator without two-step verification is sent to set it up."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        request = cast(PageRequest, connection)
        await _authenticate(identity, request, handler)
        session = visitor_of(request).session
        if not session.is_operator:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        if not session.has_second_step:
            raise CodesMissing
        standby_reads.allow_visitor(request, handler.opt)

    return _signed_in(path, handlers, identity, guard, nav, max_body_bytes)


def signed_out_router(path: str, handlers: Sequence[Any], identity: Identity) -> Router:
    """Routes that need no session: forms must come from a page of ours that was made for this browser."""

    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        request = cast(PageRequest, connection)
        put_identity(request, identity)
        if request.method not in SAFE_METHODS:
            await identity.require_own_form(request)
        visit = request.cookies.get(cookies.VISIT)
        await _load_kept(identity, request, handler, Owner.of_visit(visit) if visit else None)

    return _router(path, handlers, identity, guard, MAX_FORM_BYTES)


async def _authenticate(identity: Identity, request: PageRequest, handler: BaseRouteHandler) -> None:
    visitor = await identity.recognise(request)
    if visitor is None:
        raise await _signed_out(identity, request, handler)
    put_identity(request, identity)
    owner = Owner.of_session(visitor.session.id)
    if request.method not in SAFE_METHODS:
        try:
            await identity.require_own_form(request)
        except OutdatedForm as outdated:
            page = await _kept_unsent(identity, request, handler, owner, outdated.token)
            raise FormShownAgain(page) if page else ForeignForm("it is of an earlier session") from None
    await _load_kept(identity, request, handler, owner)


async def _load_kept(identity: Identity, request: PageRequest, handler: BaseRouteHandler, owner: Owner | None) -> None:
    """Load what is kept of the form on the requested page, or of the form that was sent."""
    if request.method in SAFE_METHODS:
        page = request.scope["path"].rstrip("/") or "/"
        await identity.keeping.load(request, owner, page, form_keys.key_in_address(request))
        return
    declaration = declaration_of(handler)
    if declaration is not None and declaration.name is not None:
        await identity.keeping.load(request, owner, page_with_form(request, declaration), identity.form_key(request))


async def _signed_out(identity: Identity, request: PageRequest, handler: BaseRouteHandler) -> SignedOut:
    """The reason to sign in first. A form is kept for the account that filled it in, and shown again after that."""
    is_ours = is_same_origin(request, identity.services.settings.public_url)
    if request.method in SAFE_METHODS or "hx-request" in request.headers or not is_ours:
        return SignedOut()
    try:
        form = await identity.read_form(request)
    except ApiError:
        return SignedOut()
    token, owner = form.secret(CSRF_FIELD), Owner.of_visit(identity.visit(request))
    page = await _kept_unsent(identity, request, handler, owner, token)
    if page:
        return SignedOut(page, is_kept=True)
    declaration = declaration_of(handler)
    has_page = declaration is not None and declaration.page not in (None, EVERY_PAGE)
    return SignedOut(page_with_form(request, declaration) if declaration and has_page else "")


async def _kept_unsent(
    identity: Identity, request: PageRequest, handler: BaseRouteHandler, owner: Owner, token: str
) -> str:
    """Keep the form that was sent. Returns the URL of its page; empty where there is nothing to show again."""
    declaration = declaration_of(handler)
    if declaration is None or declaration.name is None:
        return ""
    form, page = await identity.read_form(request), page_with_form(request, declaration)
    return await identity.keeping.keep_unsent(request, owner, form, token, page, declaration.carries, declaration.name)


def _signed_in(
    path: str, handlers: Sequence[Any], identity: Identity, guard: Any, nav: NavOf | None, max_body_bytes: int
) -> Router:
    """A router whose forms are carried out once: their pages have the key in their URL."""
    addresses = AddressesWithKeys()
    router = _router(path, handlers, identity, guard, max_body_bytes, before_request=addresses, nav=nav)
    addresses.know(router.routes)
    return router


def _router(
    path: str,
    handlers: Sequence[Any],
    identity: Identity,
    guard: Any,
    max_body_bytes: int,
    before_request: Any = None,
    nav: NavOf | None = None,
) -> Router:
    """Raises ImproperlyConfiguredException for a form whose route doesn't declare its step-up."""
    router = Router(
        path,
        route_handlers=handlers,
        guards=[guard],
        before_request=before_request,
        exception_handlers=_handlers(identity, nav),
        request_max_body_size=max_body_bytes,
        include_in_schema=False,
    )
    refuse_undeclared(router.routes)
    return router


def _handlers(identity: Identity, nav: NavOf | None) -> ExceptionHandlersMap:
    """The answers to errors below our routers: a redirect to sign in, or an error page, with `nav` around it."""

    def error_page(request: PageRequest, view: ErrorView) -> str:
        return identity.error_page(request, view, nav)

    def signed_out(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        if "hx-request" in request.headers:  # the page asks to sign in again and keeps what was typed (failures.js)
            return Response(b"", status_code=401, media_type="text/plain")
        if request.method in SAFE_METHODS:
            return identity.redirect(request, sign_in_path(request))
        page, is_kept = (error.page, error.is_kept) if isinstance(error, SignedOut) else ("", False)
        target = redirects.with_next("/sign-in", page)
        return identity.redirect(request, target, flash=SIGNED_OUT_KEPT if is_kept else SIGNED_OUT, tone="caution")

    def form_shown_again(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        page = cast(FormShownAgain, error).page
        if "hx-request" in request.headers:
            return Response(b"", status_code=200, headers={"HX-Redirect": page}, media_type="text/plain")
        return Response(b"", status_code=303, headers={"Location": page}, media_type="text/plain")

    def in_words(request: PageRequest, status: int, code: str, words: str) -> Response[Any]:
        request_id = request.scope["state"].get("request_id", "")
        view = ErrorView(status=status, code=code, message=words, request_id=request_id)
        return Response(error_page(request, view), status_code=status, media_type=HTML, headers=NO_STORE)

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
        words = "Set up an authenticator app or a passkey first: operators act with two-step verification only."
        return identity.redirect(request, SECOND_STEP, flash=words, tone="caution")

    return {
        **exception_handlers(error_page),
        SignedOut: signed_out,
        Outdated: signed_out,
        ForeignForm: foreign_form,
        FormRefused: form_refused,
        FormShownAgain: form_shown_again,
        CodesMissing: codes_missing,
    }
