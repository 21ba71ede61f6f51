"""The front page, icons, robots.txt, and the well-known addresses."""

import re
import struct
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest
from litestar import Litestar

from app.core import clock
from app.core.settings import Settings, SettingsError, load
from app.web import site
from app.web.edge import Edge
from app.web.errors import exception_handlers
from app.web.pages import Pages
from tests.web.site import client

PAGES = Pages()


def host(settings: Settings) -> httpx.AsyncClient:
    """A client of a host that serves only these routes."""
    app = Litestar(
        site.routes(PAGES, settings),
        exception_handlers=exception_handlers(PAGES.error),
        openapi_config=None,
        logging_config=None,
    )
    return client(Edge(app, settings))


async def test_the_front_page_says_what_this_is_and_who_runs_it(settings: Settings) -> None:
    async with host(settings) as http:
        plain = await http.get("/")
    assert (plain.status_code, plain.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert {"/cabinet", "/sign-up", "/docs", "/docs/quickstart", "/docs/api", "/api/v1/openapi.json"} <= set(
        re.findall(r'href="([^"]+)"', plain.text)
    )
    assert "security.txt" not in plain.text
    named = replace(settings, operator_name="Harbour <&> Co", operator_url="https://harbour.example/")
    async with host(replace(named, security_contacts=("mailto:a@example.com",))) as http:
        front_page = (await http.get("/")).text
    assert (
        'Run by <a href="https://harbour.example/" rel="noopener noreferrer"><bdi>Harbour &lt;&amp;&gt; Co</bdi>'
        in front_page
    )
    assert 'href="/.well-known/security.txt"' in front_page


async def test_icons_and_robots(settings: Settings) -> None:
    async with host(settings) as http:
        icon = await http.get("/favicon.ico")
        touch = [await http.get(f"/apple-touch-icon{kind}.png") for kind in ("", "-precomposed")]
        robots = await http.get("/robots.txt")
    assert (icon.headers["content-type"], icon.headers["cache-control"]) == ("image/x-icon", "public, max-age=86400")
    reserved, kind, images = struct.unpack("<HHH", icon.content[:6])
    assert (reserved, kind, [icon.content[6 + 16 * n] for n in range(images)]) == (0, 1, [16, 32, 48])
    for answer in touch:
        assert answer.headers["content-type"] == "image/png"
        assert struct.unpack(">II", answer.content[16:24]) == (180, 180)
    assert (robots.headers["content-type"], robots.text) == ("text/plain; charset=utf-8", site.ROBOTS)


async def test_security_txt_is_there_where_a_contact_is_set(settings: Settings) -> None:
    async with host(settings) as http:
        assert (await http.get("/.well-known/security.txt")).status_code == 404
    contacts = ("mailto:security@example.com", "https://example.com/security")
    async with host(replace(settings, security_contacts=contacts)) as http:
        answer = await http.get("/.well-known/security.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    fields = [(name, value) for name, _, value in (line.partition(": ") for line in answer.text.splitlines())]
    assert [value for name, value in fields if name == "Contact"] == list(contacts)
    assert dict(fields)["Canonical"] == "https://pay.example.test/.well-known/security.txt"
    ends_in = datetime.fromisoformat(dict(fields)["Expires"]) - clock.now()
    assert timedelta(days=30) < ends_in < timedelta(days=365)
    assert [name for name, _ in fields].count("Expires") == 1  # RFC 9116, section 2.5.5


async def test_password_managers_find_the_page(settings: Settings) -> None:
    async with host(settings) as http:
        answer = await http.get("/.well-known/change-password")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account/password")
        assert (await http.get("/.well-known/resource-that-should-not-exist")).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECURITY_CONTACT", "security@example.com"),
        ("SECURITY_CONTACT", "http://example.com/security"),
        ("OPERATOR_NAME", "Harbour\nPayments"),
        ("OPERATOR_URL", "javascript:alert(1)"),
    ],
)
def test_unpublishable_settings_stop_the_start(environment: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(environment | {name: value})
