"""Ledgers: the platform's own (fees, treasury, suspense), and any merchant's by its URL."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import merchants
from app.core.keyset import page_or_first
from app.identity.identity import PageRequest
from app.identity.paging import PAGE_LENGTH, by_number
from app.ledger import repository
from app.ledger.hashchain import ChainId
from app.operator import lists
from app.operator.desk import Desk, nothing_here

PLATFORM = ("platform:fees", "platform:treasury", "platform:suspense")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/ledgers`."""

    @get("/ledgers")
    async def listed(request: PageRequest) -> Response[bytes]:
        heads = {owner: await repository.heads(owner) for owner in PLATFORM}
        return await desk.page(request, "ledgers/list", {"heads": heads})

    @get("/ledgers/{owner:str}/{chain:str}/{mode:str}/{symbol:str}")
    async def one(request: PageRequest, owner: str, chain: str, mode: str, symbol: str) -> Response[bytes]:
        head = await repository.head(ChainId(owner=owner, network=f"{chain}:{mode}", asset=symbol))
        if head is None:
            raise nothing_here()
        query = lists.list_query(request, by_number)
        entries = await page_or_first(lambda place: repository.page(head.ledger, place, PAGE_LENGTH), query.place)
        context = {
            "head": head,
            "entries": entries,
            "owner_name": (await merchants.names([owner])).get(owner),
            "pager": query.pager(entries),
        }
        return await desk.page(request, "ledgers/one", context)

    return [listed, one]
