"""The documentation as it is served: every page, every link, caching, the search, and what is not there."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from litestar import Litestar

from app.core import redis
from app.core.resources import CHECKOUT, DOCS
from app.core.settings import Settings
from app.documentation import routes as documentation
from app.documentation.contents import HOME
from app.documentation.library import Library
from app.web.edge import Edge
from app.web.errors import exception_handlers
from app.web.pages import Pages
from app.web.rate_limits import RateLimiter
from tests.services import empty_redis
from tests.web.site import client

LIBRARY = Library()


@pytest.fixture
async def http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The documentation of this version."""
    async with documentation_host(settings) as http:
        yield http


@asynccontextmanager
async def documentation_host(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A host that serves only the documentation, without a database."""
    pages = Pages()
    app = Litestar(
        documentation.routes(pages, RateLimiter(), settings.public_url),
        exception_handlers=exception_handlers(pages.error),
        openapi_config=None,
        logging_config=None,
    )
    redis.open_client(settings.redis_url)
    await empty_redis()
    async with client(Edge(app, replace(settings, log_level="WARNING"))) as http:
        yield http
    await redis.close_client()


def test_every_file_is_in_the_navigation_once() -> None:
    listed = [entry.slug for section in LIBRARY.sections for entry in section.entries]
    assert len(listed) == len(set(listed))
    own = [entry.path for entry in LIBRARY.entries.values() if "/" not in entry.path]
    assert sorted(own) == sorted({path.name for path in DOCS.glob("*.md")} - {f"{HOME}.md"}), "see docs/README.md"
    assert not set(documentation.RESERVED) & set(listed), "these addresses belong to others"
    assert all(entry.summary for entry in LIBRARY.entries.values())
    assert LIBRARY.sections[0].title == "Guides"


async def test_every_page_is_there_and_every_link_leads_somewhere(http: httpx.AsyncClient) -> None:
    ids: dict[str, set[str]] = {"/docs/api": set()}
    links: list[tuple[str, str]] = []
    for path in ["/docs", *(f"/docs/{slug}" for slug in LIBRARY.entries)]:
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), path
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert not re.search(r"<[^>]+ (?:style|on\w+)=|<style|<script>", answer.text), f"{path}: the CSP forbids it"
        named = re.findall(r' id="([^"]+)"', answer.text)
        assert len(named) == len(set(named)), f"{path}: an id twice"
        ids[path] = {unescape(each) for each in named}
        assert answer.text.count("<h1") == 1
        assert path == "/docs" or f'href="{path}" aria-current="page"' in answer.text
        links += [(path, unescape(href)) for href in re.findall(r'href="((?:/docs|#)[^"]*)"', answer.text)]
        for picture in re.findall(r'<img src="([^"]+)" alt="[^"]+"', answer.text):
            drawn = await http.get(picture)
            assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml"), picture
    assert len(links) > 1_000
    broken = set()
    for path, href in links:
        target = urlsplit(href)
        page = target.path or path
        if not page.endswith(".md") and (
            page not in ids or (target.fragment and unquote(target.fragment) not in ids[page])
        ):
            broken.add((path, href))
    assert broken == set()


def test_files_of_the_sources_that_pages_name_are_there() -> None:
    assert CHECKOUT is not None
    named = {
        (slug, name)
        for slug in LIBRARY.entries
        for name in re.findall(r'class="source-file" title="(\S+) in the sources"', LIBRARY.page(slug).html)
    }
    assert len(named) > 10
    assert [each for each in named if not (CHECKOUT / each[1]).exists()] == []


async def test_pages_are_cached_and_come_as_markdown_too(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs/errors")
    assert page.headers["Cache-Control"] == "public, max-age=300"
    again = await http.get("/docs/errors", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    markdown = await http.get("/docs/errors.md")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.text == (DOCS / "errors.md").read_text()
    assert "<h1>swap-pay</h1>" in (await http.get("/docs/python")).text
    assert 'href="/docs/errors.md"' in page.text


async def test_a_picture_is_drawn_by_its_own_styles_and_runs_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("# Documentation\n\n## Guides\n\n- [Speed](speed.md): how fast\n")
    (tmp_path / "speed.md").write_text('# Speed\n\n![Reads & "writes"](charts/api.svg)\n')
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "api.svg").write_text("<svg><style>rect { fill: red; }</style></svg>")
    (tmp_path / "secret.svg").write_text("<svg/>")
    monkeypatch.setattr(documentation, "Library", partial(Library, tmp_path))
    async with documentation_host(settings) as http:
        page = (await http.get("/docs/speed")).text
        assert '<img src="/docs/charts/api.svg" alt="Reads &amp; &quot;writes&quot;" loading="lazy"' in page
        drawn = await http.get("/docs/charts/api.svg")
        assert drawn.headers["content-type"] == "image/svg+xml"
        hashed = b64encode(sha256(b"rect { fill: red; }").digest()).decode()
        assert drawn.headers["Content-Security-Policy"] == (
            f"default-src 'none'; style-src 'sha256-{hashed}'; frame-ancestors 'none'"
        )
        again = await http.get("/docs/charts/api.svg", headers={"If-None-Match": drawn.headers["ETag"]})
        assert again.status_code == 304
        for path in ("charts/../secret.svg", "secret.svg", "charts/other.svg", "charts/api.svg.md"):
            assert (await http.get(f"/docs/{path}")).status_code == 404


async def test_pages_lead_on_and_back(http: httpx.AsyncClient) -> None:
    first, second, *_, last = LIBRARY.entries
    texts = [(await http.get(f"/docs/{slug}")).text for slug in (first, second, last)]
    assert ['rel="prev"' in text for text in texts] == [False, True, True]
    assert ['rel="next"' in text for text in texts] == [True, True, False]
    assert f'href="/docs/{first}" rel="prev"' in texts[1]
    assert "<h1>Quickstart</h1>" in texts[0]
    assert "On this page" in texts[0]


async def test_the_search_answers_without_a_script(http: httpx.AsyncClient) -> None:
    form = await http.get("/docs/search")
    assert '<form class="guides__search" role="search" method="get" action="/docs/search">' in form.text
    found = await http.get("/docs/search", params={"q": "DUPLICATE_ORDER_ID"})
    assert 'href="/docs/errors#DUPLICATE_ORDER_ID"' in found.text
    assert 'value="DUPLICATE_ORDER_ID"' in found.text
    near = await http.get("/docs/search", params={"q": "refnud"})
    assert "No page has “<bdi>refnud</bdi>”; these have <b>refund</b>." in near.text
    nothing = await http.get("/docs/search", params={"q": "<xyzzy>"})
    assert "Nothing was found for <strong><bdi>&lt;xyzzy&gt;</bdi></strong>" in nothing.text
    long = await http.get("/docs/search", params={"q": "refund " * 500})
    assert long.status_code == 200


async def test_one_address_can_not_keep_the_search_busy(http: httpx.AsyncClient) -> None:
    statuses = [(await http.get("/docs/search?q=refund")).status_code for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    assert (await http.get("/docs/nowhere")).status_code == 429
    assert (await http.get("/docs/refunds")).status_code == 200


async def test_a_page_that_is_not_there_names_those_that_may_be_meant(http: httpx.AsyncClient) -> None:
    for path, meant in (("/docs/webhok", "/docs/webhooks"), ("/docs/guides/refunds.html", "/docs/refunds")):
        answer = await http.get(path)
        assert answer.status_code == 404
        assert meant in answer.text.partition("<main")[2], path
        assert answer.headers.get("Cache-Control") == "no-store"
    for path in (
        "/docs/README",
        "/docs/../pyproject.toml",
        "/docs/deploy/Caddyfile",
        "/docs/%00",
        f"/docs/{'a' * 3_000}",
    ):
        answer = await http.get(path)
        assert answer.status_code == 404, path
        assert "There is no such page" in answer.text or "There is nothing here" in answer.text
