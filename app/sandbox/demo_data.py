"""The demo's data: a merchant with its owner, an API key and a webhook endpoint, and an operator."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from app.accounts import service as accounts
from app.api_keys import service as api_keys
from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.errors import ApiError
from app.core.settings import load
from app.events.types import EVENT_TYPES
from app.merchants import service as merchants
from app.sandbox.home import Demo, Home, Login, ShopEndpoint
from app.webhooks import service as webhooks
from app.wiring import Services, running, wire

MERCHANT_NAME = "Demo Merchant"
MERCHANT_EMAIL = "merchant@demo.swap-pay.test"
OPERATOR_EMAIL = "operator@demo.swap-pay.test"
SERVICE_FEE_BPS = 80
CURRENCIES = ("EUR", "USD")
RATE_LIMIT_PER_MINUTE = 100_000
MODE: Literal["test"] = "test"

SHOP_EVENTS = sorted(type for type in EVENT_TYPES if type.startswith("invoice."))
"""What a shop wants to hear of."""

_ACTOR = webhooks.Actor("sandbox", None)


async def ensure(
    home: Home, environment: dict[str, str], webhook_url: str, shop_urls: Mapping[str, str] | None = None
) -> Demo:
    """The demo data of this sandbox: created at the first start, then reused.

    Its endpoint is set to `webhook_url` and enabled at each start, and so are those of the example shops, which
    `shop_urls` has by their names. Opens its own transactions.
    """
    async with running(wire(load(environment))) as services:
        demo = home.read(home.demo_file, Demo)
        demo = await _create(services, webhook_url) if demo is None else await _repaired(services, demo, webhook_url)
        for name, url in (shop_urls or {}).items():
            shop = await _shop(services, demo, name, url)
            demo = msgspec.structs.replace(demo, shops=demo.shops | {name: shop})
        home.write(home.demo_file, demo)
        return demo


async def _create(services: Services, webhook_url: str) -> Demo:
    now, settings = clock.now(), services.settings
    async with database.transaction():
        merchant_id = await merchants.create(
            name=MERCHANT_NAME, service_fee_bps=SERVICE_FEE_BPS, fee_payer="merchant", now=now
        )
        await merchants.enable_all_assets(merchant_id, services.networks)
        await merchants.enable_currencies(merchant_id, CURRENCIES)
        await merchants.report_in(merchant_id, CURRENCIES[0])
        owner_id, owner = await _account(services, MERCHANT_EMAIL, "Mara Merchant", is_operator=False)
        await merchants.add_member(merchant_id, owner_id, "owner", now)
        _, operator = await _account(services, OPERATOR_EMAIL, "Otto Operator", is_operator=True)
        _, api_key = await api_keys.issue(
            settings.api_key_peppers,
            merchant_id=merchant_id,
            mode=MODE,
            name="Sandbox",
            scopes=[scope.value for scope in Scope],
            allowlist=[],
            seen_by=owner_id,
            rate_limit_per_minute=RATE_LIMIT_PER_MINUTE,
            now=now,
        )
    endpoint_id, secret = await _endpoint(services, merchant_id, webhook_url)
    return Demo(
        api_key=api_key,
        merchant_id=merchant_id,
        merchant_login=owner,
        operator_login=operator,
        endpoint_id=endpoint_id,
        webhook_secret=secret,
    )


async def _repaired(services: Services, demo: Demo, webhook_url: str) -> Demo:
    """The demo data with a working endpoint, also if a user changed, paused or deleted it."""
    async with database.transaction():
        await merchants.enable_all_assets(demo.merchant_id, services.networks)
    if await _is_repaired(services, demo.merchant_id, demo.endpoint_id, webhook_url):
        return demo
    endpoint_id, secret = await _endpoint(services, demo.merchant_id, webhook_url)
    return msgspec.structs.replace(demo, endpoint_id=endpoint_id, webhook_secret=secret)


async def _shop(services: Services, demo: Demo, name: str, url: str) -> ShopEndpoint:
    """A working endpoint of a shop: the one that it had, or a new one."""
    known = demo.shops.get(name)
    if known is not None and await _is_repaired(services, demo.merchant_id, known.endpoint_id, url):
        return known
    description = f"The example shop “{name}”"
    return ShopEndpoint(*await _endpoint(services, demo.merchant_id, url, description, SHOP_EVENTS))


async def _is_repaired(services: Services, merchant_id: str, endpoint_id: str, url: str) -> bool:
    """Set an endpoint to `url` and enable it. False if it can't be: a user has deleted it."""
    try:
        await webhooks.update_endpoint(
            merchant_id=merchant_id,
            endpoint_id=endpoint_id,
            mode=MODE,
            url=url,
            description=None,
            event_types=None,
            actor=_ACTOR,
            outbound=services.outbound,
        )
        await webhooks.enable_endpoint(merchant_id=merchant_id, endpoint_id=endpoint_id, mode=MODE, actor=_ACTOR)
    except ApiError:
        return False
    return True


async def _account(services: Services, email: str, name: str, *, is_operator: bool) -> tuple[str, Login]:
    password = secrets.token_urlsafe(12)
    account = await accounts.create(
        services.settings.data_keys,
        email=email,
        name=name,
        password=password,
        is_operator=is_operator,
        now=clock.now(),
    )
    return account.id, Login(account.email, password, account.totp_secret)


async def _endpoint(
    services: Services,
    merchant_id: str,
    url: str,
    description: str = "The sandbox's receiver",
    event_types: Sequence[str] = (),
) -> tuple[str, str]:
    """Create an endpoint, for every event unless some are given. Returns its id and its secret."""
    made = await webhooks.create_endpoint(
        merchant_id=merchant_id,
        mode=MODE,
        url=url,
        description=description,
        event_types=event_types,
        actor=_ACTOR,
        outbound=services.outbound,
        keys=services.settings.data_keys,
    )
    return made.endpoint.id, made.secret
