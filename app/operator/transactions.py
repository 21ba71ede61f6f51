"""Where is a payment? What became of any transaction, of whichever merchant."""

from collections.abc import Sequence
from contextlib import suppress

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import transactions as sent
from app.backoffice.transactions import ListedPayment, ListedTransaction
from app.identity.forms import Form
from app.identity.identity import PageRequest
from app.lookups import limits, lookup_form
from app.lookups.asking import txid_in
from app.lookups.facts import Viewer
from app.operator.desk import Desk
from app.wiring import Services


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
            "ours": await _ours(services, given.text),
        }
        return await desk.page(request, "transactions", context)

    return [transactions]


async def _ours(services: Services, text: str) -> list[tuple[ListedTransaction, Sequence[ListedPayment]]]:
    """Our own transactions with the id that a text holds, each with its payments; one, or none, as a rule."""
    found = []
    for network in services.networks:
        with suppress(ValueError):
            transaction = await sent.of_txid(network.key, txid_in(text, network))
            if transaction is not None:
                found.append((transaction, await sent.payments(transaction.id)))
    return found
