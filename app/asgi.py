"""The web process: every face, guard and error handler, wired in one screen. Granian runs `serve()`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Router

from app.api import reference
from app.api.straight import StraightApi
from app.api.v1.router import merchant_api
from app.api_keys.authentication import Authenticator
from app.api_keys.deprecated_calls import DeprecatedCalls
from app.cabinet import routes as cabinet
from app.checkout import routes as checkout
from app.checkout.wallet import CustomerWallet
from app.core import gc_tuning, logging, tracing
from app.core.leaving_out import leaving_out
from app.core.settings import Settings, load
from app.documentation import routes as documentation
from app.identity import routes as identity_pages
from app.identity.identity import Identity
from app.live.hub import LiveHub
from app.monitoring import routes as ops
from app.operator.router import desk_routes
from app.signer.environment import refuse_secrets
from app.transparency import routes as proof
from app.web import site
from app.web.connections import limited_connections
from app.web.edge import Edge
from app.web.errors import exception_handlers
from app.web.pages import Pages, static_files
from app.web.rate_limits import RateLimiter
from app.web.routing import App
from app.web.stopping import Stopping, drained
from app.wiring import Services, running, wire


def create_app(
    settings: Settings | None = None,
    wallet: Callable[[Services], CustomerWallet] | None = None,
    sandbox_routes: Callable[[Pages], Router] | None = None,
) -> Any:
    """The ASGI application. Without `settings` they come from the environment; raises SettingsError, and
    SignerSettingsError where a spending key is within reach.

    It may be made before processes are forked that serve it. So nothing here may connect, start a thread, or draw what
    must be one process's own; that is for the lifespan, or for a first use.

    `wallet` makes what pays invoices at the press of a button, `sandbox_routes` the gallery of components; both are
    only for the sandbox (app/sandbox/asgi.py).
    """
    if settings is None:
        refuse_secrets()
        settings = load()
    if (wallet or sandbox_routes) and settings.environment != "sandbox":
        raise ValueError("only a sandbox has a wallet that pays, and a gallery")
    logging.configure(level=settings.log_level, json=settings.log_format == "json")
    tracing.begin(settings.traces_url, percent=settings.traces_percent, process="web")
    services = wire(settings)
    authenticator = Authenticator(settings.api_key_peppers)
    rate_limiter = RateLimiter()
    deprecated_calls = DeprecatedCalls()
    pages = Pages()
    identity = Identity(services, pages, rate_limiter)
    hub = LiveHub()
    stopping = Stopping()

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with running(services, limit_each_wait_s=settings.database_wait_s, reads_standbys=True):
            hub.open()
            with limited_connections(settings), drained(stopping, settings.web_drain_s, hub.end_streams):
                yield
            await hub.close()
            await authenticator.close()
            await deprecated_calls.close()
        await asyncio.to_thread(tracing.end)

    api = merchant_api(services, authenticator, rate_limiter, deprecated_calls)
    with leaving_out("pydantic"):  # Litestar would import it and add its plugins, and no input of ours is its
        app = App(
            route_handlers=[
                api,
                *reference.routes(api, pages, settings.public_url),
                *documentation.routes(pages, rate_limiter, settings.public_url),
                *checkout.routes(services, pages, hub, rate_limiter, wallet and wallet(services)),
                *identity_pages.routes(identity),
                *cabinet.routes(identity, hub),
                desk_routes(identity, hub),
                static_files(),
                *site.routes(pages, settings, identity.home_of),
                *ops.routes(settings, stopping),
                *proof.routes(rate_limiter),
                *([sandbox_routes(pages)] if sandbox_routes else []),
            ],
            exception_handlers=exception_handlers(pages.error),
            lifespan=[lifespan],
            openapi_config=None,
            logging_config=None,
        )
    return Edge(app, settings, stopping, StraightApi(app))


def serve() -> Any:
    """The application of a process that does nothing else. Raises what `create_app` raises."""
    with gc_tuning.importing():
        app = create_app()
    gc_tuning.settle()
    return app
