"""The query of a list in the cabinet. Invalid values are ignored: people edit URLs and have old bookmarks."""

from app.core.errors import ApiError
from app.identity import paging
from app.identity.identity import PageRequest, visitor_of
from app.identity.lists import ListQuery
from app.identity.paging import AsKey, by_moment

MAX_FILTER_LENGTH = 200


def list_query(request: PageRequest, *names: str, key: AsKey = by_moment) -> ListQuery:
    """The filters of these names, and the page. Other parameters are ignored, and so is a place that is not valid.

    `key` reads a row's key in this list.
    """
    given = request.query_params
    filters = {}
    for name in names:
        value = given.get(name, "").strip()[:MAX_FILTER_LENGTH]
        if value and value.isprintable():
            filters[name] = value
    try:
        place = paging.place_of(request, key)
    except ApiError:
        place = None
    return ListQuery(request.scope["path"], filters, place, visitor_of(request).zone)
