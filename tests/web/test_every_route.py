"""Any bad request is a 4xx: every route of the app, signed out, as a merchant's owner and as an operator.

A request is made as Granian makes it of bytes: the path decoded with U+FFFD for what is no UTF-8. Paths, queries,
headers, methods and bodies are bad one at a time on a request that is right otherwise, so that it comes as far as it
can. Chosen at random; the seed is printed, `FUZZ_SEED=…` repeats it, and `SOAK=1` sends everything.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import quote, unquote_to_bytes

import pytest
from structlog.testing import capture_logs

from app.accounts import sessions
from app.api_keys.scopes import Scope
from app.core import clock
from app.core.settings import Settings
from app.identity import cookies, form_keys
from app.web.edge import Edge
from tests.cabinet.over_chain.conftest import settings, works, world
from tests.cabinet.world import World
from tests.factories.api_keys import api_key
from tests.identity.browsing import Browser, an_account, hidden
from tests.identity.conftest import app, browser

__all__ = ["app", "browser", "settings", "works", "world"]

SOAK = bool(os.environ.get("SOAK"))
SEED = int(os.environ.get("FUZZ_SEED", time.time_ns() % 2**32))
KEPT = 1.0 if SOAK else 0.03
"""The share of all requests that is sent."""

Who = Literal["stranger", "owner", "operator", "integrator"]

NUMBERS = [b"0", b"-1", b"%2B1", b"1e9", b"1.5", b"NaN", b"0x10", b"%D9%A3", b"9" * 78, b"9" * 5_000]
NUMBERS += [b"%d" % (2**bits + more) for bits in (15, 31, 53, 63, 64, 127) for more in (-1, 0, 1)]
TEXTS = [
    b"",
    b"%00",
    b"a%00b",
    b"%ff%fe",
    b"%c0%ae%c0%ae",
    b"%ed%a0%80",
    b"%f0%9f%92%a9",
    b"%e2%80%ae",
    b"%0d%0aX:%20y",
]
TEXTS += [
    b"..",
    b"%2e%2e%2f%2e%2e",
    b"a" * 300,
    b"a" * 20_000,
    b"'%22%3C%3E%5C",
    b"%25s%25n%7B%7D",
    b"null",
    b"@",
    b"a@b@c",
]
TEXTS += [b"0001-01-01", b"9999-12-31", b"99999-01-01", b"2026-02-30", b"a@example.test", b"INV-0000000000"]
VALUES = NUMBERS + TEXTS
MANY_TIMES_LENGTH = 100
"""The most bytes of a value that is repeated in every parameter of one query."""

QUERY_NAMES: list[bytes] = (
    b"after before cursor limit status state severity asset chain currency mode from to created_from created_to "
    b"order_id customer_email search q show role token next lang name kind actor subject action after_seq amount "
    b"destination network merchant type accent display_name"
).split()

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "get", "A" * 300]

HEADERS: list[tuple[bytes, bytes]] = [
    (b"accept-language", b"\xff\xfe;q=x,,;;q=9e999,en" * 50),
    (b"accept", b"\xff/*;q=nan"),
    (b"accept-encoding", b"gzip;q=\xff, br, *"),
    (b"authorization", b"Bearer \xff\x00" + b"a" * 9_000),
    (b"authorization", b"Bearer sspay_sec_test_0000000000_"),
    (b"x-merchant-api-key", b"\xed\xa0\x80"),
    (b"content-type", b"\xff;charset=utf-7;boundary"),
    (b"content-type", b"multipart/form-data; boundary=" + b"a" * 300),
    (b"content-length", b"1"),
    (b"cookie", b"a=b; =; ;;; \xff=\xff; __Host-swap_pay_session=\xff%00; __Host-swap_pay_flash=a.b.c"),
    (b"cookie", b"__Host-swap_pay_visit=%ED%A0%80; __Host-swap_pay_flash=" + b"e" * 5_000),
    (b"if-none-match", b'W/"\xff"'),
    (b"if-modified-since", b"Thu, 99 Foo 99999 99:99:99 GMT"),
    (b"range", b"bytes=-9999999999999999999999"),
    (b"hx-request", b"\xff"),
    (b"hx-current-url", b"http://[::1"),
    (b"host", b"[::1]:99999"),
    (b"idempotency-key", b"\xff" * 129),
    (b"origin", b"http://[\xff"),
    (b"referer", b"http://[::1"),
    (b"sec-fetch-site", b"\xff"),
    (b"user-agent", b"\xff\x01" * 2_000),
    (b"x-forwarded-for", b"[::1, 999.1.1.1, \xff, ,"),
    (b"x-request-id", b"\xff"),
]

FORM, JSON = b"application/x-www-form-urlencoded", b"application/json"
MULTIPART = b"multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n--b--\r\n'
BODIES: list[tuple[bytes | None, bytes]] = [
    (None, b"a=b"),
    (b"text/plain", b"\xff"),
    (FORM, b"\xff\xfe=\xff"),
    (FORM, b"a=%ED%A0%80&b=%"),
    (FORM, b"&".join(b"a%d=b" % n for n in range(2_000))),
    (FORM, b"a=" + b"b" * 1_100_000),
    (MULTIPART, PART % (b"logo", b'; filename="\xff\x00.png"\r\nContent-Type: \xff', b"\x89PNG\r\n")),
    (MULTIPART, PART % (b"\xff\x00", b"", b"\x00")),
    (MULTIPART, b"--b\r\nContent-Disposition: form-data\r\n\r\nx"),
    (MULTIPART, b"--b\r\n" + b"a: b\r\n" * 5_000 + b"\r\n"),
    (MULTIPART, b"--b" * 3_000),
    (b"multipart/form-data", b"--b--"),
    (b"multipart/form-data; boundary=\xe2\x82\xac", b"--\xe2\x82\xac--"),
    (JSON, b"{"),
    (JSON, b"[" * 50_000),
    (JSON, b'{"amount": ' + b"9" * 50_000 + b"}"),
    (JSON, b'{"\\ud800": "\\u0000"}'),
    (JSON, b"null"),
]


@dataclass(frozen=True)
class PageRequest:
    """A request as bytes."""

    who: Who
    method: str
    path: bytes
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


@dataclass
class Caller:
    """Sends requests straight to the app, each from an address of its own, so that no limit per address ends it."""

    app: Edge
    who: dict[Who, tuple[tuple[bytes, bytes], ...]] = field(default_factory=dict)
    sent: int = 0

    async def status(self, request: PageRequest) -> int:
        """Send the request. Returns the status; 0 if there was no answer, 500 if the app raised."""
        self.sent += 1
        number, bodies, answered = self.sent, iter([request.body]), [0]
        headers = [(b"host", b"pay.example.test"), *self.who[request.who], *request.headers]
        replaced = {name for name, _ in request.headers}
        headers = [header for header in headers if header in request.headers or header[0] not in replaced]
        if request.body and b"content-length" not in replaced:
            headers.append((b"content-length", b"%d" % len(request.body)))

        async def receive() -> dict[str, Any]:
            body = next(bodies, None)
            if body is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answered[0] = message["status"]

        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "extensions": {},
            "http_version": "1.1",
            "server": ("127.0.0.1", "8000"),
            "client": (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", "40000"),
            "scheme": "http",
            "method": request.method,
            "root_path": "",
            "path": unquote_to_bytes(request.path).decode(errors="replace"),
            "raw_path": request.path,
            "query_string": request.query,
            "headers": headers,
        }
        try:
            await self.app(scope, receive, send)
        except Exception:  # Granian answers 500 then
            return 500
        return answered[0]


def routes(app: Edge) -> Iterator[tuple[str, str]]:
    """Every method and path template that the app serves."""
    for route in app._app.routes:
        for method in sorted(getattr(route, "methods", {"GET"}) - {"OPTIONS", "HEAD"}):
            yield method, route.path


def filled(template: str, ids: Mapping[str, str]) -> bytes:
    """The path with existing ids."""
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: quote(ids.get(part[1], "1")), template).encode()


def variants(method: str, template: str, right: PageRequest, fields: Mapping[str, str]) -> Iterator[PageRequest]:
    """The request, and the same with one thing bad at a time."""
    yield right
    segments = right.path.split(b"/")
    for place, part in enumerate(template.split("/")):
        if part.startswith("{"):
            for value in VALUES:
                yield replace(right, path=b"/".join([*segments[:place], value, *segments[place + 1 :]]))
    for tail in (b"/", b"//", b"/%00", b"/..", b"%2f", b";a=b", b".json"):
        yield replace(right, path=right.path + tail)
    for value in VALUES:
        if len(value) <= MANY_TIMES_LENGTH:
            yield replace(right, query=b"&".join(name + b"=" + value for name in QUERY_NAMES))
    for place, name in enumerate(QUERY_NAMES):
        yield replace(right, query=name + b"=" + VALUES[place % len(VALUES)])
    for raw in (b"&&==&", b"a" * 9_000, b"%", "ä=ä".encode(), b"a=1;b=2"):
        yield replace(right, query=raw)
    for header in HEADERS:
        yield replace(right, headers=(*(h for h in right.headers if h[0] != header[0]), header))
    for other in METHODS:
        yield replace(right, method=other)
    if method == "GET":
        return
    for kind, body in BODIES:
        kept = tuple(header for header in right.headers if header[0] != b"content-type")
        sent = kept + (((b"content-type", kind),) if kind else ())
        yield replace(right, headers=sent, body=body)
        if kind == FORM:
            yield replace(right, headers=sent, body=right.body + b"&" + body)
    for changed in fields:
        if changed != "csrf_token":
            others = encoded({other: value for other, value in fields.items() if other != changed})
            for value in VALUES:
                yield replace(right, body=others + b"&" + quote(changed).encode() + b"=" + value)


async def names_that_nothing_has(caller: Caller, ids: Mapping[str, str], tokens: Mapping[str, str]) -> None:
    """Numbers that no row can have, and files that no disk can hold: 404, as for any other that is not there."""
    numbered = [(method, path) for method, path in routes(caller.app) if ":int}" in path]
    assert len(numbered) >= 10
    for method, template in numbered:
        who, *_ = those_who_may(template)[0]
        for number in ("0", "-1", "2147483648", str(2**63 - 1), str(2**63), "9" * 78, "9" * 5_000):
            path = filled(template, {**ids, **dict.fromkeys(re.findall(r"\{(\w+):int\}", template), number)})
            body = encoded({"csrf_token": tokens[who]}) if who in tokens else b""
            query = encoded({form_keys.PARAMETER: form_keys.new_key()})  # else a page with a form redirects to itself
            headers, body = ((b"content-type", FORM),), body if method == "POST" else b""
            request = PageRequest(who, method, path, query, headers, body)
            assert await caller.status(request) == 404, request
    for name in (b"a" * 300, b"a/" * 3_000, b"css", b"css/app.css/x", b"..%2f..%2fpyproject.toml", b"%00"):
        assert await caller.status(PageRequest("stranger", "GET", b"/static/" + name)) == 404, name


def those_who_may(template: str) -> tuple[tuple[Who, float], ...]:
    """Who requests a route, and with what share: those who get far send the most."""
    if template.startswith("/desk"):
        return ("operator", 1), ("owner", 0.1), ("stranger", 0.1)
    if template.startswith("/account"):
        return ("owner", 0.2), ("stranger", 0.1)  # most of them hash passwords
    if template.startswith("/cabinet"):
        return ("owner", 1), ("stranger", 0.1)
    if template.startswith("/api"):
        return ("integrator", 1), ("stranger", 0.1)
    return ("stranger", 1), ("owner", 0.3)


def encoded(fields: Mapping[str, str]) -> bytes:
    """A form's body."""
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in fields.items()).encode()


