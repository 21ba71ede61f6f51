"""Routes that forms are sent to.

Each declares in one place what it does and which code it requires (`form_post`); the app doesn't start with a route
that changes something and declares nothing. A form of a signed-in person is carried out once: its key is claimed
before the handler runs, and a second submission gets the redirect of the first one (accounts/form_uses.py).
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import wraps
from typing import Any, cast

import msgspec
from litestar import Response, post
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute

from app.accounts import form_uses
from app.accounts.form_uses import FormUse
from app.accounts.kept_forms import Owner
from app.core.waiting import DatabaseUnavailable
from app.identity import form_keys
from app.identity.checking import checked_field, is_check
from app.identity.forms import Form
from app.identity.identity import Identity, PageRequest, known_visitor
from app.identity.keeping import OWN

Handler = Callable[..., Awaitable[Response[Any]]]

Check = Callable[[PageRequest, Form], Awaitable[Any]]
"""Reads a form's fields and records what is wrong with them. It changes nothing, and takes path parameters from the
request."""

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))

SENT_BEFORE = "You have sent this form before. It was carried out once; this is the result."
"""Shown on the page that the first submission redirected to."""

EVERY_PAGE = "*"
"""The page of a form that is on every page, such as signing out."""

_DECLARED = "form"
_HAS_KEY = "form_key_in_address"

KEY_IN_ADDRESS: dict[str, Any] = {_HAS_KEY: True}
"""For a page's `opt`: its forms are sent to other URLs, and could do the same thing again after going back.

A page with the same URL as its form has the key there without this option. A page whose forms change a state,
such as cancelling, needs none: after going back it shows the new state, and no such form."""


class StepUp(Enum):
    """Which code a route requires of people who have an authenticator."""

    FRESH_CODE = "a code of the last ten minutes"
    CODE_EACH_TIME = "a code with each form"


class NoStepUp(msgspec.Struct, frozen=True):
    """No code is needed, and why."""

    reason: str


class FormDeclaration(msgspec.Struct, frozen=True):
    """The declaration of a route. `page` is the path of the page with its form, below the same base; None for the
    route's own path. `name` is which of that page's forms it is, where the page shows it again with its errors; None
    where it is a button, and its answer asks for what is missing. `carries` are fields that the page's URL has as well.
    `check` goes through the form's fields and
    records their errors; pages call it for a field that was left (checking.py)."""

    does: str
    step_up: StepUp | NoStepUp
    path: str
    page: str | None
    carries: tuple[str, ...] = ()
    check: Check | None = None
    name: str | None = OWN


class UntrueDeclaration(RuntimeError):
    """A handler required a code where its route declares none, or the other way round."""


def form_post(
    path: str,
    *,
    does: str,
    step_up: StepUp | NoStepUp,
    page: str | None = None,
    carries: tuple[str, ...] = (),
    check: Check | None = None,
    shown_as: str | None = None,
    opt: Mapping[str, Any] | None = None,
) -> Callable[[Handler], HTTPRouteHandler]:
    """Like Litestar's `post`, for a form of ours. `does` is a verb with its object, for the page that asks for a code
    and for docs/step-up.md; `page` is the path of the page with the form, if not `path`: one that shows a
    refused form again has it under the name `shown_as` (keeping.py). The rest as in `FormDeclaration`."""
    name = OWN if page is None else shown_as
    declaration = FormDeclaration(does, step_up, path, page, carries, check, name)

    def declare(handler: Handler) -> HTTPRouteHandler:
        return post(path, opt={**(opt or {}), _DECLARED: declaration})(_carried_out_once(handler, declaration))

    return declare


def declaration_of(handler: Any) -> FormDeclaration | None:
    """The declaration of a route, if it takes a form."""
    found: FormDeclaration | None = handler.opt.get(_DECLARED)
    return found


def declared(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, FormDeclaration]]:
    """The URL pattern and the declaration of every route that a form is sent to."""
    for route in routes:
        for handler in getattr(route, "route_handlers", ()):
            declaration = declaration_of(handler)
            if declaration is not None:
                yield route.path, declaration


def page_of(address: str, declaration: FormDeclaration) -> str:
    """The URL pattern of the page with the form that is sent to `address`."""
    if declaration.page is None:
        return address
    return (address.removesuffix(declaration.path.rstrip("/")) + declaration.page).rstrip("/") or "/"


def refuse_undeclared(routes: Iterable[BaseRoute]) -> None:
    """Raise ImproperlyConfiguredException for a route that changes something and declares nothing, or that names a
    page that doesn't exist."""
    routes = list(routes)
    for route in routes:
        for handler in getattr(route, "route_handlers", ()):
            if handler.http_methods - SAFE_METHODS and declaration_of(handler) is None:
                raise ImproperlyConfiguredException(f"{route.path}: {handler} does not declare which code it requires")
    pages = {route.path for route in routes if "GET" in getattr(route, "methods", ())}
    for address, declaration in declared(routes):
        page = page_of(address, declaration)
        if declaration.page != EVERY_PAGE and page not in pages:
            raise ImproperlyConfiguredException(f"{address}: there is no page {page} with its form")


