"""`GET /rates`: what each asset is worth in a currency, and what each source says."""

from datetime import timedelta
from decimal import Decimal

from app.api_keys.scopes import Scope
from app.core import clock
from app.rates import repository
from app.rates.rate import SourceFigure
from app.rates.repository import Refreshed
from tests.api.conftest import Integrator, NewIntegrator
from tests.factories.rates import store_rate


async def test_each_asset_of_the_merchant_has_its_rate_with_sources_and_age(integrator: Integrator) -> None:
    now = clock.now()
    await store_rate("USDT", "EUR", "0.9218", now - timedelta(seconds=9, milliseconds=500))
    await store_rate("BTC", "EUR", "57000", now)
    answer = await integrator.get("/rates", currency="EUR")
    assert answer.status_code == 200
    eth, usdt = answer.json()["data"]
    at = clock.rfc3339(now - timedelta(seconds=9, milliseconds=500))
    assert usdt == {
        "asset": "USDT",
        "currency": "EUR",
        "rate": "0.9218",
        "rate_at": at,
        "age_s": usdt["age_s"],
        "good_until": clock.rfc3339(now + timedelta(seconds=50, milliseconds=500)),
        "sources": [
            {"name": "kraken", "rate": "0.9218", "at": at, "used": True},
            {"name": "coinbase", "rate": "0.9218", "at": at, "used": True},
        ],
        "problem": None,
    }
    assert 9 <= usdt["age_s"] <= 12
    assert (eth["asset"], eth["rate"], eth["problem"]) == ("ETH", None, "rates in this currency are not refreshed")


async def test_without_a_rate_it_says_why_and_what_each_source_said(integrator: Integrator) -> None:
    now = clock.now()
    sources = (
        SourceFigure("coinbase", Decimal("0.9218"), now, used=False),
        SourceFigure("kraken", Decimal("0.0000000001"), now, used=False),
    )
    refreshed = Refreshed(
        base="USDT",
        quote="EUR",
        refreshed_at=now,
        rate=None,
        held_figure=None,
        last_figure=None,
        sources=sources,
        problem="the sources' prices differ by more than 2 %",
    )
    await repository.record([refreshed])
    _, usdt = (await integrator.get("/rates", currency="EUR")).json()["data"]
    assert (usdt["rate"], usdt["rate_at"], usdt["age_s"]) == (None, None, None)
    assert usdt["problem"] == "the sources' prices differ by more than 2 %"
    assert [source["rate"] for source in usdt["sources"]] == ["0.9218", "0.0000000001"]


async def test_a_rate_that_is_too_old_is_not_shown_as_one(integrator: Integrator) -> None:
    await store_rate("USDT", "EUR", "0.9218", clock.now() - timedelta(seconds=61))
    _, usdt = (await integrator.get("/rates", currency="EUR")).json()["data"]
    assert (usdt["rate"], usdt["problem"]) == (None, "it was not refreshed of late")


async def test_what_is_no_currency_is_refused(integrator: Integrator) -> None:
    for params in ({"currency": "BTC"}, {"currency": "eur"}, {"currency": "XAU"}, {"currency": ""}, {}):
        answer = await integrator.get("/rates", **params)
        assert answer.status_code == 400, params
        assert answer.json()["error"]["code"] == "INVALID_INPUT"
        assert answer.json()["error"]["message"].startswith("currency: ")


async def test_a_key_needs_to_read_invoices(new_integrator: NewIntegrator) -> None:
    reader = await new_integrator(Scope.BALANCE_READ)
    assert (await reader.get("/rates", currency="EUR")).json()["error"]["code"] == "MISSING_SCOPE"
