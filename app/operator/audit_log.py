"""The audit log with its filters, and the list of operators."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts import repository as accounts_repository
from app.audit import log
from app.audit.log import Filters
from app.backoffice import merchants
from app.core.keyset import page_or_first
from app.identity import days
from app.identity.identity import PageRequest, visitor_of
from app.identity.paging import PAGE_LENGTH, by_number
from app.operator import lists
from app.operator.desk import Desk

FIELDS = ("actor", "action", "subject", "merchant", "from", "to")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers of `/desk/audit` and `/desk/operators`."""

    @get("/audit")
    async def listed(request: PageRequest) -> Response[bytes]:
        given, zone = {name: lists.text(request, name) for name in FIELDS}, visitor_of(request).zone
        filters = Filters(
            actor=_actor(given["actor"]),
            action=given["action"] or None,
            subject=given["subject"] or None,
            merchant_id=given["merchant"].upper() or None,
            at_from=days.start_of(given["from"], zone),
            at_to=days.end_of(given["to"], zone),
        )
        query = lists.list_query(request, by_number, **given)
        actions = await page_or_first(lambda place: log.page(filters, place, PAGE_LENGTH), query.place)
        context = {
            "actions": actions,
            "given": given,
            "merchant_names": await merchants.names([action.merchant_id for action in actions if action.merchant_id]),
            "pager": query.pager(actions),
        }
        return await desk.page(request, "audit", context, actors=[action.actor for action in actions])

    @get("/operators")
    async def people(request: PageRequest) -> Response[bytes]:
        return await desk.page(request, "operators", {"people": await accounts_repository.operators()})

    return [listed, people]


def _actor(text: str) -> str | None:
    """The actor in the log's form: `ACC-…` alone becomes `account:ACC-…`."""
    if not text:
        return None
    return f"account:{text.upper()}" if text.upper().startswith("ACC-") else text
