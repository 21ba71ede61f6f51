"""The audit log with its filters, the list of operators, and what each of them has decided."""

from collections.abc import Sequence
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.accounts import repository as accounts_repository
from app.audit import log
from app.audit.log import Filters
from app.backoffice import merchants
from app.core.keyset import Page
from app.identity import days
from app.identity.identity import PageRequest, visitor_of
from app.identity.paging import by_number
from app.operator import lists
from app.operator.desk import Desk, nothing_here, operator_of
from app.operator.words import AREAS
from app.web.standby_reads import FROM_STANDBY

FIELDS = ("actor", "action", "subject", "merchant", "from", "to")


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers of `/desk/audit`, `/desk/operators`, `/desk/operators/{id}` and `/desk/history`."""

    @get("/audit", opt=FROM_STANDBY)
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
        actions, around = await read(request, filters, given, action=AREAS)
        context = {
            **around,
            "actions": actions,
            "areas": AREAS,
            "merchant_names": await merchants.names([action.merchant_id for action in actions if action.merchant_id]),
        }
        return await desk.page(request, "audit", context, actors=[action.actor for action in actions])

    @get("/operators")
    async def people(request: PageRequest) -> Response[bytes]:
        return await desk.page(request, "operators", {"people": await accounts_repository.operators()})

    @get("/history")
    async def own_history(request: PageRequest) -> Response[bytes]:
        return await show_history(request, operator_of(request).account_id)

    @get("/operators/{account_id:str}")
    async def history(request: PageRequest, account_id: str) -> Response[bytes]:
        return await show_history(request, account_id)

    async def show_history(request: PageRequest, account_id: str) -> Response[bytes]:
        person = next((one for one in await accounts_repository.operators() if one.account_id == account_id), None)
        if person is None:
            raise nothing_here()
        zone = visitor_of(request).zone
        given = {name: lists.text(request, name) for name in ("about", "from", "to")}
        given["what"] = lists.choice(request, "what", [area for area, _ in AREAS])
        filters = Filters(
            actor=f"account:{account_id}",
            action=given["what"] or None,
            subject=given["about"] or None,
            at_from=days.start_of(given["from"], zone),
            at_to=days.end_of(given["to"], zone),
        )
        actions, around = await read(request, filters, given, what=AREAS)
        context = {**around, "person": person, "path": request.url.path, "actions": actions, "areas": AREAS}
        return await desk.page(request, "history", context, actors=[f"account:{account_id}"])

    async def read(
        request: PageRequest, filters: Filters, given: dict[str, str], **options: Sequence[tuple[str, str]]
    ) -> tuple[Page[log.Entry], dict[str, Any]]:
        return await lists.read(
            lists.list_query(request, by_number, **given),
            lambda place, limit: log.page(filters, place, limit),
            lambda: log.total(filters),
            **options,
        )

    return [listed, people, own_history, history]


def _actor(text: str) -> str | None:
    """The actor in the log's form: `ACC-…` alone becomes `account:ACC-…`."""
    if not text:
        return None
    return f"account:{text.upper()}" if text.upper().startswith("ACC-") else text
