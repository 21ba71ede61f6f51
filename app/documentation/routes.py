"""`/docs`: the first page, the pages, the search, and what is said where there is no page.

Everything is public, the same for everybody, and works without a session, the database and scripts.
"""

import asyncio
import hashlib
import re
from base64 import b64encode
from difflib import get_close_matches
from functools import cache
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.core.errors import Code
from app.documentation.contents import Entry
from app.documentation.library import Library
from app.documentation.search import MAX_LENGTH, words_of
from app.web.fixed import MAX_AGE_S, Fixed
from app.web.pages import COMPRESSED, HTML, Pages
from app.web.rate_limits import RateLimiter, refuse_exceeded

MARKDOWN = "text/markdown"
SVG = "image/svg+xml"

RESERVED = ("api", "search")
"""Ends of addresses that are no pages of Markdown."""

_NOTHING = "'none'"

SUGGESTIONS = 5

SEARCHES_PER_MINUTE = 60
"""Of one IP address, also for pages that are not there. A search takes some milliseconds of the processor."""


def routes(pages: Pages, rate_limiter: RateLimiter, public_url: str) -> list[HTTPRouteHandler]:
    """The handlers to mount at the root of the app. `/docs/api` is mounted by the API."""
    library = Library(public_url=public_url)

    def frame(current: str = "", query: str = "") -> dict[str, Any]:
        return {"sections": library.sections, "current": current, "query": query}

    home = Fixed(HTML, lambda: pages.render("docs/home.html", frame()).encode())

    @cache
    def fixed(slug: str) -> Fixed:
        def make() -> bytes:
            context = {"page": library.page(slug), "entry": library.entries[slug], "beside": library.neighbours(slug)}
            return pages.render("docs/page.html", frame(slug) | context).encode()

        return Fixed(HTML, make)

    @cache
    def written(slug: str) -> Fixed:
        return Fixed(MARKDOWN, lambda: library.markdown(slug).encode())

    @cache
    def picture(path: str) -> Fixed:
        content = library.pictures[path]
        return Fixed(SVG, lambda: content, {"Content-Security-Policy": _policy_of(content)})

    def missing(place: str) -> Response[bytes]:
        context = frame() | {"nearest": _nearest(library, place)}
        return pages.page("docs/missing.html", context, status=404)

    def results(query: str) -> Response[bytes]:
        found = library.index.search(query)
        answer = pages.page("docs/search.html", frame("search", query) | {"found": found})
        answer.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
        return answer

    async def count(request: Request[Any, Any, Any]) -> None:
        window = await rate_limiter.take(f"docs:{request.scope['state']['client_address']}", SEARCHES_PER_MINUTE)
        refuse_exceeded(window, Code.IP_RATE_LIMITED, "this address")

    @get("/docs", include_in_schema=False, middleware=[COMPRESSED])
    async def first(request: Request[Any, Any, Any]) -> Response[bytes]:
        return await home.answer(request)

    @get("/docs/search", include_in_schema=False, middleware=[COMPRESSED])
    async def search(request: Request[Any, Any, Any]) -> Response[bytes]:
        await count(request)
        return await asyncio.to_thread(results, request.query_params.get("q", "").strip()[:MAX_LENGTH])

    @get("/docs/{place:path}", include_in_schema=False, middleware=[COMPRESSED])
    async def page(request: Request[Any, Any, Any], place: str) -> Response[bytes]:
        name = place.strip("/")
        slug = name.removesuffix(".md")
        if name in library.pictures:
            return await picture(name).answer(request)
        if slug not in library.entries:
            await count(request)
            return await asyncio.to_thread(missing, name)
        return await (fixed if slug == name else written)(slug).answer(request)

    return [first, search, page]


def _policy_of(picture: bytes) -> str:
    """What a picture may do: nothing but use its own styles, which are in it since it is one file. No script runs."""
    styles = re.findall(rb"<style>(.*?)</style>", picture, re.DOTALL)
    hashes = [f"'sha256-{b64encode(hashlib.sha256(style).digest()).decode()}'" for style in styles]
    return f"default-src 'none'; style-src {' '.join(hashes) or _NOTHING}; frame-ancestors 'none'"


def _nearest(library: Library, place: str) -> list[Entry]:
    """The pages that an address may mean: those with nearly the name of its end, then those that have its words."""
    lowered = place[:MAX_LENGTH].lower()
    name = lowered.rpartition("/")[2].partition(".")[0]
    slugs = get_close_matches(name, library.entries, n=SUGGESTIONS)
    words = words_of(lowered.replace("-", " "))
    unknown = library.index.search(" ".join(words)).instead
    slugs += [hit.slug for hit in library.index.search(" ".join(word for word in words if word not in unknown)).hits]
    return [library.entries[slug] for slug in dict.fromkeys(slugs)][:SUGGESTIONS]
