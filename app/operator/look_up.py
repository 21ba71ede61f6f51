"""Looking things up at the desk, read-only: what a text names, an invoice of any merchant, and an address."""

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.audit import log
from app.audit.log import Filters
from app.backoffice import addresses, invoices, merchants, withdrawals
from app.core import clock, ids
from app.identity.identity import PageRequest
from app.identity.paging import address as url_of
from app.lookups import lookup_form
from app.lookups.asking import MOST_CHARACTERS, txid_in
from app.networks.recognition import recognise
from app.operator import lists, timeline
from app.operator.desk import Desk, nothing_here
from app.reports import timeline as facts
from app.wiring import Services

ACTIONS_SHOWN = 20

LONGEST_ADDRESS = 120


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers of `/desk/look-up`, `/desk/invoices/{id}` and `/desk/addresses/{address}`."""
    services = desk.services

    @get("/look-up")
    async def look_up(request: PageRequest) -> Response[Any]:
        text = lists.text(request, "q", MOST_CHARACTERS)
        if text and (page := await _page_of(text, services)):
            return desk.identity.redirect(request, page)
        context = {"text": text, "networks": lookup_form.choices(services.networks, None)}
        return await desk.page(request, "look_up/start", context)

    @get("/invoices/{invoice_id:str}")
    async def invoice(request: PageRequest, invoice_id: str) -> Response[bytes]:
        owner = await invoices.owner_of(invoice_id)
        if owner is None:
            raise nothing_here()
        body = await services.invoice_reader.get(owner.merchant_id, owner.mode, invoice_id)
        if body is None:
            raise nothing_here()
        refunds = await invoices.refunds_of(invoice_id)
        actions = await log.page(Filters(subject=invoice_id), None, ACTIONS_SHOWN)
        context = {
            "invoice": body,
            "owner": owner,
            "network": None if body.pay_in is None else f"{body.pay_in.chain}:{body.mode}",
            "deposits": await invoices.deposits_of(invoice_id),
            "refunds": refunds,
            "deliveries": await invoices.deliveries_of(invoice_id, [refund.id for refund in refunds]),
            "entries": timeline.entries(await facts.of_invoice(owner.merchant_id, owner.mode, invoice_id)),
            "actions": actions,
        }
        actors = [each.actor for each in actions]
        return await desk.page(request, "look_up/invoice", context, actors=actors)

    @get("/addresses/{address:str}")
    async def address(request: PageRequest, address: str) -> Response[bytes]:
        text = address.replace("\0", "").strip()
        if not text or len(text) > LONGEST_ADDRESS:
            raise nothing_here()
        kind = recognise(text)
        details = await addresses.details_of(text, services.networks)
        if kind is None and not details.is_known:
            raise nothing_here()
        explorers = [
            network.title for network in services.networks if network.key in {p.network for p in details.pools}
        ]
        context = {"address": text, "kind": kind, "details": details, "networks": explorers}
        return await desk.page(request, "look_up/address", context)

    return [look_up, invoice, address]


async def _page_of(text: str, services: Services) -> str | None:
    """The page of what a text names, None where it names nothing that we have. A text that is no id, no address and no
    transaction is a part of a merchant's name."""
    as_id = text.upper()
    for prefix, find in _BY_PREFIX.items():
        if as_id.startswith(f"{prefix}-"):
            return await find(as_id)
    if recognise(text) is not None:
        return f"/desk/addresses/{text}" if "/" not in text else None
    for network in services.networks:
        try:
            txid = txid_in(text, network)
        except ValueError:
            continue
        return url_of("/desk/transactions", {"txid": txid})
    return url_of("/desk/merchants", {"q": text[:100]})


async def _invoice(invoice_id: str) -> str | None:
    return f"/desk/invoices/{invoice_id}" if await invoices.owner_of(invoice_id) else None


async def _withdrawal(withdrawal_id: str) -> str | None:
    found = await withdrawals.details_of(withdrawal_id, clock.now())
    return f"/desk/approvals/{withdrawal_id}" if found else None


async def _deposit(deposit_id: str) -> str | None:
    """Its review, where it has one, else its invoice."""
    if await invoices.has_review(deposit_id):
        return f"/desk/reviews/{deposit_id}"
    invoice_id = await invoices.invoice_of_deposit(deposit_id)
    return None if invoice_id is None else f"/desk/invoices/{invoice_id}"


async def _merchant(merchant_id: str) -> str | None:
    return f"/desk/merchants/{merchant_id}" if await merchants.names([merchant_id]) else None


_BY_PREFIX: dict[str, Callable[[str], Awaitable[str | None]]] = {
    ids.INVOICE: _invoice,
    ids.PAYOUT: _withdrawal,
    ids.REFUND: _withdrawal,
    ids.DEPOSIT: _deposit,
    ids.MERCHANT: _merchant,
}
