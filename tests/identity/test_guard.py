"""The guard: forms of other sites, error pages, operators, and headers of every answer."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar, Response, get

from app.core import database
from app.core.errors import ApiError, Code, Forbidden, invalid
from app.core.settings import Settings
from app.identity import sign_in_pages
from app.identity.form_routes import StepUp, form_post
from app.identity.forms import Form, FormRefused
from app.identity.guard import operator_router, signed_in_router
from app.identity.identity import Identity, PageRequest, visitor_of
from app.web.edge import Edge
from app.web.errors import exception_handlers
from app.web.pages import Pages
from app.web.rate_limits import RateLimiter
from app.wiring import running, wire
from tests.identity.browsing import Browser, an_account, hidden

Browsers = Callable[..., Browser]
OWN = {"Sec-Fetch-Site": "same-origin"}


async def test_forms_are_refused_from_elsewhere_and_of_other_sessions(browser: Browsers, settings: Settings) -> None:
    account, other = await an_account(settings), await an_account(settings, "other@example.test")
    mara, stranger = browser(), browser()
    await mara.sign_in(account)
    await stranger.sign_in(other)
    mine = hidden(await mara.get("/account")) | {"name": "Changed"}
    theirs = hidden(await stranger.get("/account")) | {"name": "Changed"}

    async def name() -> Any:
        return await database.fetch_value("SELECT name FROM accounts WHERE id = $1", account.id)

    refused = [
        await mara.client.post("/account", data=theirs, headers=OWN),
        await mara.client.post("/account", data={"name": "Changed"}, headers=OWN),
        await mara.client.post("/account", data=mine | {"csrf_token": "x"}, headers=OWN),
        await mara.client.post("/account", data=mine | {"csrf_token": "é"}, headers=OWN),
        await mara.client.post("/account", data={"name": "Changed"}, headers=OWN | {"X-CSRF-Token": "x"}),
        await mara.client.post("/account", data=mine),
        await mara.client.post("/account", data=mine, headers={"Origin": "null"}),
        await mara.client.post("/account", data=mine, headers={"Origin": "https://evil.example"}),
        await mara.client.post("/account", data=mine, headers={"Origin": "https://pay.example.test.evil.example"}),
        *[
            await mara.client.post("/account", data=mine, headers={"Sec-Fetch-Site": site})
            for site in ("cross-site", "same-site", "none")
        ],
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert "out of date" in refused[0].text
    assert await name() == "Mara Merchant"
    by_header = {"X-CSRF-Token": mine["csrf_token"]}
    for headers, data in (
        (OWN, mine),
        ({"Origin": "https://pay.example.test"}, mine),
        (OWN | by_header, {"name": "Changed"}),
    ):
        assert (await mara.client.post("/account", data=data, headers=headers)).status_code == 303
    assert await name() == "Changed"


async def test_a_token_of_a_form_ends_with_its_session(browser: Browsers, settings: Settings) -> None:
    account, mara = await an_account(settings), browser()
    await mara.sign_in(account)
    before = hidden(await mara.get("/account")) | {"name": "Changed"}
    await mara.send("/sign-out", "/account")
    assert (await mara.post("/account", before)).headers["location"].startswith("/sign-in?next=/account%3Fform%3D")
    await mara.sign_in(account)
    shown = await mara.post("/account", before)
    assert (shown.status_code, shown.request.method) == (200, "GET")
    assert 'value="Changed"' in shown.text  # it is shown again, and not carried out
    assert await database.fetch_value("SELECT name FROM accounts") == "Mara Merchant"


async def test_nobody_signs_another_in_from_elsewhere(browser: Browsers, settings: Settings) -> None:
    account, mara, thief = await an_account(settings), browser(), browser()
    fields = {"email": account.email, "password": account.password}
    thiefs_own = hidden(await thief.get("/sign-in"))
    hers = hidden(await mara.get("/sign-in"))
    for form in (fields, fields | thiefs_own):
        assert (await mara.client.post("/sign-in", data=form, headers=OWN)).status_code == 403
    cross = await mara.client.post("/sign-in", data=fields | hers, headers={"Sec-Fetch-Site": "cross-site"})
    assert cross.status_code == 403
    without_cookies = await browser().client.post("/sign-in", data=fields | hers, headers=OWN)
    assert without_cookies.status_code == 403
    assert mara.session is None


async def test_no_page_is_cached_or_sends_a_referrer(browser: Browsers, settings: Settings) -> None:
    mara = browser()
    await mara.sign_in(await an_account(settings))
    for path in ("/sign-in", "/sign-up", "/account", "/account/security", "/confirm-email?token=x"):
        answer = await mara.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["server"] == "web"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["strict-transport-security"].startswith("max-age=63072000")
        assert " style=" not in answer.text
        assert "<script>" not in answer.text


@pytest.mark.parametrize("body", [b"name=%00", b"name=%ff", b"\xff=1", b"&".join([b"a=1"] * 1001), b"a" * (1 << 20)])
async def test_strange_bodies_are_4xx(browser: Browsers, settings: Settings, body: bytes) -> None:
    mara = browser()
    await mara.sign_in(await an_account(settings))
    headers = OWN | {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await mara.client.post("/account", content=body, headers=headers)).status_code in (400, 403, 413)


@pytest.fixture
async def face(settings: Settings, steady_clock: None) -> AsyncIterator[httpx.AsyncClient]:
    """A router with the guard, like the cabinet and the desk."""
    services = wire(settings)
    async with running(services):
        pages = Pages()
        identity = Identity(services, pages, RateLimiter())

        @get("/who")
        async def who(request: PageRequest) -> Response[str]:
            return Response(visitor_of(request).actor, headers={"Its-Token": identity.csrf_token(request)})

        @form_post("/do/{kind:str}", does="Do it", step_up=StepUp.FRESH_CODE, page="/who")
        async def do(request: PageRequest, kind: str) -> Response[Any]:
            form = await identity.read_form(request)
            await identity.require_fresh_code(request, form)
            with form.catching():
                if kind == "forbidden":
                    raise Forbidden("your role here is viewer")
                if kind == "missing":
                    raise ApiError(Code.NOT_FOUND, "there is nothing here")
                if kind == "broken":
                    raise RuntimeError("a canary in a traceback")
                if kind == "field":
                    raise invalid("amount", "must be positive")
                if kind == "file":
                    file = form.files["logo"]
                    return Response(f"{file.name} {file.media_type} {len(file.data)} {form.many('a')}")
            return identity.redirect(request, "/cabinet/who", flash="Done <b>it</b>")

        app = Litestar(
            route_handlers=[
                *sign_in_pages.routers(identity),
                signed_in_router("/cabinet", [who, do], identity),
                operator_router("/desk", [who], identity),
            ],
            exception_handlers=exception_handlers(pages.error),
            openapi_config=None,
            logging_config=None,
        )
        transport = httpx.ASGITransport(app=Edge(app, settings), raise_app_exceptions=False, client=("192.0.2.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://pay.example.test") as client:
            yield client


async def test_errors_of_a_face_are_pages_with_a_message(
    face: httpx.AsyncClient, settings: Settings, captured_log: Callable[[], str]
) -> None:
    mara = Browser(face)
    await mara.sign_in(await an_account(settings))
    headers = OWN | {"X-CSRF-Token": (await mara.get("/cabinet/who")).headers["its-token"]}

    async def do(kind: str, **more: Any) -> httpx.Response:
        return await face.post(f"/cabinet/do/{kind}", headers=headers, **more)

    for kind, status, words in (
        ("forbidden", 403, "Your role here is viewer."),
        ("missing", 404, "There is nothing here"),
        ("field", 422, "The amount must be positive."),
        ("broken", 500, "It is our fault, not yours"),
    ):
        answer = await do(kind, data={"amount": "canary"})
        assert (answer.status_code, words in answer.text) == (status, True), kind
        assert "canary" not in answer.text
    logged = captured_log()
    assert "a canary in a traceback" in logged
    assert headers["X-CSRF-Token"] not in logged  # nor any other local variable of a frame
    sent = await do("file", data={"a": ["1", "2"]}, files={"logo": ("l.png", b"12345", "image/png")})
    assert sent.text == "l.png image/png 5 ['1', '2']"


async def test_a_flash_is_shown_once_and_only_ours(face: httpx.AsyncClient, settings: Settings) -> None:
    mara = Browser(face)
    await mara.sign_in(await an_account(settings))
    headers = OWN | {"X-CSRF-Token": (await mara.get("/cabinet/who")).headers["its-token"]}
    await face.post("/cabinet/do/plain", headers=headers)
    await face.post("/sign-out", headers=headers)  # its own flash replaces the planted one
    page = (await mara.get("/sign-in")).text
    assert "You are signed out." in page
    assert "You are signed out." not in (await mara.get("/sign-in")).text
    face.cookies.set("__Host-swap_pay_flash", "eyJ0ZXh0IjoiZm9yZ2VkIiwidG9uZSI6InBvc2l0aXZlIn0.aSUvzQ." + "0" * 27)
    assert "forged" not in (await mara.get("/sign-in")).text


async def test_operators_act_with_two_steps_only(face: httpx.AsyncClient, settings: Settings) -> None:
    plain = await an_account(settings, "plain@example.test", is_operator=True)
    mara = Browser(face)
    await mara.sign_in(plain)
    sent = await mara.get("/desk/who")
    assert sent.headers["location"] == "/account/security/second-step"
    face.cookies.clear()
    await mara.sign_in(await an_account(settings, "m@example.test", totp=True))
    assert (await mara.get("/desk/who")).status_code == 404
    assert (await mara.get("/cabinet/who")).status_code == 200
    face.cookies.clear()
    operator = await an_account(settings, "o@example.test", totp=True, is_operator=True)
    await mara.sign_in(operator)
    assert (await mara.get("/desk/who")).text == f"account:{operator.id}"
    face.cookies.clear()
    assert (await mara.get("/desk/who")).headers["location"] == "/sign-in?next=/desk/who"
    within = await mara.get("/desk/who", **{"HX-Request": "true"})
    assert (within.status_code, within.headers.keys() & {"location", "hx-redirect"}) == (401, set())  # the page stays


def test_a_form_keeps_what_was_sent_and_says_what_is_wrong() -> None:
    form = Form.of([("a", " 1 "), ("a", "2"), ("b", "")])
    assert (form.text("a"), form.many("a"), form.text("b", "x"), form.has("b"), form.has("c")) == (
        *("2", [" 1 ", "2"], "x", True, False),
    )
    with pytest.raises(FormRefused), form.catching():
        raise invalid("a", "must be less")
    with pytest.raises(FormRefused), form.catching():
        raise ApiError(Code.INSUFFICIENT_BALANCE, "the balance is too low: 5 USDT")
    assert form.errors == {"a": "This must be less.", "": "The balance is too low: 5 USDT."}
    for error in (Forbidden("no"), ApiError(Code.NOT_FOUND, "no"), ApiError(Code.INTERNAL, "no")):
        with pytest.raises(ApiError), form.catching():
            raise error
