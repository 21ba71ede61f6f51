"""`/rates`: what each asset is worth in a currency, and what each source says of it."""

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from litestar import get
from msgspec import Meta

from app.api.guard import requires
from app.api.operation import Parameter, Parameters, described
from app.api_keys.authentication import Principal
from app.api_keys.scopes import Scope
from app.core import clock, currencies
from app.core.clock import rfc3339
from app.core.errors import invalid
from app.invoices.presentation import RateSourceBody
from app.merchants.repository import enabled_assets
from app.rates import service
from app.rates.repository import Refreshed
from app.web.routing import Router


class RateBody(msgspec.Struct, frozen=True, kw_only=True):
    """What one asset is worth now. Without a rate, `problem` says why."""

    asset: Annotated[str, Meta(description="The asset's symbol: its worth is the same on every chain.")]
    currency: Annotated[str, Meta(description="ISO 4217.")]
    rate: Annotated[
        str | None,
        Meta(description="How much of the currency one whole asset is worth: the median of the sources that are used."),
    ]
    rate_at: Annotated[str | None, Meta(description="The time of the oldest price in it.")]
    age_s: Annotated[int | None, Meta(description="How many seconds ago that was.")]
    good_until: Annotated[str | None, Meta(description="Until when it may be used, unless there is a newer one.")]
    sources: Annotated[list[RateSourceBody], Meta(description="What each source says.")]
    problem: Annotated[str | None, Meta(description="Why there is no rate; null where there is one.")]


class RateList(msgspec.Struct, frozen=True):
    """A rate for each asset that the merchant takes in the key's mode."""

    data: list[RateBody]


_RATES = RateList(
    [
        RateBody(
            asset="USDT",
            currency="EUR",
            rate="0.92185",
            rate_at="2026-01-31T09:29:51.204000Z",
            age_s=9,
            good_until="2026-01-31T09:30:51.204000Z",
            sources=[
                RateSourceBody(name="coinbase", rate="0.9218", at="2026-01-31T09:29:51.204000Z", used=True),
                RateSourceBody(name="kraken", rate="0.9219", at="2026-01-31T09:29:57.113520Z", used=True),
            ],
            problem=None,
        )
    ]
)


def routes() -> Router:
    """The route of `/rates`."""

    @get(
        "/",
        opt=requires(Scope.INVOICES_READ)
        | described(
            "List rates",
            "What each asset that you take is worth in a currency now, and what each source says. A rate is the median "
            "of at least two sources; where fewer agree there is none.",
            example=_RATES,
            query={
                "currency": Parameter(
                    description="The currency (ISO 4217).",
                    schema={"type": "string", "pattern": "^[A-Z]{3}$"},
                    required=True,
                    example="EUR",
                )
            },
        ),
        operation_id="listRates",
    )
    async def rates(principal: Principal, parameters: Parameters) -> RateList:
        currency = parameters["currency"]
        if not currencies.is_currency(currency):
            raise invalid("currency", "must be the ISO 4217 code of a currency, such as EUR")
        enabled = await enabled_assets(principal.merchant_id, principal.mode)
        symbols = sorted({one.asset for one in enabled})
        found = await service.found_of(symbols, currency)
        now = clock.now()
        return RateList([_body(symbol, currency, found.get(symbol), now) for symbol in symbols])

    return Router("/rates", route_handlers=[rates], tags=["Rates"])


def _body(symbol: str, currency: str, found: Refreshed | None, now: datetime) -> RateBody:
    rate = None if found is None else found.rate
    problem = None if found is None else found.problem
    if rate is not None and not service.is_good(rate, now):
        rate, problem = None, "it was not refreshed of late"
    return RateBody(
        asset=symbol,
        currency=currency,
        rate=None if rate is None else f"{rate.figure:f}",
        rate_at=None if rate is None else rfc3339(rate.at),
        age_s=None if rate is None else max(0, (now - rate.at) // timedelta(seconds=1)),
        good_until=None if rate is None else rfc3339(rate.good_until),
        sources=[
            RateSourceBody(name=one.name, rate=f"{one.figure:f}", at=rfc3339(one.at), used=one.used)
            for one in (() if found is None else found.sources)
        ],
        problem="rates in this currency are not refreshed" if found is None else problem,
    )
