"""Lists of the desk: what the address asks for. Raises NOT_FOUND or INVALID_INPUT for values that no page links to."""

from collections.abc import Collection, Mapping
from typing import Any

from app.core.keyset import Page, Place
from app.identity import paging
from app.identity.identity import PageRequest
from app.identity.paging import Pager
from app.operator.desk import nothing_here


def pager(request: PageRequest, filters: Mapping[str, str], page: Page[Any], place: Place | None) -> Pager:
    """The addresses of the pages beside this one, filters kept."""
    return paging.pager(request.url.path, filters, page, place)


def choice(request: PageRequest, name: str, allowed: Collection[str], default: str = "") -> str:
    """One of a few values of a parameter. Raises NOT_FOUND for another."""
    value = request.query_params.get(name) or default
    if value and value not in allowed:
        raise nothing_here()
    return value


def text(request: PageRequest, name: str, longest: int = 100) -> str:
    """A parameter that is free text, cut at `longest` characters."""
    return (request.query_params.get(name) or "").replace("\0", "").strip()[:longest]
