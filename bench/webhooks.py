"""Deliveries a second and their latency, beside the bare HTTP client to the same receiver: `make bench`.

1,000 endpoints of as many merchants at one receiver over TLS; ten of them are dead, ten hang. Latency is from
the commit of the fact to the request at the receiver. Then 100,000 events wait for a paused endpoint.
"""

import asyncio
import json
import os
import shutil
import ssl
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx

from app.core import clock, database, redis
from app.core.outbound import Target, parse_target
from app.core.settings import DataKeys, load
from app.events import service as events
from app.sandbox import ports, processes, receiver, tls
from app.sandbox.receiver import Receiver
from app.webhooks import service as webhooks
from app.webhooks.service import Actor
from bench.stack import Stack, running_stack

ENDPOINTS, DEAD, HANGING = 1_000, 10, 10
EVENTS_EACH = int(os.environ.get("BENCH_EVENTS_EACH", "20"))
TRICKLE_PER_S, TRICKLE_S = 100, 10
WAITING = 100_000
BARE_CONNECTIONS = (4, 16, 64)
"""httpx gets slower with more connections: this number gives its best rate."""

BARE_SECONDS = 4
BODY = json.dumps({"status": "paid", "note": "x" * 1_200}).encode()


def main() -> None:
    """Print the figures."""
    print(
        f"{ENDPOINTS:,} endpoints ({DEAD} dead, {HANGING} hanging), one worker, one receiver over TLS,"
        f" {os.cpu_count()} cores"
    )
    with running_stack(web_processes=1) as stack:
        home = Path(tempfile.mkdtemp(prefix="swap-pay-bench-"))
        sink = receiver.start(home, tls.ensure(home / "tls"))
        try:
            asyncio.run(_measure(stack, sink, home))
        finally:
            sink.stop()
            shutil.rmtree(home, ignore_errors=True)


async def _measure(stack: Stack, sink: Receiver, home: Path) -> None:
    rates = {connections: await _bare(sink, connections) for connections in BARE_CONNECTIONS}
    bare = max(rates.values())
    shown = ", ".join(f"{rate:,.0f}/s over {connections}" for connections, rate in rates.items())
    print(f"  bare HTTP client (httpx): {shown} connections; the best counts")
    environment = stack.environment | {
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_CA_FILE": str(sink.ca_path),
    }
    keys = load(environment).data_keys
    await database.open_pool(stack.dsn, max_size=8)
    redis.open_client(environment["REDIS_URL"])
    _request(sink, "POST", "/behaviour", {"path": "/hanging", "delay_s": 60})
    merchants = await _endpoints(sink, keys)
    worker = processes.start(
        "webhooks",
        [sys.executable, "-m", "app.cli", "worker", "webhooks"],
        var_dir=home,
        env={**os.environ, **environment},
        ready=lambda child: True,
    )
    try:
        await _throughput(sink, merchants, bare)
        await _latency(sink, merchants, "while the sick ones are")
        await _pile_up(merchants[0])
        await _latency(sink, merchants[1:], f"with {WAITING:,} events waiting for a paused one")
    finally:
        worker.stop()
        await redis.close_client()
        await database.close_pool()


async def _bare(sink: Receiver, connections: int) -> float:
    context = ssl.create_default_context(cafile=str(sink.ca_path))
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    count, ends_at = 0, time.monotonic() + BARE_SECONDS
    async with httpx.AsyncClient(verify=context, limits=limits, trust_env=False) as client:

        async def work() -> None:
            nonlocal count
            while time.monotonic() < ends_at:
                await client.post(f"{sink.url}/bare", content=BODY)
                count += 1

        await asyncio.gather(*(work() for _ in range(connections)))
    _request(sink, "DELETE", "/requests")
    return count / BARE_SECONDS


async def _endpoints(sink: Receiver, keys: DataKeys) -> list[str]:
    """Create the merchants, each with an endpoint. Returns the merchants whose endpoints answer."""
    dead = f"https://localhost:{ports.free_port()}/dead"
    well = []
    for n in range(ENDPOINTS):
        merchant_id = f"MCH-B{n:09d}"
        await database.execute(
            "INSERT INTO merchants VALUES ($1, 'Bench', 'approved', 80, 'merchant', $2)", merchant_id, clock.now()
        )
        sick = dead if n < DEAD else f"{sink.url}/hanging" if n < DEAD + HANGING else None
        await _make_endpoint(merchant_id, sick or f"{sink.url}/e/{n}", keys)
        if sick is None:
            well.append(merchant_id)
    return well


