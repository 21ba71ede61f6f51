"""Every page of the cabinet."""

from litestar import Router

from app.cabinet import (
    application,
    audit,
    balances,
    dashboard,
    embedding,
    events,
    exports,
    first_steps,
    glossary,
    invitation,
    invoices,
    keys,
    ledger,
    live,
    member_removal,
    merchant_picker,
    nav,
    new_invoice,
    open_invitations,
    payment_link_forms,
    payment_links,
    payouts,
    prepared_exports,
    price_settings,
    refunds,
    reports,
    return_addresses,
    reviews,
    saved_filters,
    search,
    search_outside,
    security,
    settings,
    statements,
    team,
    till,
    transactions,
    webhook_checks,
    webhooks,
    work,
)
from app.cabinet.cabinet import Cabinet
from app.cabinet.guard import MerchantPages
from app.identity.guard import signed_in_router
from app.identity.identity import Identity
from app.live.hub import LiveHub

PAGES = (
    dashboard,
    application,
    invoices,
    new_invoice,
    payment_links,
    payment_link_forms,
    till,
    payouts,
    refunds,
    reviews,
    search,
    saved_filters,
    first_steps,
    glossary,
    transactions,
    return_addresses,
    balances,
    reports,
    statements,
    ledger,
    exports,
    prepared_exports,
    work,
    keys,
    webhooks,
    webhook_checks,
    events,
    team,
    open_invitations,
    member_removal,
    security,
    settings,
    price_settings,
    embedding,
    audit,
)
"""Modules with `handlers(cabinet)`: pages of one merchant in one mode. A new one goes here, and into nav.py."""


def routes(identity: Identity, hub: LiveHub) -> list[Router]:
    """The routes for app/asgi.py."""
    cabinet = Cabinet(identity, hub)
    of_merchant = [handler for page in PAGES for handler in page.handlers(cabinet)] + live.handlers(cabinet, hub)
    pages = MerchantPages("/{merchant_id:str}/{mode:str}", route_handlers=of_merchant)
    return [
        signed_in_router(
            "/cabinet",
            [*merchant_picker.handlers(cabinet), *search_outside.handlers(cabinet), pages],
            identity,
            nav.of_request,
        ),
        *invitation.routers(identity),
    ]
