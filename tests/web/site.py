"""A small site behind the real edge, guard, limiter and renderer, to test them on any route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any

import httpx
import msgspec
from litestar import Litestar, Request, get, post

from app.api.guard import MerchantRouter, requires, requires_any_key
from app.api_keys.authentication import Authenticator, Principal
from app.api_keys.scopes import Scope
from app.core import database, redis
from app.core.settings import Settings, load
from app.monitoring.routes import routes as ops_routes
from app.web import errors, paging
from app.web.edge import Edge
from app.web.rate_limits import RateLimiter
from app.web.routing import App
from app.web.stopping import Stopping

THINGS = "/api/v1/merchant/things"
CUSTOMER_ADDRESS = "203.0.113.5"


class Detail(msgspec.Struct, forbid_unknown_fields=True):
    """Something nested."""

    colour: str


class NewThing(msgspec.Struct, forbid_unknown_fields=True):
    """A body with the kinds of fields that real ones have."""

    name: Annotated[str, msgspec.Meta(max_length=20)]
    detail: Detail | None = None
    metadata: dict[str, Any] = {}


@get("/things", opt=requires(Scope.INVOICES_READ))
async def list_things(request: Request[Any, Any, Any], principal: Principal) -> dict[str, Any]:
    """The caller's things, and the requested page."""
    query = paging.parse_query(request.scope["query_string"], {"limit", "cursor", "status"})
    page = paging.parse_page(query)
    return {"merchant_id": principal.merchant_id, "mode": principal.mode, "limit": page.limit, "query": query}


@post("/things", opt=requires(Scope.INVOICES_WRITE))
async def make_thing(data: NewThing, principal: Principal) -> dict[str, Any]:
    """The parsed body."""
    return {"name": data.name, "merchant_id": principal.merchant_id}


@get("/things/{thing_id:str}", opt=requires(Scope.INVOICES_READ))
async def get_thing(thing_id: str) -> dict[str, str]:
    """Looks it up in Postgres, as real routes do."""
    return {"found": await database.fetch_value("SELECT $1::text", thing_id)}


@get("/open", opt=requires_any_key(), sync_to_thread=False)
def open_to_any_key() -> dict[str, str]:
    """Needs a key and no scope."""
    return {}


@get("/api/boom", sync_to_thread=False)
def api_boom() -> None:
    """A bug."""
    raise RuntimeError("the secret is swordfish")


@get("/api/typed", sync_to_thread=False)
def api_typed(count: int) -> dict[str, int]:
    """Litestar's own validation."""
    return {"count": count}


@get(["/page", "/page/{name:str}"], media_type="text/html", sync_to_thread=False)
def page() -> str:
    """A page."""
    return "<!doctype html><title>Hello</title>"


@get("/boom", sync_to_thread=False)
def page_boom() -> None:
    """A bug behind a page."""
    raise RuntimeError("the secret is swordfish")


def make_site(settings: Settings, *, access_log: bool = False, **litestar_options: Any) -> Edge:
    """The site; it expects the pool and the Redis client to be open."""
    merchant_api = MerchantRouter(
        "/api/v1/merchant",
        route_handlers=[list_things, make_thing, get_thing, open_to_any_key],
        authenticator=Authenticator(settings.api_key_peppers),
        rate_limiter=RateLimiter(),
    )
    stopping = Stopping()
    app = App(
        [merchant_api, api_boom, api_typed, page, page_boom, *ops_routes(settings, stopping)],
        exception_handlers=errors.exception_handlers(),
        openapi_config=None,
        logging_config=None,
        **litestar_options,
    )
    return Edge(app, replace(settings, log_level="INFO" if access_log else "WARNING"), stopping)


def served_site() -> Edge:
    """The site as Granian's processes serve it, with settings from the environment and resources of its own."""
    settings = load()

    @asynccontextmanager
    async def resources(_: Litestar) -> AsyncIterator[None]:
        await database.open_pool(settings.database_url, max_size=5)
        redis.open_client(settings.redis_url)
        yield
        await redis.close_client()
        await database.close_pool()

    return make_site(settings, lifespan=[resources])


def client(site: Edge, address: str = CUSTOMER_ADDRESS) -> httpx.AsyncClient:
    """A client of the site with this address."""
    transport = httpx.ASGITransport(app=site, client=(address, 40000), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="https://pay.example.test")
