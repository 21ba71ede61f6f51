"""Health, readiness and metrics, for operators.

`/healthz` answers 200 while the process runs; restart the process when it does not answer. `/readyz` answers 503
while the database is unreachable, and once this process is about to stop (app/web/stopping.py). Without Redis the
process still works, so the state is "degraded" with status 200; under Sentinel also while a replica or the word of a
sentinel is missing. The same holds for a network that is behind or halted: sending traffic to another instance would
not help, and if every instance answered 503 at once, a late block would become an outage of the API. Set alerts on
`/metrics`.
"""

import asyncio
import hmac
from collections.abc import Awaitable
from typing import Any, Literal, TypeVar

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice.networks import MAX_LAG_BLOCKS, MAX_UNCHECKED
from app.core import clock, metrics, redis
from app.core.errors import ApiError, Code
from app.core.logging import get_logger
from app.core.settings import Settings
from app.deposits import outages_repository
from app.monitoring import gauges, repository
from app.monitoring.repository import NetworkState
from app.web.stopping import Stopping

log = get_logger(__name__)

CHECK_TIMEOUT_S = 1.0
"""The answer comes within two seconds even if a server hangs (contract, section 2)."""

T = TypeVar("T")
State = Literal["ok", "degraded", "down"]


class NetworkCheck(msgspec.Struct, frozen=True):
    """One network's state. `reason` is `halted`, `node syncing`, `node unavailable`, `behind` or `not watched`."""

    state: State
    lag_blocks: int
    reason: str | None


class Readiness(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer of `/readyz`: the overall state, and the state of each check.

    `stopping` is there where this process is about to stop: send it no more requests.
    """

    state: State
    database: State
    redis: State
    networks: dict[str, NetworkCheck]
    stopping: bool = False


def routes(settings: Settings, stopping: Stopping) -> list[HTTPRouteHandler]:
    """The handlers to mount at the root of the app. `/metrics` is a 404 without the token of the settings."""

    @get("/healthz", include_in_schema=False, sync_to_thread=False)
    def healthz() -> dict[str, str]:
        return {"state": "ok"}

    @get("/readyz", include_in_schema=False)
    async def readyz() -> Response[Readiness]:
        ready = await readiness()
        if stopping.has_begun:
            ready = msgspec.structs.replace(ready, state="down", stopping=True)
        headers = {"Retry-After": "5"} if ready.state == "down" else None
        return Response(ready, status_code=503 if ready.state == "down" else 200, headers=headers)

    @get("/metrics", include_in_schema=False)
    async def scrape(request: Request[Any, Any, Any]) -> Response[bytes]:
        _require_token(request, settings.metrics_token)
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                figures = await gauges.gauges(clock.now())
        except Exception as error:  # the counters of this process are still useful without the database
            log.warning("metrics_without_database", error=str(error))
            figures = []
        up = metrics.Gauge("swap_pay_database_up", "1 if the figures of the database could be read", bool(figures))
        return Response(metrics.render([up, *figures]), media_type=metrics.CONTENT_TYPE)

    return [healthz, readyz, scrape]


async def readiness() -> Readiness:
    """Check database, Redis and networks. Never raises."""
    states, outages, standing = await asyncio.gather(
        _attempt(repository.network_states()), _attempt(outages_repository.outages()), _attempt(redis.standing())
    )
    redis_state: State = "down" if standing is None else "ok" if standing.is_whole else "degraded"
    out = {outage.network: "node syncing" if outage.is_syncing else "node unavailable" for outage in outages or []}
    networks = {network: NetworkCheck("degraded", 0, reason) for network, reason in out.items()}
    networks |= {state.network: _judge(state, out.get(state.network)) for state in states or []}
    impaired = redis_state != "ok" or any(check.state != "ok" for check in networks.values())
    return Readiness(
        state="down" if states is None else "degraded" if impaired else "ok",
        database="down" if states is None else "ok",
        redis=redis_state,
        networks=networks,
    )


def _judge(state: NetworkState, outage: str | None) -> NetworkCheck:
    if state.halted:
        reason = "halted"
    elif outage is not None:
        reason = outage
    elif clock.now() - state.checked_at > MAX_UNCHECKED:
        reason = "not watched"
    elif state.lag_blocks > MAX_LAG_BLOCKS:
        reason = "behind"
    else:
        return NetworkCheck("ok", state.lag_blocks, None)
    return NetworkCheck("degraded", state.lag_blocks, reason)


async def _attempt(check: Awaitable[T]) -> T | None:
    """The result of a check; None if it failed or took too long. The reason is logged, not published."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check
    except Exception as error:
        log.warning("readiness_check_failed", error=str(error) or type(error).__name__)
        return None


def _require_token(request: Request[Any, Any, Any], token: str | None) -> None:
    given = request.headers.get("authorization", "")
    if token is None or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
        raise ApiError(Code.NOT_FOUND, "there is nothing here")
