"""Routes of forms declare which code they require, or the app doesn't start; declarations are true and documented."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar import Litestar, Response, get, post
from litestar.exceptions import ImproperlyConfiguredException

from app.accounts import form_uses
from app.accounts.sessions import FRESH_CODE
from app.asgi import create_app
from app.core import clock, database
from app.core.settings import Settings
from app.identity import sign_in_pages
from app.identity.form_keys import FormTokens
from app.identity.form_routes import NoStepUp, StepUp, declared, form_post
from app.identity.guard import operator_router, signed_in_router, signed_out_router
from app.identity.identity import Identity, PageRequest
from app.web.edge import Edge
from app.web.errors import exception_handlers
from app.web.pages import Pages
from app.web.rate_limits import RateLimiter
from app.wiring import running, wire
from tests.identity.browsing import Browser, an_account, hidden
from tests.identity.conftest import BASE

DOCS = Path(__file__).parents[2] / "docs" / "step-up.md"

UNGUARDED = {"/api": "keys have scopes", "/pay": "the wallet of the sandbox", "/l/": "whoever has the link may pay"}
"""Path prefixes of routes that change something without a form of ours, and what protects each."""


@get("/")
async def page() -> str:
    return ""


@post("/change")
async def undeclared(request: PageRequest) -> Response[Any]:
    raise AssertionError("never called")


@form_post("/change", does="Change it", step_up=StepUp.FRESH_CODE, page="/nowhere")
async def without_page(request: PageRequest) -> Response[Any]:
    raise AssertionError("never called")


@pytest.mark.parametrize("router", [signed_in_router, operator_router, signed_out_router])
@pytest.mark.parametrize("handler", [undeclared, without_page])
def test_the_app_does_not_start_with_an_undeclared_route_or_a_missing_page(
    settings: Settings, router: Any, handler: Any
) -> None:
    identity = Identity(wire(settings), Pages(), RateLimiter())
    with pytest.raises(ImproperlyConfiguredException, match="/cabinet/change"):
        router("/cabinet", [page, handler], identity)


def test_every_route_that_changes_something_is_declared(settings: Settings) -> None:
    app: Litestar = create_app(settings)._app
    declared_addresses = {address for address, _ in declared(app.routes)}
    changing = {route.path for route in app.routes if set(getattr(route, "methods", ())) - {"GET", "HEAD", "OPTIONS"}}
    unsaid = {path for path in changing - declared_addresses if not path.startswith(tuple(UNGUARDED))}
    assert unsaid == set()


@asynccontextmanager
async def signed_in(settings: Settings, forms: Callable[[Identity], list[Any]]) -> AsyncIterator[Browser]:
    """A signed-in browser on a cabinet with a start page and these forms alone."""
    async with running(wire(settings)) as services:
        pages = Pages()
        identity = Identity(services, pages, RateLimiter())

        @get("/")
        async def shown(request: PageRequest) -> Response[Any]:
            token = identity.csrf_token(request)
            return Response(f'<input type="hidden" name="csrf_token" value="{token}">', media_type="text/html")

        routers = [*sign_in_pages.routers(identity), signed_in_router("/cabinet", [shown, *forms(identity)], identity)]
        app = Litestar(
            routers, exception_handlers=exception_handlers(pages.error), openapi_config=None, logging_config=None
        )
        transport = httpx.ASGITransport(app=Edge(app, settings), raise_app_exceptions=False, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            browser = Browser(client)
            await browser.sign_in(await an_account(settings))
            yield browser


async def test_a_wrong_declaration_is_an_error(settings: Settings, steady_clock: None) -> None:
    """Such a route fails every test that sends its form."""

    def forms(identity: Identity) -> list[Any]:
        @form_post("/asks", does="Ask", step_up=NoStepUp("so it says"), page="/")
        async def asks(request: PageRequest) -> Response[Any]:
            await identity.require_fresh_code(request, await identity.read_form(request))
            return identity.redirect(request, "/cabinet")

        @form_post("/forgets", does="Forget", step_up=StepUp.FRESH_CODE, page="/")
        async def forgets(request: PageRequest) -> Response[Any]:
            return identity.redirect(request, "/cabinet")

        return [asks, forgets]

    async with signed_in(settings, forms) as browser:
        for path in ("/cabinet/asks", "/cabinet/forgets"):
            assert (await browser.post(path, hidden(await browser.get("/cabinet")))).status_code == 500, path


async def test_after_an_unknown_outcome_the_form_keeps_its_key(settings: Settings, steady_clock: None) -> None:
    """A form sent again is not carried out again; after another kind of error it may be."""
    carried_out = Counter[str]()

    def forms(identity: Identity) -> list[Any]:
        @form_post("/loses", does="Lose the database", step_up=NoStepUp("only a test"), page="/")
        async def loses(request: PageRequest) -> Response[Any]:
            carried_out["loses"] += 1
            await database.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            raise AssertionError("the connection has ended")

        @form_post("/fails", does="Fail", step_up=NoStepUp("only a test"), page="/")
        async def fails(request: PageRequest) -> Response[Any]:
            carried_out["fails"] += 1
            raise RuntimeError("a fault of ours")

        return [loses, fails]

    async with signed_in(settings, forms) as browser:
        fields = hidden(await browser.get("/cabinet"))
        assert (await browser.post("/cabinet/loses", fields)).status_code == 503
        clock.shift(form_uses.LOST_AFTER + timedelta(seconds=1))  # or the second sending would wait for the first
        again = await browser.post("/cabinet/loses", fields)
        assert (again.status_code, "it is not known whether it was carried out" in again.text) == (409, True)
        assert [(await browser.post("/cabinet/fails", fields)).status_code for _ in range(2)] == [500, 500]
        assert carried_out == {"loses": 1, "fails": 2}


def test_a_token_is_valid_for_its_session_only_and_only_unchanged() -> None:
    tokens = FormTokens(b"s" * 32)
    key = "0123456789abcdef" * 2
    token = tokens.make(key, "session:SES-1")
    assert tokens.open(token, "session:SES-1") == key
    other_key = f"{'f' * 32}.{token.split('.')[1]}"
    for wrong in (other_key, token[:-1], token + "0", key, f"{key}.", "", ".", "é", token.upper()):
        assert tokens.open(wrong, "session:SES-1") is None, wrong
    assert tokens.open(token, "session:SES-2") is None
    assert FormTokens(b"t" * 32).open(token, "session:SES-1") is None


def documented(settings: Settings) -> str:
    """The table of docs/step-up.md: every form, in the order of the addresses."""
    lines = ["| to do this | the form goes to | code |", "|---|---|---|"]
    for address, declaration in sorted(declared(create_app(settings)._app.routes), key=lambda one: one[0]):
        need = declaration.step_up
        words = f"none: {need.reason}" if isinstance(need, NoStepUp) else need.value
        lines.append(f"| {declaration.does} | `{re.sub(r':[a-z]+}', '}', address)}` | {words} |")
    return "\n".join(lines) + "\n"


def test_the_docs_list_every_form_and_its_code(settings: Settings) -> None:
    """On a difference put the table that this prints in place of the one in the docs."""
    table = documented(settings)
    print(table)
    assert table in DOCS.read_text()
    assert f"last {FRESH_CODE.seconds // 60} minutes" in DOCS.read_text()
