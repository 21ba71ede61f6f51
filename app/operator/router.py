"""The router of `/desk`: every page of the desk, behind the guard that admits only operators."""

from litestar import Router

from app.identity.guard import operator_router
from app.identity.identity import Identity
from app.live.hub import LiveHub
from app.operator import (
    alerts,
    applications,
    approvals,
    audit_log,
    energy,
    holds,
    invoice_reviews,
    ledgers,
    live,
    look_up,
    merchants,
    networks,
    queue,
    reconciliation,
    reviews,
    search,
    switches,
    transactions,
)
from app.operator.desk import Desk
from app.operator.nav import nav_of_request

PAGES = (
    queue,
    approvals,
    holds,
    reviews,
    invoice_reviews,
    applications,
    alerts,
    merchants,
    networks,
    search,
    transactions,
    look_up,
    energy,
    ledgers,
    reconciliation,
    switches,
    audit_log,
)


def desk_routes(identity: Identity, hub: LiveHub) -> Router:
    """The routes below `/desk`."""
    desk = Desk(identity.services, identity)
    handlers = [handler for page in PAGES for handler in page.routes(desk)] + live.handlers(hub)
    return operator_router("/desk", handlers, identity, nav_of_request)
