"""The query of a list in the cabinet. Invalid values are ignored: people edit URLs and have old bookmarks."""

from collections.abc import Sequence

import msgspec

from app.cabinet.assets import Choice, find
from app.core.errors import ApiError
from app.core.keyset import Order
from app.identity import lists, paging
from app.identity.identity import PageRequest, visitor_of
from app.identity.lists import Chip, ListQuery
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
    return ListQuery(request.scope["path"], filters, place, visitor_of(request).zone, paging.rows_of(request))


ORDERS = (
    (Order.OLDEST.value, "Oldest first"),
    (Order.LARGEST.value, "Largest amount first"),
    (Order.SMALLEST.value, "Smallest amount first"),
)
"""The values of the filter `order`, without which a list begins with its newest row, and their words."""


class MoneyQuery(msgspec.Struct, frozen=True):
    """The query of a list of money, and its order."""

    query: ListQuery
    order: Order

    @property
    def can_order(self) -> bool:
        """Whether the order is the one that was asked for: none is by amount where the list has several assets."""
        return self.order.by_amount or self.query.get("order") not in (Order.LARGEST.value, Order.SMALLEST.value)


def money_query(request: PageRequest, choices: list[Choice], *names: str) -> MoneyQuery:
    """The query of a list of amounts in these assets; `asset` and `order` are among its filters, beside `names`."""
    asset = find(choices, request.query_params.get("asset"))
    wanted = request.query_params.get("order")
    order = next((order for order in Order if order.value == wanted), Order.NEWEST)
    if order.by_amount and asset is None:
        order = Order.NEWEST
    query = list_query(request, *names, key=paging.by_amount if order.by_amount else by_moment)
    return MoneyQuery(query, order)


_LABELS = {
    "search": "Search",
    "status": "Status",
    "asset": "Asset",
    "from": "From",
    "to": "To",
    "order": "Order",
    "link": "Payment link",
    "who": "Who",
    "area": "About",
    "about": "Id",
    "reference": "Reference",
}


def chips(query: ListQuery, **options: Sequence[tuple[str, str]]) -> list[Chip]:
    """The filters that are set. `options` are the choices of a filter, (value, words), as its select has them."""
    return lists.chips(query, _LABELS, order=ORDERS, **options)