async def _make_endpoint(merchant_id: str, url: str, keys: DataKeys) -> None:
    await webhooks.create_endpoint(
        merchant_id=merchant_id,
        mode="test",
        url=url,
        description="",
        event_types=[],
        actor=Actor("cli", None),
        outbound=_Anything(),  # type: ignore[arg-type]
        keys=keys,
    )


class _Anything:
    """Accepts every URL at creation: a thousand look-ups of localhost must not be measured."""

    async def check_target(self, url: str) -> Target:
        return parse_target(url, [ip_network("127.0.0.0/8")])


async def _record(merchants: Sequence[str]) -> None:
    """One event for each of these merchants, committed together."""
    await database.execute(
        """
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at)
        SELECT gen_random_uuid(), m, 'test', 'invoice.paid', 'INV-0000000000', $2, $3 FROM unnest($1::text[]) m
        """,
        list(merchants),
        BODY.decode(),
        clock.now(),
    )
    await events.announce()


async def _throughput(sink: Receiver, merchants: Sequence[str], bare: float) -> None:
    sick = [f"MCH-B{n:09d}" for n in range(DEAD + HANGING)]
    expected = EVENTS_EACH * len(merchants)
    started = time.monotonic()
    for _ in range(EVENTS_EACH):
        await _record([*sick, *merchants])
    while (got := _count(sink)) < expected and time.monotonic() - started < 300:
        await asyncio.sleep(0.2)
    rate = got / (time.monotonic() - started)
    print(
        f"  {got:,} of {expected:,} deliveries                     {rate:8,.0f}/s  {rate / bare:.0%} of the bare client"
    )


async def _latency(sink: Receiver, merchants: Sequence[str], when: str) -> None:
    _request(sink, "DELETE", "/requests")
    committed: dict[str, float] = {}
    for n in range(TRICKLE_PER_S * TRICKLE_S):
        merchant = merchants[n % len(merchants)]
        await _record([merchant])
        committed[f"{merchant}:{n}"] = time.time()
        await asyncio.sleep(1 / TRICKLE_PER_S)
    await asyncio.sleep(3)
    arrivals: dict[str, list[float]] = {}
    for record in _request(sink, "GET", "/requests?limit=200000")["data"]:
        merchant = json.loads(record["body"])["merchant_id"]
        arrivals.setdefault(merchant, []).append(record["received_at"])
    delays = []
    for key, at in committed.items():
        waiting = arrivals.get(key.partition(":")[0], [])
        if waiting:
            delays.append(waiting.pop(0) - at)
    delays.sort()
    p50, p99 = delays[len(delays) // 2], delays[len(delays) * 99 // 100]
    print(
        f"  commit → receiver, {TRICKLE_PER_S}/s, {when}: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
        f" ({len(delays)} arrived)"
    )


async def _pile_up(merchant_id: str) -> None:
    """Let WAITING events wait for one paused endpoint."""
    await database.execute("UPDATE webhook_endpoints SET status = 'paused' WHERE merchant = $1", merchant_id)
    await database.execute(
        """
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at)
        SELECT gen_random_uuid(), $1, 'test', 'invoice.paid', 'INV-0000000000', '{}', $2 FROM generate_series(1, $3)
        """,
        merchant_id,
        clock.now(),
        WAITING,
    )
    while await database.fetch_value("SELECT EXISTS (SELECT FROM events WHERE seq IS NULL)"):
        await asyncio.sleep(0.5)


def _count(sink: Receiver) -> int:
    return int(_request(sink, "GET", "/requests?limit=1")["total"])


def _request(sink: Receiver, method: str, path: str, body: object = None) -> Any:
    request = urllib.request.Request(sink.url + path, method=method)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    context = ssl.create_default_context(cafile=str(sink.ca_path))
    with urllib.request.urlopen(request, context=context) as answer:
        text = answer.read()
    return json.loads(text) if text else None


if __name__ == "__main__":
    main()
