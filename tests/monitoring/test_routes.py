"""`/readyz` and `/metrics`, for load balancers and monitoring."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.core import clock, database, redis
from app.core.settings import Settings
from app.rates import repository as rates
from tests.factories.api_keys import api_key, bearer
from tests.factories.rates import store_rate
from tests.web.site import THINGS, client, make_site

TOKEN = "t" * 40


async def watched(network: str, *, behind: int = 0, checked_ago: timedelta = timedelta(), halted: bool = False) -> None:
    """Add a network with a cursor."""
    await database.execute(
        """
        INSERT INTO network_cursors (network, chain_identity, start_height, scanned_height, head_height, covered_until,
            checked_at, halted_reason)
        VALUES ($1, '1', 0, $2, 1000, $3, $3, $4)
        """,
        network,
        1000 - behind,
        clock.now() - checked_ago,
        "a gap" if halted else None,
    )


@pytest.mark.usefixtures("db", "valkey")
async def test_ready_when_everything_works(settings: Settings) -> None:
    await watched("ethereum-test", behind=3)
    async with client(make_site(settings)) as http:
        assert (await http.get("/healthz")).status_code == 200
        answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "state": "ok",
        "database": "ok",
        "redis": "ok",
        "networks": {"ethereum-test": {"state": "ok", "lag_blocks": 3, "reason": None}},
    }


@pytest.mark.usefixtures("db", "valkey")
async def test_a_network_in_trouble_is_reported_with_status_200(settings: Settings) -> None:
    await watched("late", behind=500)
    await watched("halted", halted=True)
    await watched("forgotten", checked_ago=timedelta(hours=1))
    async with client(make_site(settings)) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["state"] == "degraded"
    reasons = {name: check["reason"] for name, check in answer.json()["networks"].items()}
    assert reasons == {"late": "behind", "halted": "halted", "forgotten": "not watched"}


@pytest.mark.usefixtures("db", "valkey")
async def test_without_redis_degraded_and_without_postgres_down(settings: Settings) -> None:
    async with client(make_site(settings)) as http:
        await redis.close_client()
        redis.open_client("redis://127.0.0.1:1/0")
        degraded = await http.get("/readyz")
        assert (degraded.status_code, degraded.json()["state"]) == (200, "degraded")
        assert degraded.json()["redis"] == "down"
        await database.close_pool()
        down = await http.get("/readyz")
        assert (down.status_code, down.json()["database"]) == (503, "down")
        assert down.headers["Retry-After"]
        assert (await http.get("/healthz")).status_code == 200


@pytest.mark.usefixtures("db", "valkey")
async def test_metrics_need_the_token(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers)
    await watched("ethereum-test", behind=7)
    async with client(make_site(settings)) as http:
        assert (await http.get("/metrics", headers=bearer(TOKEN))).status_code == 404
    async with client(make_site(replace(settings, metrics_token=TOKEN))) as http:
        for credentials in (None, b"Bearer guess", f"Bearer {TOKEN}x".encode(), "Bearer ä".encode()):
            stranger = {b"Authorization": credentials} if credentials else None
            assert (await http.get("/metrics", headers=stranger)).status_code == 404
        await http.get(THINGS, headers=key.bearer)
        await http.get("/api/%ff/whatever-strangers-ask-for")
        answer = await http.get("/metrics", headers=bearer(TOKEN))
    assert answer.status_code == 200
    text = answer.text
    assert f'swap_pay_http_request_seconds_count{{method="GET",route="{THINGS}",status="200"}}' in text
    assert 'swap_pay_network_lag_blocks{network="ethereum-test"} 7.0' in text
    assert "swap_pay_database_up 1.0" in text
    assert "swap_pay_events_unnumbered 0.0" in text
    assert "whatever" not in text
    assert key.full not in text
    assert key.id not in text


@pytest.mark.usefixtures("db", "valkey")
async def test_counters_are_shown_without_postgres(settings: Settings) -> None:
    async with client(make_site(replace(settings, metrics_token=TOKEN))) as http:
        await database.close_pool()
        answer = await http.get("/metrics", headers=bearer(TOKEN))
    assert answer.status_code == 200
    assert "swap_pay_database_up 0.0" in answer.text
    assert "swap_pay_http_request_seconds" in answer.text


@pytest.mark.usefixtures("db", "valkey")
async def test_metrics_show_the_age_and_the_spread_of_rates_and_the_failures_of_sources(settings: Settings) -> None:
    now = clock.now()
    await store_rate("BTC", "EUR", "57000", now - timedelta(seconds=20))
    await store_rate("ETH", "EUR", None, now)
    await rates.record_failure("kraken", now, "HTTP status 503")
    await rates.rest("kraken", now + timedelta(minutes=1))
    assert await rates.begin_round(1, now)
    await rates.finish_round(1, now - timedelta(seconds=7))
    async with client(make_site(replace(settings, metrics_token=TOKEN))) as http:
        text = (await http.get("/metrics", headers=bearer(TOKEN))).text
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("swap_pay_rate"))
    assert 20 <= float(figures['swap_pay_rate_age_seconds{base="BTC",quote="EUR"}']) < 30
    assert 7 <= float(figures["swap_pay_rates_refreshed_seconds"]) < 20
    assert figures['swap_pay_rate_spread_bps{base="BTC",quote="EUR"}'] == "0.0"
    assert figures['swap_pay_rate_sources{base="BTC",quote="EUR"}'] == "2.0"
    assert figures['swap_pay_rate_sources{base="ETH",quote="EUR"}'] == "0.0"
    assert figures['swap_pay_rate_source_failures{source="kraken"}'] == "1.0"
    assert figures['swap_pay_rate_source_resting{source="kraken"}'] == "1.0"
