"""Headers of every answer, the client's address, and the checks of the guard."""

import json
from ipaddress import IPv6Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import get
from litestar.exceptions import ImproperlyConfiguredException

from app.api.guard import MerchantRouter
from app.api_keys.authentication import Authenticator
from app.core.settings import Settings
from app.web import paging
from app.web.client_address import ClientAddresses, parse, site
from app.web.rate_limits import RateLimiter
from tests.factories.api_keys import api_key
from tests.web.site import THINGS, client, make_site


@pytest.mark.usefixtures("db", "valkey")
async def test_headers_of_pages_and_of_the_api(settings: Settings) -> None:
    async with client(make_site(settings)) as http:
        for path in ("/page", "/nowhere", "/boom"):
            page = await http.get(path)
            policy = page.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            assert page.headers["X-Frame-Options"] == "DENY"
            assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert page.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
            assert page.headers["Permissions-Policy"]
        for path in ("/page", "/nowhere", "/boom", "/api/nothing", "/api/boom", THINGS):
            answer = await http.get(path)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Strict-Transport-Security"] == "max-age=63072000"
            assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.usefixtures("db", "valkey")
async def test_the_request_id_is_the_clients_where_sane(settings: Settings) -> None:
    async with client(make_site(settings)) as http:
        for sane in ("a", "support-42", "A.b_c-9", "x" * 128):
            assert (await http.get("/page", headers={"X-Request-Id": sane})).headers["X-Request-Id"] == sane
        for strange in ("", "a b", "x" * 129, 'a"b', "ä", "{}"):
            made = (await http.get("/page", headers={b"X-Request-Id": strange.encode()})).headers["X-Request-Id"]
            assert made != strange
            assert len(made) == 32


