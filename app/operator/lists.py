"""The query of a list at the desk. Raises NOT_FOUND or INVALID_INPUT for values that no page links to."""

from collections.abc import Collection

from app.identity.identity import PageRequest, visitor_of
from app.identity.lists import ListQuery
from app.identity.paging import AsKey, place_of
from app.operator.desk import nothing_here


def list_query(request: PageRequest, key: AsKey, **filters: str) -> ListQuery:
    """The filters that have a value, and the page. Raises INVALID_INPUT for a place that is not valid.

    `key` reads a row's key in this list.
    """
    given = {name: value for name, value in filters.items() if value}
    return ListQuery(request.url.path, given, place_of(request, key), zone=visitor_of(request).zone)


def choice(request: PageRequest, name: str, allowed: Collection[str], default: str = "") -> str:
    """One of a few values of a parameter. Raises NOT_FOUND for another."""
    value = request.query_params.get(name) or default
    if value and value not in allowed:
        raise nothing_here()
    return value


def text(request: PageRequest, name: str, longest: int = 100) -> str:
    """A parameter that is free text, cut at `longest` characters."""
    return (request.query_params.get(name) or "").replace("\0", "").strip()[:longest]
