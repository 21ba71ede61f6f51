"""Ledgers: the platform's own (fees, treasury, suspense), and any merchant's by its address."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.ledger import queries
from app.ledger.hashchain import ChainId
from app.operator import lists
from app.operator.desk import Asked, Desk, nothing_here
from app.oversight import merchants

PLATFORM = ("platform:fees", "platform:treasury", "platform:suspense")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers below `/desk/ledgers`."""

    @get("/ledgers")
    async def listed(request: Asked) -> Response[bytes]:
        heads = {owner: await queries.heads(owner) for owner in PLATFORM}
        return await desk.page(request, "ledgers/list", {"heads": heads})

    @get("/ledgers/{owner:str}/{chain:str}/{mode:str}/{symbol:str}")
    async def one(request: Asked, owner: str, chain: str, mode: str, symbol: str) -> Response[bytes]:
        head = await queries.head(ChainId(owner=owner, network=f"{chain}:{mode}", asset=symbol))
        if head is None:
            raise nothing_here()
        entries = await queries.entries_before(head.ledger, lists.after_number(request), lists.PAGE_SIZE + 1)
        shown = entries[: lists.PAGE_SIZE]
        last = shown[-1].seq if len(entries) > lists.PAGE_SIZE else None
        context = {
            "head": head,
            "entries": shown,
            "owner_name": (await merchants.names([owner])).get(owner),
            "pager": lists.pager(request, {}, last),
        }
        return await desk.page(request, "ledgers/one", context)

    return [listed, one]