class AddressesWithKeys:
    """Redirects pages to a URL with the key of their forms: a router's hook, which runs after the guards."""

    def __init__(self) -> None:
        self._pages: frozenset[str] = frozenset()

    def know(self, routes: Iterable[BaseRoute]) -> None:
        """Set the router's routes. Pages with the same URL as their form get keys."""
        own = (address for address, declaration in declared(routes) if declaration.page is None)
        self._pages = frozenset(_without_types(address) for address in own)

    async def __call__(self, request: PageRequest) -> Response[Any] | None:
        """A redirect to the same page with a key, where it has none; else None."""
        has_key = request.scope["path_template"] in self._pages or request.route_handler.opt.get(_HAS_KEY)
        if request.method not in ("GET", "HEAD") or not has_key or form_keys.key_in_address(request):
            return None
        address = form_keys.address_with_key(request, form_keys.new_key())
        return Response(b"", status_code=303, headers={"Location": address}, media_type="text/plain")


def put_identity(request: PageRequest, identity: Identity) -> None:
    """Store the Identity for the routes behind a guard."""
    request.scope["state"]["identity"] = identity


def page_with_form(request: PageRequest, declaration: FormDeclaration) -> str:
    """The URL path of the page with the form that this request submits."""

    def filled(pattern: str) -> str:
        return re.sub(r"\{(\w+):\w+\}", lambda found: str(request.path_params[found[1]]), pattern)

    address: str = request.scope["path"]
    page = address.removesuffix(filled(declaration.path)) + filled(declaration.page or declaration.path)
    return page.rstrip("/") or "/"


def _carried_out_once(handler: Handler, declaration: FormDeclaration) -> Handler:
    @wraps(handler)
    async def once(**given: Any) -> Response[Any]:
        request: PageRequest = given["request"]
        identity = cast(Identity, request.scope["state"]["identity"])
        if is_check(request):
            return await checked_field(request, identity, declaration.check)
        visitor = known_visitor(request)
        if visitor is None:  # one-time links and throttles limit what forms without a session do
            owner = Owner.of_visit(identity.visit(request))
            return await _or_shown_again(request, identity, declaration, owner, await handler(**given))
        session_id, address = visitor.session.id, request.scope["path"]
        use = FormUse.of(account_id=visitor.account_id, address=address, key=identity.form_key(request))
        led_to = await form_uses.begin(use, session_id)
        if led_to is not None:
            return identity.redirect(request, led_to, flash=SENT_BEFORE, tone="neutral")
        try:
            answer = await handler(**given)
        except DatabaseUnavailable:  # a COMMIT without an answer may have succeeded: the key stays claimed
            raise
        except Exception:  # not a cancellation: then it is unknown what was done
            await form_uses.release(use)
            raise
        state = request.scope["state"]
        owner = Owner.of_session(session_id)
        if answer.status_code != 303 or state.get("nothing_done"):
            await form_uses.release(use)
            return await _or_shown_again(request, identity, declaration, owner, answer)
        secret: str | None = state.get("shown_once")
        await form_uses.finish(use, answer.headers["Location"], secret, identity.services.settings.data_keys)
        if state.get("code_asked", False) is not (declaration.step_up is StepUp.FRESH_CODE):
            raise UntrueDeclaration(f"{declaration.does}: its code check differs from its route's declaration")
        return await _or_shown_again(request, identity, declaration, owner, answer)

    return once


async def _or_shown_again(
    request: PageRequest, identity: Identity, declaration: FormDeclaration, owner: Owner, answer: Response[Any]
) -> Response[Any]:
    """The answer; for a form that was refused, a redirect to its page, which shows it with its errors.

    htmx gets the page itself: it makes no entry in the browser's history. So does a button on another page: its answer
    asks for what is missing."""
    if declaration.name is None:
        return answer
    page, key = page_with_form(request, declaration), identity.form_key(request)
    if answer.status_code == 422:
        to_page = await identity.keeping.keep_refused(request, owner, page, key, declaration.carries)
        return answer if to_page is None or "hx-request" in request.headers else to_page
    if answer.status_code == 303:
        await identity.keeping.forget(request, owner, page, key)
    return answer


def _without_types(pattern: str) -> str:
    """`/x/{id}` of `/x/{id:str}`, as a request's scope has it."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", pattern)
