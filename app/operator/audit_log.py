"""The record: the audit log with its filters, and who the operators are."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts import repository as accounts_repository
from app.backoffice import activity_log, merchants
from app.backoffice.activity_log import Filters
from app.core.keyset import page_or_first
from app.identity.paging import PAGE_LENGTH, by_number, place_of
from app.operator import lists
from app.operator.desk import Asked, Desk

FIELDS = ("actor", "action", "subject", "merchant", "from", "to")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers of `/desk/audit` and `/desk/operators`."""

    @get("/audit")
    async def log(request: Asked) -> Response[bytes]:
        given = {name: lists.text(request, name) for name in FIELDS}
        filters = Filters(
            actor=_actor(given["actor"]),
            action=given["action"] or None,
            subject=given["subject"] or None,
            merchant_id=given["merchant"].upper() or None,
            at_from=lists.day(request, "from"),
            at_to=lists.day_after(request, "to"),
        )
        place = place_of(request, by_number)
        deeds = await page_or_first(lambda place: activity_log.page(filters, place, PAGE_LENGTH), place)
        context = {
            "deeds": deeds,
            "given": given,
            "merchant_names": await merchants.names([deed.merchant_id for deed in deeds if deed.merchant_id]),
            "pager": lists.pager(request, given, deeds, place),
        }
        return await desk.page(request, "audit", context, actors=[deed.actor for deed in deeds])

    @get("/operators")
    async def people(request: Asked) -> Response[bytes]:
        return await desk.page(request, "operators", {"people": await accounts_repository.operators()})

    return [log, people]


def _actor(text: str) -> str | None:
    """An actor as the log has it; an account's bare id is enough."""
    if not text:
        return None
    return f"account:{text.upper()}" if text.upper().startswith("ACC-") else text