def fields_of(page: str) -> dict[str, str]:
    """The fields of a page's forms, with their values or a plausible one."""
    found = dict.fromkeys(re.findall(r'<(?:input|select|textarea)[^>]*? name="([^"]+)"', page), "1")
    for name, value in re.findall(r'<input[^>]*? name="([^"]+)"[^>]*? value="([^"]*)"', page):
        found[name] = value
    if "url" in found:
        found["url"] = "https://127.0.0.1:9/"  # nothing to resolve
    return found


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Without a line for each request."""
    return environment | {"LOG_LEVEL": "WARNING"}


@pytest.mark.timeout(3_600 if SOAK else 240)
async def test_no_route_fails_whatever_is_sent(
    app: Edge, world: World, settings: Settings, browser: Callable[..., Browser]
) -> None:
    dice = random.Random(SEED)
    operator = await an_account(settings, "ops@example.test", totp=True, is_operator=True)
    accounts = {"owner": world.people["owner"].id, "operator": operator.id}
    scopes = [scope.value for scope in Scope]
    key = await api_key(settings.api_key_peppers, merchant_id=world.terms.merchant_id, scopes=scopes)
    caller = Caller(app)
    caller.who["stranger"] = ((b"cookie", f"{cookies.VISIT}=visit".encode()), (b"sec-fetch-site", b"same-origin"))
    caller.who["integrator"] = ((b"authorization", f"Bearer {key.full}".encode()), (b"idempotency-key", b"k"))
    browsers: dict[str, Browser] = {}

    async def sign_in(who: Literal["owner", "operator"]) -> str:
        """A new session, whatever became of the last one; the token of its forms."""
        _, token = await sessions.open_session(
            accounts[who], code_given=True, address="192.0.2.7", user_agent="a browser", now=clock.now()
        )
        cookie = f"{cookies.SESSION}={token}".encode()
        caller.who[who] = ((b"cookie", cookie), (b"sec-fetch-site", b"same-origin"))
        browsers[who] = browser()
        browsers[who].client.headers["cookie"] = cookie.decode()
        return hidden(await browsers[who].get("/account"))["csrf_token"]

    tokens = {who: await sign_in(who) for who in ("owner", "operator")}
    slug = world.services.links.slug(world.open_invoice.id)
    ids = {**world.ids, "merchant_id": world.terms.merchant_id, "mode": "test", "slug": slug, "chain": "ethereum"}
    ids |= {"symbol": "USDT", "owner": world.terms.merchant_id, "verb": "credit", "change": "suspend"}
    ids |= {"txid": world.paid_invoice.deposits[0].txid}
    ids |= {"withdrawal_id": world.ids["payout_id"], "deposit_id": world.late_invoice.deposits[0].id}
    ids |= {"webhook_id": world.ids["endpoint_id"], "file_path": "css/app.css", "session_id": "1"}

    failed: list[str] = []
    with capture_logs() as logged:
        await names_that_nothing_has(caller, {**ids, "name": "USDT@ethereum"}, tokens)
        for method, template in routes(app):
            here = {**ids, "name": "payouts"} if template.startswith("/desk") else ids
            path = filled(template, here)
            for who, often in those_who_may(template):
                fields: dict[str, str] = {}
                headers: tuple[tuple[bytes, bytes], ...] = ()
                if who in ("owner", "operator") and method != "GET":
                    if (await browsers[who].get("/account")).status_code != 200:
                        tokens[who] = await sign_in(who)
                    page = await browsers[who].get(path.decode())
                    fields = fields_of(page.text) | {"csrf_token": tokens[who]}
                    headers = ((b"content-type", FORM),)
                elif method != "GET":
                    headers = ((b"content-type", JSON if who == "integrator" else FORM),)
                right = PageRequest(who, method, path, headers=headers, body=encoded(fields))
                for place, request in enumerate(variants(method, template, right, fields)):
                    if place and dice.random() >= KEPT * often:
                        continue
                    status = await caller.status(request)
                    if not 100 <= status < 500:
                        failed.append(f"{status} for {method} {template}: {str(request)[:600]}")
    failed += [str(line) for line in logged if line["event"] == "request_failed"]
    print(f"FUZZ_SEED={SEED}: {caller.sent} requests", *failed, sep="\n")
    assert failed == []
    assert caller.sent > 1_000
