"""Refunds: the list and one refund. They are asked for on the page of their invoice."""

from datetime import datetime
from typing import Any

from litestar import Response, get

from app.cabinet import assets, story, words
from app.cabinet.cabinet import Cabinet
from app.cabinet.guard import needs
from app.cabinet.lists import asking
from app.cabinet.payouts import FILTERS, filters_of
from app.cabinet.seat import seat_of
from app.core.errors import ApiError, Code
from app.core.keyset import page_or_first
from app.insight import timeline
from app.merchants.roles import Permission
from app.portal.paging import PAGE_LENGTH
from app.portal.portal import Asked


def handlers(cabinet: Cabinet) -> list[Any]:
    """`refunds`, `refunds/{id}`."""
    gateway = cabinet.gateway

    @get("/refunds", opt=needs(Permission.VIEW))
    async def refunds(request: Asked) -> Response[Any]:
        seat, wanted = seat_of(request), asking(request, *FILTERS)
        filters = filters_of(cabinet, seat, wanted)
        page = await page_or_first(
            lambda place: gateway.withdrawal_reader.refunds(seat.merchant_id, seat.mode, filters, place, PAGE_LENGTH),
            wanted.place,
        )
        context = {
            "asking": wanted,
            "rows": [{"body": one, "created_at": datetime.fromisoformat(one.created_at)} for one in page],
            "pager": wanted.pager(page),
            "states": list(words.WITHDRAWAL_STATES.items()),
            "state_words": words.WITHDRAWAL_STATES,
            "assets": assets.options(assets.every(gateway, seat)),
        }
        return await cabinet.page(request, "cabinet/refunds/list.html", context)

    @get("/refunds/{refund_id:str}", opt=needs(Permission.VIEW))
    async def refund(request: Asked, refund_id: str) -> Response[Any]:
        seat = seat_of(request)
        body = await gateway.withdrawal_reader.refund(seat.merchant_id, seat.mode, refund_id)
        if body is None:
            raise ApiError(Code.REFUND_NOT_FOUND, "no such refund")
        network = gateway.networks.by(body.chain, seat.mode)
        facts = await timeline.of_withdrawal(seat.merchant_id, seat.mode, refund_id)
        context = {
            "refund": body,
            "created_at": datetime.fromisoformat(body.created_at),
            "story": story.tell(facts, gateway.networks, seat),
            "state_words": words.WITHDRAWAL_STATES,
            "network_name": network.display_name,
            "explorer": network.explorer_tx_url or "",
        }
        return await cabinet.page(request, "cabinet/refunds/detail.html", context)

    return [refunds, refund]
