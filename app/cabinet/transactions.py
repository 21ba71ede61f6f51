"""Where is a payment? What became of a transaction that a customer names."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.core.errors import ApiError, Code
from app.identity.forms import Form
from app.identity.identity import PageRequest
from app.lookups import limits, lookup_form
from app.lookups.facts import Viewer
from app.merchants.roles import Permission


def handlers(cabinet: Cabinet) -> list[Any]:
    """`transactions`."""
    services, identity = cabinet.services, cabinet.identity

    @get("/transactions", opt=needs(Permission.VIEW))
    async def transactions(request: PageRequest) -> Response[Any]:
        ctx, given = context_of(request), lookup_form.given(request.query_params)
        if given.invoice_id and not await services.invoice_reader.get(ctx.merchant_id, ctx.mode, given.invoice_id):
            raise ApiError(Code.INVOICE_NOT_FOUND, "no such invoice")
        shown, error = None, ""
        if given.text:
            await limits.count(identity.rate_limiter, request.scope["state"])
            viewer = Viewer.merchant(ctx.merchant_id, ctx.mode, given.invoice_id or None)
            shown, error = await lookup_form.answer(services.lookups, services.networks, given, ctx.mode, viewer)
        context = {
            "form": Form(
                values={"txid": given.text, "network": given.network}, errors={"txid": error} if error else {}
            ),
            "networks": lookup_form.choices(services.networks, ctx.mode),
            "shown": shown,
            "for_invoice": given.invoice_id,
        }
        return await cabinet.page(request, "cabinet/transactions.html", context)

    return [transactions]
