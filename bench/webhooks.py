"""Deliveries a second, their CPU and their latency, beside the bare HTTP client to the same receiver: `make bench`.

1,000 endpoints of as many merchants at one receiver over TLS; ten of them are dead, ten hang. Latency is from
the commit of the fact to the request at the receiver. Then 100,000 events wait for a paused endpoint. At last a second
worker takes part: what of the cost of a delivery grows with the workers.
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
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx

from app.core import clock, database, redis
from app.core.outbound import Target, parse_target
from app.core.settings import DataKeys, load
from app.events import service as events
from app.sandbox import ports, processes, receiver, tls
from app.sandbox.processes import Process
from app.sandbox.receiver import Receiver
from app.webhooks import service as webhooks
from app.webhooks.service import Actor
from bench.report import Goal, Limit, Report
from bench.stack import Stack, cpu_s_of, running_stack

ENDPOINTS, DEAD, HANGING = 1_000, 10, 10
EVENTS_EACH = int(os.environ.get("BENCH_EVENTS_EACH", "20"))
TRICKLE_PER_S, TRICKLE_S = 100, 10
WAITING = 100_000
BARE_CONNECTIONS = (4, 16)
"""httpx gets slower with more connections: this number gives its best rate."""

BARE_SECONDS = 4
GIVEN_UP_S = 300.0
BODY = json.dumps({"status": "paid", "note": "x" * 1_200}).encode()

WORKERS_ON_PAPER, WANTED_PER_S = 4, 4_000


def main() -> None:
    """Print the figures."""
    with Report("webhooks") as report, running_stack(web_processes=1) as stack:
        print(f"{ENDPOINTS:,} endpoints ({DEAD} dead, {HANGING} hanging) at one receiver over TLS")
        home = Path(tempfile.mkdtemp(prefix="swap-pay-bench-"))
        sink = receiver.start(home, tls.ensure(home / "tls"))
        try:
            asyncio.run(_measure(report, stack, sink, home))
        finally:
            sink.stop()
            shutil.rmtree(home, ignore_errors=True)


async def _measure(report: Report, stack: Stack, sink: Receiver, home: Path) -> None:
    bare = max([await _bare(sink, connections) for connections in BARE_CONNECTIONS], key=lambda one: one.per_s)
    report.add("bare HTTP client (httpx)", bare.per_s, "/s")
    report.add("CPU of the bare client, each", bare.cpu_us, "µs", better="lower")
    environment = stack.environment | {
        "WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8",
        "WEBHOOK_CA_FILE": str(sink.ca_path),
    }
    keys = load(environment).data_keys
    await database.open_pool(stack.dsn, max_size=8)
    redis.open_client(environment["REDIS_URL"])
    _request(sink, "POST", "/behaviour", {"path": "/hanging", "delay_s": 60})
    merchants = await _endpoints(sink, keys)
    workers = [_worker("webhooks", home, environment)]
    try:
        await _deliver(sink, merchants, rounds=1)  # connections are made, statements prepared
        await _throughput(report, stack, sink, merchants, workers, bare)
        await _latency(report, sink, merchants, "")
        await _pile_up(report, merchants[0])
        await _latency(report, sink, merchants[1:], f", {WAITING:,} waiting")
        workers.append(_worker("webhooks-2", home, environment))
        await _deliver(sink, merchants[1:], rounds=1)
        await _throughput(report, stack, sink, merchants[1:], workers, bare)
    finally:
        for worker in workers:
            worker.stop()
        await redis.close_client()
        await database.close_pool()


def _worker(name: str, home: Path, environment: dict[str, str]) -> Process:
    return processes.start(
        name,
        [sys.executable, "-m", "app.cli", "worker", "webhooks"],
        var_dir=home,
        env={**os.environ, **environment, "HEARTBEAT_FILE": str(home / f"{name}.heartbeat")},
        ready=lambda child: (home / f"{name}.heartbeat").exists(),
    )


@dataclass(frozen=True)
class _Bare:
    per_s: float
    cpu_us: float


async def _bare(sink: Receiver, connections: int) -> _Bare:
    context = ssl.create_default_context(cafile=str(sink.ca_path))
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    count, cpu_s, ends_at = 0, time.process_time(), time.monotonic() + BARE_SECONDS
    async with httpx.AsyncClient(verify=context, limits=limits, trust_env=False) as client:

        async def work() -> None:
            nonlocal count
            while time.monotonic() < ends_at:
                await client.post(f"{sink.url}/bare", content=BODY)
                count += 1

        await asyncio.gather(*(work() for _ in range(connections)))
    cpu_s = time.process_time() - cpu_s
    _request(sink, "DELETE", "/requests")
    return _Bare(count / BARE_SECONDS, cpu_s / count * 1e6)


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


async def _throughput(
    report: Report, stack: Stack, sink: Receiver, merchants: Sequence[str], workers: Sequence[Process], bare: _Bare
) -> None:
    by = "one worker" if len(workers) == 1 else f"{len(workers)} workers"
    before = _cpu_s(stack, sink, workers)
    got, rate = await _deliver(sink, merchants, rounds=EVENTS_EACH)
    await asyncio.sleep(0.2)  # the last outcomes are written
    used = {name: (s - before[name]) / got for name, s in _cpu_s(stack, sink, workers).items()}

    report.add(
        f"deliveries, {by}",
        rate,
        "/s",
        limit=Limit("the bare client", bare.per_s),
        goal=Goal("at least", 0.8, "share") if len(workers) == 1 else None,
    )
    report.add(
        f"deliveries lost, {by}", EVENTS_EACH * len(merchants) - got, "", better="lower", goal=Goal("at most", 0)
    )
    for name, s in used.items():
        limit = Limit("the bare client", bare.cpu_us) if name == "a worker" else None
        report.add(f"CPU of {name}, each, {by}", s * 1e6, "µs", better="lower", limit=limit)
    report.add(
        f"{WORKERS_ON_PAPER} workers on paper, from {by}",
        WORKERS_ON_PAPER / used["a worker"],
        "/s",
        goal=Goal("at least", WANTED_PER_S),
    )
    report.add(f"cores of Postgres at {WANTED_PER_S:,}/s, {by}", used["Postgres"] * WANTED_PER_S, "", better="lower")


async def _deliver(sink: Receiver, merchants: Sequence[str], *, rounds: int) -> tuple[int, float]:
    """Record an event for each of these merchants in each round, and for the sick ones. Returns how many deliveries
    were answered, and how many a second."""
    sick = [f"MCH-B{n:09d}" for n in range(DEAD + HANGING)]
    _request(sink, "DELETE", "/requests")
    started = time.monotonic()
    for _ in range(rounds):
        await _record([*sick, *merchants])
    while (got := _count(sink)) < rounds * len(merchants) and time.monotonic() - started < GIVEN_UP_S:
        await asyncio.sleep(0.1)
    return got, got / (time.monotonic() - started)


def _cpu_s(stack: Stack, sink: Receiver, workers: Sequence[Process]) -> dict[str, float]:
    """Seconds of CPU so far: what one delivery costs, whichever worker makes it."""
    return {
        "a worker": sum(cpu_s_of(worker) for worker in workers),
        "Postgres": stack.cpu_s()["Postgres"],
        "the receiver": cpu_s_of(sink.process),
    }


async def _latency(report: Report, sink: Receiver, merchants: Sequence[str], when: str) -> None:
    _request(sink, "DELETE", "/requests")
    committed: list[tuple[str, float]] = []
    for n in range(TRICKLE_PER_S * TRICKLE_S):
        merchant = merchants[n % len(merchants)]
        await _record([merchant])
        committed.append((merchant, time.time()))
        await asyncio.sleep(1 / TRICKLE_PER_S)
    await asyncio.sleep(3)
    arrivals: dict[str, list[float]] = {}
    for record in _request(sink, "GET", "/requests?limit=200000")["data"]:
        merchant = json.loads(record["body"])["merchant_id"]
        arrivals.setdefault(merchant, []).append(record["received_at"])
    delays = sorted(arrivals[merchant].pop(0) - at for merchant, at in committed if arrivals.get(merchant))
    for share in (50, 99):
        delay_ms = delays[len(delays) * share // 100] * 1000
        report.add(f"commit to receiver, {TRICKLE_PER_S}/s{when}, p{share}", delay_ms, "ms", better="lower")
    report.add(f"not arrived{when}", len(committed) - len(delays), "", better="lower", goal=Goal("at most", 0))


async def _pile_up(report: Report, merchant_id: str) -> None:
    """Let WAITING events wait for one paused endpoint."""
    await database.execute("UPDATE webhook_endpoints SET status = 'paused' WHERE merchant = $1", merchant_id)
    await database.execute(
        """
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at)
        SELECT gen_random_uuid(), $1, 'test', 'invoice.paid', 'INV-0000000000', $2, $3 FROM generate_series(1, $4)
        """,
        merchant_id,
        BODY.decode(),
        clock.now(),
        WAITING,
    )
    started = time.monotonic()
    await events.announce()
    while await database.fetch_value("SELECT EXISTS (SELECT FROM events WHERE seq IS NULL)"):
        await asyncio.sleep(0.1)
    report.add("events numbered", WAITING / (time.monotonic() - started), "/s", goal=Goal("at least", WANTED_PER_S))


def _count(sink: Receiver) -> int:
    """The deliveries that were answered: all but those that hang."""
    paths = ("/requests?limit=0", "/requests?limit=0&path=/hanging")
    everything, hanging = (int(_request(sink, "GET", path)["total"]) for path in paths)
    return everything - hanging


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
