"""Who may call the merchant API: one guard around the whole router, so that no route can forget it.

Every route names the scope that it requires: `@get("/invoices", opt=requires(Scope.INVOICES_READ) | described(…))`. The
app does not start with a route that names none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Request
from litestar.di import Provide
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ControllerRouterHandler

from app.api.deprecations import Watch
from app.api.dispatch import PARAMETERS, PRINCIPAL, Call
from app.api.operation import DESCRIPTION, Description, Parameters
from app.api_keys.authentication import Authenticator, Principal
from app.api_keys.scopes import Scope
from app.core import clock
from app.core.errors import ApiError, Code
from app.web import standby_reads
from app.web.rate_limits import RateLimiter, refuse_exceeded
from app.web.routing import Router
from app.webhooks.service import Actor

_OPT = "api_key_scope"
_ANY_SCOPE = "any"


def requires(scope: Scope) -> dict[str, Any]:
    """A route's `opt`: the key must hold `scope`."""
    return {_OPT: scope.value}


def requires_any_key() -> dict[str, Any]:
    """A route's `opt`: any valid key is enough, as for the list of assets, which is not secret."""
    return {_OPT: _ANY_SCOPE}


def required_scope(handler: HTTPRouteHandler) -> str | None:
    """The scope that a route's key must hold; None where any key is enough."""
    declared: str = handler.opt[_OPT]
    return None if declared == _ANY_SCOPE else declared


class MerchantRouter(Router):
    """The router of the merchant API: its routes get the key's `principal` and strictly checked queries and bodies.

    Handlers take `principal: Principal`, `parameters: Parameters` (the query), `data: SomeStruct` (the body),
    `request` and the parameters of their path (app/api/dispatch.py).
    """

    def __init__(
        self,
        path: str,
        *,
        route_handlers: Sequence[ControllerRouterHandler],
        authenticator: Authenticator,
        rate_limiter: RateLimiter,
        watches: Mapping[str, Watch] | None = None,
        **router_options: Any,
    ) -> None:
        guard = KeyGuard(authenticator, rate_limiter, watches or {})

        def guarded(app: Any) -> KeyGuard:  # not called: the guard calls the handler itself
            return guard

        super().__init__(
            path,
            route_handlers=route_handlers,
            middleware=[guarded],
            dependencies={  # so that Litestar does not take them for query parameters
                PRINCIPAL: Provide(_principal_of, sync_to_thread=False),
                PARAMETERS: Provide(_parameters_of, sync_to_thread=False),
            },
            **router_options,
        )

    def register(self, value: ControllerRouterHandler) -> list[Any]:
        """As Litestar's own. Raises ImproperlyConfiguredException for a route that names no scope."""
        routes: list[Any] = list(super().register(value))
        for route in routes:
            for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
                _refuse_undeclared(route.path, handler)
                if handler.opt.get(_OPT):
                    Call(handler).refuse_unknown(set(route.path_parameters))
        return routes


class KeyGuard:
    """Lets a request through to its handler with principal and rate-limit window in `scope["state"]`, or raises."""

    def __init__(self, authenticator: Authenticator, rate_limiter: RateLimiter, watches: Mapping[str, Watch]) -> None:
        self._authenticator = authenticator
        self._rate_limiter = rate_limiter
        self._watches = watches
        self._calls: dict[Any, Call] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Authenticate, count against the rate limit, check scope and query, then call the handler.

        A request that is refused for its scope or query was counted too.
        """
        handler = scope["route_handler"]
        opt = handler.opt
        needed = opt[_OPT]
        state = scope["state"]
        presented = presented_key(scope["headers"])
        principal = await self._authenticator.authenticate(presented, state["client_address"], clock.now())
        window = await self._rate_limiter.take(f"key:{principal.key_id}", principal.rate_limit_per_minute)
        state["rate_limit"] = window
        refuse_exceeded(window, Code.RATE_LIMITED, "the API key")
        if needed != _ANY_SCOPE and not principal.may(needed):
            raise ApiError(Code.MISSING_SCOPE, f"the API key lacks the scope {needed}")
        state[PRINCIPAL] = principal
        description: Description | None = opt.get(DESCRIPTION)
        if description is not None:
            state[PARAMETERS] = description.read_query(scope["query_string"])
        watch = self._watches.get(handler.operation_id)
        if watch is not None:
            watch.note(state, principal, state.get(PARAMETERS, ()))
        if standby_reads.OPT in opt:
            await standby_reads.allow_key(opt, principal, state.get(PARAMETERS, ()))
        call = self._calls.get(handler)
        if call is None:
            call = self._calls[handler] = Call(handler, watch)
        await call(scope, receive, send)


def actor_of(request: Request[Any, Any, Any]) -> Actor:
    """The API key and client address of the request, for the audit log."""
    state = request.scope["state"]
    return Actor(f"api_key:{state[PRINCIPAL].key_id}", str(state["client_address"]))


def presented_key(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The key in `Authorization: Bearer` or `X-Merchant-API-Key`. Raises MISSING_API_KEY, INVALID_API_KEY.

    If it is sent more than once, all must be equal: a proxy and the app must never authenticate different callers.
    """
    given: set[bytes] = set()
    for name, value in headers:
        if name == b"authorization":
            kind, _, token = value.strip().partition(b" ")
            if value.strip() and kind.lower() != b"bearer":
                raise ApiError(Code.INVALID_API_KEY, "send the API key as Authorization: Bearer <key>")
            given.add(token.strip())
        elif name == b"x-merchant-api-key":
            given.add(value.strip())
    given.discard(b"")  # an unset shell variable gives an empty header
    if not given:
        raise ApiError(Code.MISSING_API_KEY, "send the API key as Authorization: Bearer <key>")
    if len(given) > 1:
        raise ApiError(Code.INVALID_API_KEY, "the request carries different API keys")
    return given.pop().decode("latin-1")


def _principal_of(request: Request[Any, Any, Any]) -> Principal:
    principal: Principal = request.scope["state"][PRINCIPAL]
    return principal


def _parameters_of(request: Request[Any, Any, Any]) -> Parameters:
    parameters: Parameters = request.scope["state"][PARAMETERS]
    return parameters


def _refuse_undeclared(path: str, handler: Any) -> None:
    declared = handler.opt.get(_OPT)
    if declared != _ANY_SCOPE and declared not in set(Scope):
        raise ImproperlyConfiguredException(f"{path}: {handler} does not say which scope it requires")
