"""The router of `/desk`: every page of the desk, behind the one guard that lets operators alone in."""

from litestar import Router

from app.operator import (
    alerts,
    applications,
    approvals,
    holds,
    ledgers,
    merchants,
    networks,
    queue,
    reconciliation,
    record,
    reviews,
    switches,
)
from app.operator.desk import Desk
from app.portal.guard import operator_router
from app.portal.portal import Portal

PAGES = (
    queue,
    approvals,
    holds,
    reviews,
    applications,
    alerts,
    merchants,
    networks,
    ledgers,
    reconciliation,
    switches,
    record,
)


def desk_routes(portal: Portal) -> Router:
    """The routes below `/desk`."""
    desk = Desk(portal.gateway, portal)
    return operator_router("/desk", [handler for page in PAGES for handler in page.routes(desk)], portal)
