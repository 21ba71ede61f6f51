"""The router of version 1 of the merchant API."""

from litestar import Router

from app.api import deprecations
from app.api.guard import MerchantRouter
from app.api.v1 import (
    books,
    events,
    invoices,
    networks,
    payment_links,
    payouts,
    rates,
    refunds,
    statements,
    transactions,
    webhooks,
)
from app.api_keys.authentication import Authenticator
from app.api_keys.deprecated_calls import DeprecatedCalls
from app.web.rate_limits import RateLimiter
from app.wiring import Services

BASE_PATH = "/api/v1/merchant"
"""Contract, section 2."""


def merchant_api(
    services: Services, authenticator: Authenticator, rate_limiter: RateLimiter, deprecated_calls: DeprecatedCalls
) -> Router:
    """Every route of the API, behind the key guard."""
    return MerchantRouter(
        BASE_PATH,
        route_handlers=[
            invoices.routes(services),
            payment_links.routes(services),
            *refunds.routes(services),
            payouts.routes(services),
            *books.routes(services),
            statements.routes(),
            networks.routes(services),
            rates.routes(),
            transactions.routes(services, rate_limiter),
            webhooks.routes(services),
            events.routes(services),
        ],
        authenticator=authenticator,
        rate_limiter=rate_limiter,
        watches=deprecations.watches(services.settings.public_url, deprecated_calls),
    )
