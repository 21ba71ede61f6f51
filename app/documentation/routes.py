"""`/docs`: the first page, the pages, the search, and what is said where there is no page.

Everything is public, the same for everybody, and works without a session, the database and scripts.
"""

import asyncio
import re
from difflib import get_close_matches
from functools import cache
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.core.errors import Code
from app.documentation.contents import Entry
from app.documentation.library import Library
from app.documentation.search import MAX_LENGTH
from app.web.fixed import MAX_AGE_S, Fixed
from app.web.pages import COMPRESSED, HTML, Pages
from app.web.rate_limits import RateLimiter, refuse_exceeded

MARKDOWN = "text/markdown"

RESERVED = ("api", "search")
"""Ends of addresses that are no pages of Markdown."""

SUGGESTIONS = 5

SEARCHES_PER_MINUTE = 60
"""Of one IP address. A search takes a few milliseconds of the processor."""


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

    def missing(place: str) -> Response[bytes]:
        context = frame() | {"nearest": _nearest(library, place)}
        return pages.page("docs/missing.html", context, status=404)

    @get("/docs", include_in_schema=False, sync_to_thread=True, middleware=[COMPRESSED])
    def first(request: Request[Any, Any, Any]) -> Response[bytes]:
        return home.answer(request)

    def results(query: str) -> Response[bytes]:
        found = library.index.search(query)
        answer = pages.page("docs/search.html", frame("search", query) | {"found": found})
        answer.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
        return answer

    @get("/docs/search", include_in_schema=False, middleware=[COMPRESSED])
    async def search(request: Request[Any, Any, Any]) -> Response[bytes]:
        address = request.scope["state"]["client_address"]
        window = await rate_limiter.take(f"docs:{address}", SEARCHES_PER_MINUTE)
        refuse_exceeded(window, Code.IP_RATE_LIMITED, "this address")
        return await asyncio.to_thread(results, request.query_params.get("q", "").strip()[:MAX_LENGTH])

    @get("/docs/{place:path}", include_in_schema=False, sync_to_thread=True, middleware=[COMPRESSED])
    def page(request: Request[Any, Any, Any], place: str) -> Response[bytes]:
        name = place.strip("/")
        slug = name.removesuffix(".md")
        if slug not in library.entries:
            return missing(name)
        return (fixed if slug == name else written)(slug).answer(request)

    return [first, search, page]


def _nearest(library: Library, place: str) -> list[Entry]:
    """The pages that the end of an address may mean: those with nearly this name, then those that have its words."""
    name = place[:MAX_LENGTH].removesuffix(".md").lower()
    slugs = get_close_matches(name, library.entries, n=SUGGESTIONS)
    found = library.index.search(re.sub(r"[^a-z0-9]+", " ", name))
    if not found.instead:
        slugs += [hit.slug for hit in found.hits]
    return [library.entries[slug] for slug in dict.fromkeys(slugs)][:SUGGESTIONS]
