"""Version 1 of the merchant API, put together."""

from litestar import Router

from app.api.guard import MerchantRouter
from app.api.v1 import books, events, invoices, networks, payouts, refunds, webhooks
from app.api_keys.authentication import Authenticator
from app.gateway import Gateway
from app.web.rate_limits import RateLimiter

BASE_PATH = "/api/v1/merchant"
"""Contract, section 2."""


def merchant_api(gateway: Gateway, authenticator: Authenticator, rate_limiter: RateLimiter) -> Router:
    """The router behind the key guard."""
    return MerchantRouter(
        BASE_PATH,
        route_handlers=[
            invoices.routes(gateway),
            *refunds.routes(gateway),
            payouts.routes(gateway),
            *books.routes(gateway),
            networks.routes(gateway),
            webhooks.routes(gateway),
            events.routes(gateway),
        ],
        authenticator=authenticator,
        rate_limiter=rate_limiter,
    )
