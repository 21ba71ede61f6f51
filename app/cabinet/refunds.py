"""Refunds: the list and one refund. They are asked for on the page of their invoice."""

from datetime import datetime
from typing import Any

from litestar import Response, get

from app.cabinet import assets, labels, timeline_labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.lists import asking
from app.cabinet.payouts import FILTERS, filters_of
from app.core.errors import ApiError, Code
from app.core.keyset import page_or_first
from app.identity.identity import Asked
from app.identity.paging import PAGE_LENGTH
from app.merchants.roles import Permission
from app.reports import timeline


def handlers(cabinet: Cabinet) -> list[Any]:
    """`refunds`, `refunds/{id}`."""
    services = cabinet.services

    @get("/refunds", opt=needs(Permission.VIEW))
    async def refunds(request: Asked) -> Response[Any]:
        ctx, wanted = context_of(request), asking(request, *FILTERS)
        filters = filters_of(cabinet, ctx, wanted)
        page = await page_or_first(
            lambda place: services.withdrawal_reader.refunds(ctx.merchant_id, ctx.mode, filters, place, PAGE_LENGTH),
            wanted.place,
        )
        context = {
            "asking": wanted,
            "rows": [{"body": one, "created_at": datetime.fromisoformat(one.created_at)} for one in page],
            "pager": wanted.pager(page),
            "states": list(labels.WITHDRAWAL_STATES.items()),
            "state_words": labels.WITHDRAWAL_STATES,
            "assets": assets.options(assets.every(services, ctx)),
        }
        return await cabinet.page(request, "cabinet/refunds/list.html", context)

    @get("/refunds/{refund_id:str}", opt=needs(Permission.VIEW))
    async def refund(request: Asked, refund_id: str) -> Response[Any]:
        ctx = context_of(request)
        body = await services.withdrawal_reader.refund(ctx.merchant_id, ctx.mode, refund_id)
        if body is None:
            raise ApiError(Code.REFUND_NOT_FOUND, "no such refund")
        network = services.networks.by(body.chain, ctx.mode)
        facts = await timeline.of_withdrawal(ctx.merchant_id, ctx.mode, refund_id)
        context = {
            "refund": body,
            "created_at": datetime.fromisoformat(body.created_at),
            "timeline": timeline_labels.entries(facts, services.networks, ctx),
            "state_words": labels.WITHDRAWAL_STATES,
            "network_name": network.display_name,
            "explorer": network.explorer_tx_url or "",
        }
        return await cabinet.page(request, "cabinet/refunds/detail.html", context)

    return [refunds, refund]