@pytest.mark.usefixtures("db", "valkey")
async def test_the_access_log_names_the_route_and_no_secret(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    key = await api_key(settings.api_key_peppers)
    edge = make_site(settings, access_log=True)
    async with client(edge) as http:
        await http.get(f"{THINGS}?status=canary", headers=key.bearer)
        await http.get("/pay/INV-0123456789.canary")
    edge._access_log.flush()
    written = capsys.readouterr().err
    lines = [json.loads(line) for line in written.splitlines()]
    assert [(line["route"], line["status"]) for line in lines] == [(THINGS, 200), ("unmatched", 404)]
    assert lines[0]["address"] == "203.0.113.5"
    assert "canary" not in written
    assert key.full not in written


@pytest.mark.usefixtures("db", "valkey")
async def test_the_checks_of_the_guard(settings: Settings) -> None:
    reader = await api_key(settings.api_key_peppers, scopes=["invoices.read"])
    other = await api_key(settings.api_key_peppers, scopes=["balance.read"])
    async with client(make_site(settings)) as http:

        async def code(headers: Any, path: str = THINGS, method: str = "GET") -> str:
            answer = await http.request(method, path, headers=headers)
            return "ok" if answer.is_success else answer.json()["error"]["code"]

        assert await code({}) == "MISSING_API_KEY"
        assert await code(reader.bearer) == "ok"
        assert await code({"X-Merchant-API-Key": reader.full}) == "ok"
        assert await code(reader.bearer | {"X-Merchant-API-Key": reader.full}) == "ok"
        assert await code(reader.bearer | {"X-Merchant-API-Key": other.full}) == "INVALID_API_KEY"
        assert await code([*reader.bearer.items(), *other.bearer.items()]) == "INVALID_API_KEY"
        assert await code({"Authorization": f"bearer  {reader.full} "}) == "ok"
        assert await code({"Authorization": f"Basic {reader.full}"}) == "INVALID_API_KEY"
        assert await code({"Authorization": reader.full}) == "INVALID_API_KEY"
        for empty in ("", " ", "Bearer", "Bearer "):
            assert await code({"Authorization": empty}) == "MISSING_API_KEY"
            assert await code({"Authorization": empty, "X-Merchant-API-Key": reader.full}) == "ok"
        assert await code({"X-Merchant-API-Key": ""}) == "MISSING_API_KEY"
        assert await code(reader.bearer | {"X-Merchant-API-Key": ""}) == "ok"
        basic = {"Authorization": "Basic dTpw", "X-Merchant-API-Key": reader.full}
        assert await code(basic) == "INVALID_API_KEY"
        assert await code(reader.bearer, method="POST") == "MISSING_SCOPE"
        assert await code(other.bearer) == "MISSING_SCOPE"
        assert await code(other.bearer, "/api/v1/merchant/open") == "ok"
        assert await code({}, "/api/v1/merchant/open") == "MISSING_API_KEY"


async def test_a_route_that_names_no_scope_stops_the_start(settings: Settings) -> None:
    @get("/forgotten")
    async def forgotten() -> None: ...

    @get("/mistyped", opt={"api_key_scope": "invoices.raed"})
    async def mistyped() -> None: ...

    for handler in (forgotten, mistyped):
        with pytest.raises(ImproperlyConfiguredException, match="does not say which scope"):
            MerchantRouter(
                "/api/v1/merchant",
                route_handlers=[handler],
                authenticator=Authenticator(settings.api_key_peppers),
                rate_limiter=RateLimiter(),
            )


PROXIES = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def seen(peer: str, *forwarded: bytes) -> str:
    """The client's address, from the peer and its X-Forwarded-For lines."""
    return str(PROXIES.of({"client": (peer, 1), "headers": [(b"x-forwarded-for", line) for line in forwarded]}))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client_address"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", [b"198.51.100.7"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", [b"1.1.1.1, 198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", [b"1.1.1.1", b"198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        ("10.0.0.1", [b"10.0.0.3,10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [b"198.51.100.7, garbage"], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7, \xff\xfe, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [b"198.51.100.7:4711"], "198.51.100.7"),
        ("10.0.0.1", [b'"[2001:db8::5]:4711"'], "2001:db8::5"),
        ("::ffff:10.0.0.1", [b"::ffff:198.51.100.7"], "198.51.100.7"),
        ("fd00::1%eth0", [b"fe80::5%eth0"], "fe80::5"),
        ("10.0.0.1", [b"198.51.100.7%" + b"e" * 5000], "198.51.100.7"),
        ("10.0.0.1", [b"198.51.100.7" + b"7" * 5000], "10.0.0.1"),
        ("not an address", [b"198.51.100.7"], "0.0.0.0"),
    ],
)
def test_the_client_address_of_a_request(peer: str, forwarded: list[bytes], client_address: str) -> None:
    assert seen(peer, *forwarded) == client_address


@given(st.text(max_size=50), st.lists(st.binary(max_size=60), max_size=3))
def test_garbage_never_fails(peer: str, forwarded: list[bytes]) -> None:
    seen(peer, *forwarded)
    seen("10.0.0.1", *forwarded)


def test_a_limit_per_address_takes_a_64_as_one() -> None:
    first, second, other = (parse(text) for text in ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1"))
    assert first is not None
    assert second is not None
    assert other is not None
    assert site(first) == site(second) != site(other)


@given(st.ip_addresses(v=6))
def test_an_address_of_ipv6_is_read_and_counted_as_the_standard_library_writes_it(address: IPv6Address) -> None:
    wanted = address.ipv4_mapped or address
    assert parse(str(address)) == parse(f"[{address.exploded}]:443") == wanted
    if isinstance(wanted, IPv6Address):
        assert site(wanted) == str(ip_network((wanted, 64), strict=False))


@given(
    st.datetimes(timezones=st.just(paging._EPOCH.tzinfo)),
    st.from_regex(r"[A-Z]{2,3}-[0-9A-Z]{10}", fullmatch=True),
)
def test_a_cursor_names_its_place_exactly(created_at: Any, row_id: str) -> None:
    position = paging.Position(created_at, row_id)
    assert paging.decode_cursor(paging.encode_cursor(position)) == position
