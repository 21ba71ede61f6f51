"""Every page of the cabinet."""

from litestar import Router

from app.cabinet import (
    application,
    audit,
    balances,
    choice,
    events,
    exports,
    home,
    invitation,
    invoices,
    keys,
    ledger,
    new_invoice,
    payouts,
    refunds,
    removal,
    reviews,
    security,
    settings,
    team,
    webhooks,
)
from app.cabinet.cabinet import Cabinet
from app.cabinet.guard import MerchantPages
from app.portal.guard import signed_in_router
from app.portal.portal import Portal

PAGES = (
    home,
    application,
    invoices,
    new_invoice,
    payouts,
    refunds,
    reviews,
    balances,
    ledger,
    exports,
    keys,
    webhooks,
    events,
    team,
    removal,
    security,
    settings,
    audit,
)
"""Modules with `handlers(cabinet)`: pages of one merchant in one mode. A new one goes here, and into nav.py."""


def routes(portal: Portal) -> list[Router]:
    """What app/asgi.py serves."""
    cabinet = Cabinet(portal)
    of_merchant = [handler for page in PAGES for handler in page.handlers(cabinet)]
    pages = MerchantPages("/{merchant_id:str}/{mode:str}", route_handlers=of_merchant)
    return [
        signed_in_router("/cabinet", [*choice.handlers(cabinet), pages], portal),
        *invitation.routers(portal),
    ]
