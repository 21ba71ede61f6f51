"""Refunds: the list and one refund. They are requested on the page of their invoice."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.withdrawals import detail_context, list_context
from app.core.errors import ApiError, Code
from app.identity.identity import PageRequest
from app.merchants.roles import Permission
from app.web.standby_reads import FROM_STANDBY


def handlers(cabinet: Cabinet) -> list[Any]:
    """`refunds`, `refunds/{id}`."""
    reader = cabinet.services.withdrawal_reader

    @get("/refunds", opt=needs(Permission.VIEW) | FROM_STANDBY)
    async def refunds(request: PageRequest) -> Response[Any]:
        context = await list_context(cabinet, request, "refund", reader.refunds)
        return await cabinet.page(request, "cabinet/refunds/list.html", context)

    @get("/refunds/{refund_id:str}", opt=needs(Permission.VIEW))
    async def refund(request: PageRequest, refund_id: str) -> Response[Any]:
        ctx = context_of(request)
        body = await reader.refund(ctx.merchant_id, ctx.mode, refund_id)
        if body is None:
            raise ApiError(Code.REFUND_NOT_FOUND, "no such refund")
        context = {"refund": body, **await detail_context(cabinet, ctx, body)}
        return await cabinet.page(request, "cabinet/refunds/detail.html", context)

    return [refunds, refund]
