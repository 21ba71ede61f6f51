"""Access to `/cabinet/{merchant_id}/{mode}`: for members only, and only to what their role allows.

Others get 404, the same answer as for a merchant that does not exist.
"""

from collections.abc import Sequence
from typing import Any, cast, get_args

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler
from litestar.types import ControllerRouterHandler

from app.cabinet.context import MemberContext
from app.core.errors import ApiError, Code, Forbidden
from app.identity import cookies
from app.identity.identity import visitor_of
from app.merchants import team
from app.merchants.members import Member, member
from app.merchants.roles import ALLOWED, Permission, in_words
from app.merchants.terms import Mode
from app.web import standby_reads
from app.web.routing import Router

NEEDS = "cabinet_permissions"

MOST_NAMED = 3
"""People whom a refusal names, to be asked for another role."""


def needs(*permissions: Permission) -> dict[str, Any]:
    """A route's `opt`: what a member must be allowed to do, all of it."""
    return {NEEDS: permissions}


class MerchantPages(Router):
    """The router of one merchant's pages in one mode; `context_of(request)` says which."""

    def __init__(self, path: str, *, route_handlers: Sequence[ControllerRouterHandler]) -> None:
        super().__init__(path, route_handlers=route_handlers, guards=[load_context])

    def register(self, value: ControllerRouterHandler) -> list[Any]:
        """As Litestar's own. Raises ImproperlyConfiguredException for a route that names no permission."""
        routes: list[Any] = list(super().register(value))
        for route in routes:
            for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
                _refuse_undeclared(route.path, handler)
        return routes


async def load_context(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Load the member and put the context into the request. Raises NOT_FOUND, Forbidden, MERCHANT_…"""
    request = cast(Request[Any, Any, Any], connection)
    visitor = visitor_of(request)
    merchant_id, mode = request.path_params["merchant_id"], request.path_params["mode"]
    found = await member(visitor.account_id, merchant_id, address=visitor.address) if mode in get_args(Mode) else None
    if found is None:
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
    needed = handler.opt[NEEDS]
    ctx = MemberContext(found, cast(Mode, mode))
    request.scope["state"]["ctx"] = ctx  # a refusal's page is theirs too
    if request.cookies.get(cookies.PLACE) != ctx.place:
        cookies.put(request, cookies.PLACE, ctx.place, lifetime=cookies.PLACE_LIFETIME)
    await require(found, needed, cast(Mode, mode))
    standby_reads.allow_visitor(request, handler.opt)


async def require(found: Member, needed: Sequence[Permission], mode: Mode) -> None:
    """Raises MERCHANT_…, or Forbidden, which says which role it takes and whom to ask for it."""
    try:
        for permission in needed:
            found.require(permission, mode)
    except Forbidden as refused:
        if found.role not in ALLOWED:  # nobody can help but the upgrade
            raise
        givers = [one for one in await team.who_give_roles(found.merchant_id) if one.account_id != found.account_id]
        if not givers:
            raise
        names = in_words([f"{one.name} ({one.role})" for one in givers[:MOST_NAMED]])
        raise Forbidden(f"{refused.message}. Ask {names} for it") from None


def _refuse_undeclared(path: str, handler: Any) -> None:
    if not set(Permission).issuperset(handler.opt.get(NEEDS) or ("",)):
        raise ImproperlyConfiguredException(f"{path}: {handler} does not say what a member must be allowed to do")
