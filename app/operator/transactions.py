"""Where is a payment? What became of any transaction, of whichever merchant."""

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.identity.forms import Form
from app.identity.identity import PageRequest
from app.lookups import limits, lookup_form
from app.lookups.facts import Viewer
from app.operator.desk import Desk


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handler of `/desk/transactions`."""
    services = desk.services

    @get("/transactions")
    async def transactions(request: PageRequest) -> Response[bytes]:
        given = lookup_form.given(request.query_params)
        shown, error = None, ""
        if given.text:
            await limits.count(desk.identity.rate_limiter, request.scope["state"])
            shown, error = await lookup_form.answer(services.lookups, services.networks, given, None, Viewer.operator())
        context = {
            "form": Form(
                values={"txid": given.text, "network": given.network}, errors={"txid": error} if error else {}
            ),
            "networks": lookup_form.choices(services.networks, None),
            "shown": shown,
        }
        return await desk.page(request, "transactions", context)

    return [transactions]
