"""What the pages of payouts and of refunds share: the filters, a list, the page of one."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from app.cabinet import assets, labels, timeline_labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.lists import list_query
from app.cabinet.saved_filters import saved_links
from app.cabinet.searching import search_of, searched
from app.core.keyset import Page, Place, page_or_first
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.identity.paging import PAGE_LENGTH
from app.reports import timeline
from app.withdrawals.presentation import Body
from app.withdrawals.presented_repository import Filters

B = TypeVar("B", bound=Body)

ReadPage = Callable[[str, str, Filters, Place | None, int], Awaitable[Page[B]]]
"""Reads a page of a merchant's payouts or refunds (withdrawals/reader.py)."""

FILTERS = ("search", "status", "asset", "from", "to")


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


async def list_context(cabinet: Cabinet, request: PageRequest, which: str, read: ReadPage[B]) -> dict[str, Any]:
    """The context of the template of a list, `payouts` or `refunds`."""
    ctx, query = context_of(request), list_query(request, *FILTERS)
    filters = filters_of(cabinet, ctx, query)
    page = await page_or_first(lambda place: read(ctx.merchant_id, ctx.mode, filters, place, PAGE_LENGTH), query.place)
    return {
        "query": query,
        "saved": await saved_links(ctx, which, query),
        "searched": None if filters.search is None else searched(filters.search, ctx.mode),
        "rows": [{"body": body, "created_at": datetime.fromisoformat(body.created_at)} for body in page],
        "pager": query.pager(page),
        "states": list(labels.WITHDRAWAL_STATES.items()),
        "state_words": labels.WITHDRAWAL_STATES,
        "assets": assets.options(assets.every(cabinet.services, ctx)),
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
