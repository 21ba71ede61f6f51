"""Exactly as many as the limit allows, in one process, in several, and while Redis is away."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import httpx
import pytest

from app.core import redis
from app.core.errors import ApiError, Code
from app.core.settings import Settings
from app.web.rate_limits import RateLimiter, refuse_exceeded
from tests.api.serving import START_TIMEOUT_S
from tests.factories.api_keys import api_key
from tests.services import empty_redis
from tests.web.site import THINGS, client, make_site


@pytest.mark.usefixtures("db", "valkey")
async def test_of_200_parallel_requests_exactly_60_pass(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers, rate_limit_per_minute=60)
    other = await api_key(settings.api_key_peppers, rate_limit_per_minute=60)
    async with client(make_site(settings)) as http:
        answers = await asyncio.gather(*(http.get(THINGS, headers=key.bearer) for _ in range(200)))
        free = await http.get(THINGS, headers=other.bearer)
    assert Counter(answer.status_code for answer in answers) == {200: 60, 429: 140}
    remaining = sorted(int(a.headers["RateLimit-Remaining"]) for a in answers if a.status_code == 200)
    assert remaining == list(range(60))
    for answer in answers:
        assert answer.headers["RateLimit-Limit"] == "60"
        assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60
        if answer.status_code == 429:
            assert answer.json()["error"]["code"] == "RATE_LIMITED"
            assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
            assert answer.headers["RateLimit-Remaining"] == "0"
    assert free.status_code == 200
    assert free.headers["RateLimit-Remaining"] == "59"


@pytest.mark.usefixtures("db", "valkey")
async def test_two_real_server_processes_share_the_limit(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers, rate_limit_per_minute=60)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    pepper = key_setting(settings)
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "granian", "--interface", "asgi", "--workers", "2", "--factory"),
            *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "tests.web.site:served_site"),
        ],
        env={
            **os.environ,
            "SWAP_PAY_ENV": "test",
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "PUBLIC_URL": "http://127.0.0.1",
            "NETWORKS_FILE": str(settings.networks_file),
            "API_KEY_PEPPERS": f"1:{pepper}",
            "DATA_KEYS": f"k1:{pepper}",
            "LINK_SECRET": pepper,
            "EMAIL_HASH_SECRET": pepper,
        },
    )
    try:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, limits=httpx.Limits(max_connections=40)) as http:
            await until_ready(http)
            answers = await asyncio.gather(*(http.get(THINGS, headers=key.bearer) for _ in range(200)))
            odd = await http.get("/api/%ff%fe/%2e%2e?x=%ff", headers={"X-Request-Id": "a" * 200})
    finally:
        server.terminate()
        server.wait(10)
    assert Counter(answer.status_code for answer in answers) == {200: 60, 429: 140}
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 200
    assert odd.status_code == 404
    assert len(odd.headers["X-Request-Id"]) == 32


def key_setting(settings: Settings) -> str:
    """The pepper as the environment gives it."""
    import base64

    return base64.b64encode(settings.api_key_peppers.keys[1]).decode()


async def until_ready(http: httpx.AsyncClient) -> None:
    """Wait for the server to answer."""
    give_up_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up_s:
        try:
            if (await http.get("/healthz")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.mark.usefixtures("db", "as_patient_as_production")
async def test_without_redis_each_process_still_limits_and_nobody_waits(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers, rate_limit_per_minute=10)
    with socket.socket() as silent:  # accepts connections and never answers: the worst failure
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        redis.open_client(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        try:
            async with client(make_site(settings)) as http:
                started_s = time.monotonic()
                statuses = [(await http.get(THINGS, headers=key.bearer)).status_code for _ in range(15)]
                took_s = time.monotonic() - started_s
        finally:
            await redis.close_client()
    assert Counter(statuses) == {200: 10, 429: 5}
    assert took_s < 2.5  # one request waited a quarter of a second; the others did not call Redis


async def test_counting_goes_back_to_redis_when_it_is_back(valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.core.redis.TRUST_AGAIN_S", 0.05)
    limiter = RateLimiter()
    redis.open_client("redis://127.0.0.1:1/0")
    assert (await limiter.take("key:a", 5)).used == 1
    await redis.close_client()
    redis.open_client(valkey_url)
    try:
        await empty_redis()
        await asyncio.sleep(0.06)
        assert [(await limiter.take("key:a", 5)).used for _ in range(2)] == [1, 2]
        assert (await RateLimiter().take("key:a", 5)).used == 3
        await redis.client().script_flush()
        assert (await limiter.take("key:a", 5)).used == 4
    finally:
        await redis.close_client()


@pytest.mark.usefixtures("valkey")
async def test_addresses_are_limited_too() -> None:
    limiter = RateLimiter()
    for _ in range(30):
        refuse_exceeded(await limiter.take("checkout:203.0.113.5", 30), Code.IP_RATE_LIMITED, "the address")
    with pytest.raises(ApiError, match="IP_RATE_LIMITED") as refused:
        refuse_exceeded(await limiter.take("checkout:203.0.113.5", 30), Code.IP_RATE_LIMITED, "the address")
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s > 0
    assert not (await limiter.take("checkout:203.0.113.6", 30)).is_exceeded


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await RateLimiter().take("key:a", limit)


@pytest.mark.usefixtures("db", "valkey")
async def test_a_spoofed_header_opens_no_allowlist(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers, allowlist=["198.51.100.7"])
    from ipaddress import ip_network

    behind_proxy = replace(settings, trusted_proxies=(ip_network("10.0.0.0/8"),))
    spoofed = key.bearer | {"X-Forwarded-For": "198.51.100.7"}
    appended = key.bearer | {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    async with client(make_site(settings)) as http:
        assert (await http.get(THINGS, headers=spoofed)).json()["error"]["code"] == "IP_NOT_ALLOWED"
    async with client(make_site(behind_proxy)) as http:
        assert (await http.get(THINGS, headers=spoofed)).json()["error"]["code"] == "IP_NOT_ALLOWED"
    async with client(make_site(behind_proxy), "10.1.2.3") as http:
        assert (await http.get(THINGS, headers=appended)).json()["error"]["code"] == "IP_NOT_ALLOWED"
        assert (await http.get(THINGS, headers=spoofed)).status_code == 200
