"""What the pages of payouts and of refunds share: the filters, a list, the page of one."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from app.cabinet import assets, labels, timeline_labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.lists import ORDERS, chips, money_query
from app.cabinet.saved_filters import saved_links
from app.cabinet.searching import search_of, searched
from app.core.keyset import Order, Page, Place, Total, page_or_first
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.reports import timeline
from app.withdrawals.presentation import Body
from app.withdrawals.presented_repository import Filters
from app.withdrawals.repository import Kind

B = TypeVar("B", bound=Body)


class ReadPage(Protocol[B]):
    """Reads a page of a merchant's payouts or refunds (withdrawals/reader.py)."""

    def __call__(
        self,
        merchant_id: str,
        mode: str,
        filters: Filters,
        place: Place | None,
        limit: int,
        *,
        order: Order = Order.NEWEST,
    ) -> Awaitable[Page[B]]:
        """The page at `place`."""


FILTERS = ("search", "status", "asset", "from", "to", "order")


def filters_of(cabinet: Cabinet, ctx: MemberContext, query: ListQuery) -> Filters:
    """The filters of a list of payouts or refunds; the exports have the same."""
    asset = assets.find(assets.every(cabinet.services, ctx), query.get("asset"))
    return Filters(
        status=query.one_of("status", labels.WITHDRAWAL_STATES),
        network=None if asset is None else asset.network.key,
        asset=None if asset is None else asset.asset.symbol,
        created_from=query.first_day(),
        created_to=query.last_day(),
        search=search_of(cabinet, ctx, query.get("search")),
    )


async def list_context(cabinet: Cabinet, request: PageRequest, kind: Kind, read: ReadPage[B]) -> dict[str, Any]:
    """The context of a list's template."""
    ctx = context_of(request)
    asked = money_query(request, assets.every(cabinet.services, ctx), *FILTERS)
    query, order = asked.query, asked.order
    filters = filters_of(cabinet, ctx, query)

    async def read_all() -> tuple[Page[B], Total]:
        page = await page_or_first(
            lambda place: read(ctx.merchant_id, ctx.mode, filters, place, query.rows, order=order),
            query.place,
        )
        total = await cabinet.services.withdrawal_reader.total(kind, ctx.merchant_id, ctx.mode, filters)
        return page, total.beside(page)

    page, total = await cabinet.read(request, f"{kind}s", (filters, query.place, query.rows, order), read_all)
    states, offered = list(labels.WITHDRAWAL_STATES.items()), assets.options(assets.every(cabinet.services, ctx))
    return {
        "query": query,
        "saved": await saved_links(ctx, f"{kind}s", query),
        "searched": None if filters.search is None else searched(filters.search, ctx.mode),
        "rows": [{"body": body, "created_at": datetime.fromisoformat(body.created_at)} for body in page],
        "pager": query.pager(page),
        "total": total,
        "chips": chips(query, status=states, asset=offered),
        "order": order,
        "orders": ORDERS,
        "can_order": asked.can_order,
        "states": states,
        "state_words": labels.WITHDRAWAL_STATES,
        "assets": offered,
    }


async def detail_context(cabinet: Cabinet, ctx: MemberContext, body: Body) -> dict[str, Any]:
    """The context of the template of one payout or refund, without its body."""
    networks = cabinet.services.networks
    network = networks.by(body.chain, ctx.mode)
    facts = await timeline.of_withdrawal(ctx.merchant_id, ctx.mode, body.id)
    return {
        "created_at": datetime.fromisoformat(body.created_at),
        "timeline": timeline_labels.entries(facts, networks, ctx),
        "state_words": labels.WITHDRAWAL_STATES,
        "network_name": network.display_name,
        "explorer": network.explorer_tx_url or "",
    }
