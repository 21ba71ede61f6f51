"""The query of a list at the desk. Raises NOT_FOUND or INVALID_INPUT for values that no page links to."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

from app.core.keyset import Page, Place, Total, page_or_first
from app.identity import lists
from app.identity.identity import PageRequest, visitor_of
from app.identity.lists import ListQuery
from app.identity.paging import AsKey, place_of, rows_of
from app.operator.desk import nothing_here

T = TypeVar("T")

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "about": "About",
        "action": "What",
        "actor": "Who",
        "age": "Waiting at least",
        "asset": "Asset",
        "from": "From",
        "kind": "Kind",
        "merchant": "Merchant",
        "network": "Network",
        "q": "Search",
        "severity": "Severity",
        "status": "State",
        "subject": "About",
        "to": "To",
        "verdict": "Why",
        "what": "What",
        "who": "Decision",
    }
)
"""The words of each filter."""


def list_query(request: PageRequest, key: AsKey, tab: Mapping[str, str] | None = None, /, **filters: str) -> ListQuery:
    """The filters that have a value, and the page. Raises INVALID_INPUT for a place that is not valid.

    `key` reads a row's key in this list. `tab` chooses which list it is; what has no value is left out.
    """
    given = {name: value for name, value in filters.items() if value}
    chosen = {name: value for name, value in (tab or {}).items() if value}
    place, zone = place_of(request, key), visitor_of(request).zone
    return ListQuery(request.url.path, given, place, zone, rows_of(request), chosen)


async def read(
    query: ListQuery,
    rows: Callable[[Place | None, int], Awaitable[Page[T]]],
    total: Callable[[], Awaitable[Total]],
    labels: Mapping[str, str] | None = None,
    /,
    **options: Sequence[tuple[str, str]],
) -> tuple[Page[T], dict[str, Any]]:
    """A page of the list, and what its template shows around the rows: `query`, `pager`, `total` and `chips`.

    `rows` reads a page of so many rows at most, `total` counts them with the same filters. `options` are the choices
    of a filter, (value, words); `labels` are words of filters that have others here than in LABELS.
    """
    page = await page_or_first(lambda place: rows(place, query.rows), query.place)
    around = {
        "query": query,
        "pager": query.pager(page),
        "total": (await total()).beside(page),
        "chips": lists.chips(query, {**LABELS, **(labels or {})}, **options),
    }
    return page, around


def choice(request: PageRequest, name: str, allowed: Collection[str], default: str = "") -> str:
    """One of a few values of a parameter. Raises NOT_FOUND for another."""
    value = request.query_params.get(name) or default
    if value and value not in allowed:
        raise nothing_here()
    return value


def text(request: PageRequest, name: str, longest: int = 100) -> str:
    """A parameter that is free text, cut at `longest` characters."""
    return (request.query_params.get(name) or "").replace("\0", "").strip()[:longest]
