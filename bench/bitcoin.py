"""How fast a Bitcoin network is watched, beside what the node and Postgres need alone: `make bench`.

    python -m bench.bitcoin

On a real node in regtest, with the watcher of production:

- a block of which 1,000 of 4,000 outputs pay invoices of ours: read, matched, stored;
- a block of 4,000 outputs that are all of others;
- 1,000 blocks of backlog, twice: the second time shows whether memory grows;
- rounds with 100,000 transactions of others in the pool. A node can't be filled so far in reasonable time: a relay in
  front of it adds them to the node's answers, as bytes of real transactions.

Beside each: the node's own time for the same bytes, and bare inserts of as many rows. While the watcher works, a task
wakes every millisecond; the longest that it had to wait is how long the event loop stood still.
"""

import asyncio
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import psutil
from embit import bip32, script
from embit.hashes import double_sha256
from embit.networks import NETWORKS

from app.core import clock, database
from app.core.migrations import migrate
from app.core.settings import load
from app.deposits.watcher import Watcher
from app.invoices.creation import NewInvoice
from app.merchants import service as merchants
from app.merchants.terms import Terms
from app.sandbox import bitcoind, postgres, processes, valkey
from app.sandbox.bitcoin_driver import BitcoinDriver
from app.wiring import Services, running, wire
from bench.report import Goal, Limit, Report
from bench.stack import environment_of

OUTPUTS, OURS = 4_000, 1_000
PER_TRANSACTION = 1_000
BACKLOG = 1_000
POOL = 100_000
ROUNDS = 10
PAID_BLOCK = Goal("at most", 2.0)
"""Seconds of the block with 1,000 payments to us."""

INVOICES_AT_ONCE = 20
PAYS_RAW = 100_000

NETWORK = """
[[networks]]
chain = "bitcoin"
mode = "test"
kind = "bitcoin"
bitcoin_network = "regtest"
display_name = "Bitcoin"
rpc_urls = ["{url}"]
confirmations = 3
xpub = "{xpub}"

[[networks.assets]]
symbol = "BTC"
name = "Bitcoin"
kind = "native"
decimals = 8
"""


def main() -> None:
    """Start the servers, measure, stop them."""
    print("a real node in regtest, one watcher")
    home = Path(tempfile.mkdtemp(prefix="swap-pay-bench-"))
    server, cache = postgres.start(home / "postgres"), valkey.start(home / "valkey")
    node = bitcoind.start(home / "bitcoind", options=["-maxmempool=300"])
    try:
        server.create_database("swap_pay")
        asyncio.run(migrate(server.dsn("swap_pay")))
        with Report("bitcoin") as report:
            asyncio.run(measure(report, home, server.dsn("swap_pay"), cache.url, node.rpc_url))
    finally:
        node.stop()
        processes.stop_all()
        postgres.remove(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)


async def measure(report: Report, home: Path, dsn: str, redis_url: str, rpc_url: str) -> None:
    """Time everything."""
    driver = await BitcoinDriver.connect(rpc_url)
    xpub = bip32.HDKey.from_seed(os.urandom(64), NETWORKS["test"]["xprv"]).derive("m/84h/1h/0h").to_public()
    networks = NETWORK.format(url=rpc_url, xpub=xpub.to_base58())
    async with watched(home, dsn, redis_url, networks) as (services, watcher):
        addresses = await invoices_of(services)
        await a_block(report, driver, watcher, addresses)
        await a_block(report, driver, watcher, [])
        for time_in_words in ("first", "second"):
            await backlog(report, driver, watcher, time_in_words)
    with relay(rpc_url) as pool:
        async with watched(home, dsn, redis_url, networks.replace(rpc_url, pool.url)) as (_, watcher):
            await a_full_pool(report, watcher, pool)
    await driver.aclose()


@asynccontextmanager
async def watched(home: Path, dsn: str, redis_url: str, networks: str) -> AsyncIterator[tuple[Services, Watcher]]:
    """The services and the watcher on these networks, after its first round."""
    settings = load(environment_of(home, dsn, redis_url, networks))
    async with running(wire(settings)) as services:
        (watcher,) = services.watchers()
        await watcher.tick()
        yield services, watcher


async def invoices_of(services: Services) -> list[str]:
    """The addresses of OURS open invoices."""
    async with database.transaction():
        merchant_id = await merchants.create(name="Bench", service_fee_bps=80, fee_payer="merchant", now=clock.now())
        await merchants.enable_all_assets(merchant_id, services.networks)
    terms = Terms(merchant_id, "test", 80, "merchant")
    new = NewInvoice(amount="0.001", currency="BTC", chain="bitcoin", expires_in=timedelta(days=1))
    made: list[str] = []
    while len(made) < OURS:
        bodies = [services.invoice_creation.create(terms, new, None, clock.now()) for _ in range(INVOICES_AT_ONCE)]
        made += [json.loads(body)["pay_in"]["address"] for body in await asyncio.gather(*bodies)]
    return made


async def a_block(report: Report, driver: BitcoinDriver, watcher: Watcher, ours: Sequence[str]) -> None:
    """A block of OUTPUTS outputs, those to us spread over its transactions."""
    receivers = [*ours, *(somebody() for _ in range(OUTPUTS - len(ours)))]
    transactions = OUTPUTS // PER_TRANSACTION
    for number in range(transactions):
        amounts = dict.fromkeys(receivers[number::transactions], "0.001")
        await driver.call("sendmany", "", amounts, fee_rate=10)
    (block_hash,) = await driver.mine()
    node_s = await fastest(3, lambda: driver.call("getblock", block_hash, 0))
    took = await timed(watcher.tick)
    if ours:
        assert await database.fetch_value("SELECT count(*) FROM coins") == len(ours)
        limit = Limit("the node alone and bare inserts", node_s + await bare_inserts(len(ours)))
        name = f"a block of {OUTPUTS:,} outputs, {len(ours):,} ours"
        report.add(name, took.seconds, "s", better="lower", limit=limit, goal=PAID_BLOCK)
    else:
        name = f"a block of {OUTPUTS:,} outputs of others"
        report.add(name, took.seconds, "s", better="lower", limit=Limit("the node alone", node_s))
    report.add(f"{name}: loop still", took.blocked_s * 1000, "ms", better="lower")


async def backlog(report: Report, driver: BitcoinDriver, watcher: Watcher, time_in_words: str) -> None:
    """BACKLOG blocks that were mined while nobody watched."""
    hashes = await driver.mine(BACKLOG)
    before_mb = resident_mb()
    started = time.perf_counter()
    for block_hash in hashes:
        await driver.call("getblock", block_hash, 0)
    node = Limit("the node alone, one call each", time.perf_counter() - started)
    took = await timed(watcher.tick)
    name = f"{BACKLOG:,} blocks of backlog, {time_in_words} time"
    report.add(name, took.seconds, "s", better="lower", limit=node)
    report.add(f"{name}: loop still", took.blocked_s * 1000, "ms", better="lower")
    report.add(f"{name}: memory gained", resident_mb() - before_mb, "MB", better="lower")


async def a_full_pool(report: Report, watcher: Watcher, pool: "RelayClient") -> None:
    """POOL transactions in the pool, none of them ours."""
    idle = await timed(watcher.tick)
    report.add("a round, empty pool", idle.seconds, "s", better="lower")
    await pool.fill(POOL)
    before_mb = resident_mb()
    first = await timed(watcher.tick)
    report.add(f"a round, {POOL:,} of others in the pool, first", first.seconds, "s", better="lower")
    report.add("a round, all of the pool new: loop still", first.blocked_s * 1000, "ms", better="lower")
    unchanged = [await timed(watcher.tick) for _ in range(ROUNDS)]
    changed = []
    for _ in range(ROUNDS):
        await pool.fill(10)
        changed.append(await timed(watcher.tick))
    list_alone = Limit("the list of ids alone", await fastest(3, pool.list))
    for name, rounds in (("a round, nothing new in the pool", unchanged), ("a round, ten new in the pool", changed)):
        seconds, still_s = min(each.seconds for each in rounds), max(each.blocked_s for each in rounds)
        report.add(name, seconds, "s", better="lower", limit=list_alone)
        report.add(f"{name}: loop still", still_s * 1000, "ms", better="lower")
    report.add(f"memory gained by {POOL:,} in the pool", resident_mb() - before_mb, "MB", better="lower")


class Took:
    """How long something took, and the longest that the event loop stood still meanwhile, in seconds."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.blocked_s = 0.0

    async def watch(self) -> None:
        """Wake every millisecond, until cancelled."""
        while True:
            slept_at = time.perf_counter()
            await asyncio.sleep(0.001)
            self.blocked_s = max(self.blocked_s, time.perf_counter() - slept_at - 0.001)


async def timed(work: Callable[[], Awaitable[object]]) -> Took:
    """Do something once, and measure it."""
    took = Took()
    watching = asyncio.create_task(took.watch())
    await asyncio.sleep(0.01)
    took.blocked_s = 0.0
    started = time.perf_counter()
    await work()
    took.seconds = time.perf_counter() - started
    await asyncio.sleep(0)
    watching.cancel()
    return took


async def fastest(times: int, work: Callable[[], Awaitable[object]]) -> float:
    """Seconds of the fastest of some tries."""
    return min([(await timed(work)).seconds for _ in range(times)])


async def bare_inserts(count: int) -> float:
    """Seconds for as many rows of a coin's columns in a table without indexes, in one statement."""
    await database.execute("CREATE TABLE bare (txid text, vout int, amount_raw numeric, address text)")
    started = time.perf_counter()
    await database.execute(
        "INSERT INTO bare SELECT * FROM unnest($1::text[], $2::int[], $3::numeric[], $4::text[])",
        ["ab" * 32] * count,
        list(range(count)),
        [PAYS_RAW] * count,
        ["bcrt1q"] * count,
    )
    took_s = time.perf_counter() - started
    await database.execute("DROP TABLE bare")
    return took_s


def somebody() -> str:
    """An address of nobody here."""
    return str(script.Script(bytes([0, 20]) + os.urandom(20)).address(NETWORKS["regtest"]))


def resident_mb() -> float:
    """The memory of this process."""
    return float(psutil.Process().memory_info().rss / 2**20)


class RelayClient:
    """The relay, which runs in a process of its own: it must not hold up the event loop that is measured."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def fill(self, count: int) -> None:
        """Add so many transactions to the pool that it lists."""
        await self._call(FILL, [count])

    async def list(self) -> object:
        """The pool's ids, as bytes of JSON."""
        return await self._call("getrawmempool", [False, True])

    async def _call(self, method: str, params: Sequence[object]) -> bytes:
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            return (await client.post(self.url, json=[call])).content


FILL = "bench_fill"
"""The relay's own method."""


class Relay:
    """Relays calls to the node, and adds transactions of others to the pool that it lists."""

    def __init__(self, target: str) -> None:
        self._client = httpx.AsyncClient(base_url=target, trust_env=False, timeout=60)
        self._added: dict[str, str] = {}

    async def answer(self, body: bytes) -> bytes:
        """Answer a batch of calls."""
        calls: list[dict[str, Any]] = json.loads(body)
        if calls[0]["method"] == FILL:
            self._fill(*calls[0]["params"])
            return b"[]"
        raws = {call["id"]: self._added[call["params"][0]] for call in calls if self._is_added(call)}
        others = [call for call in calls if call["id"] not in raws]
        answers: list[dict[str, Any]] = [{"jsonrpc": "2.0", "id": id, "result": raw} for id, raw in raws.items()]
        if others:
            answers += (await self._client.post("", json=others)).json()
        lists = {call["id"] for call in others if call["method"] == "getrawmempool"}
        for answer in answers:
            if answer["id"] in lists:
                answer["result"]["txids"] += list(self._added)
                answer["result"]["mempool_sequence"] += len(self._added)
        return json.dumps(answers).encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection over HTTP."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-le"))
                answer = await self.answer(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _is_added(self, call: dict[str, Any]) -> bool:
        return call["method"] == "getrawtransaction" and call["params"][0] in self._added

    def _fill(self, count: int) -> None:
        """Add transactions: one input of nobody, one output to nobody, each with a lock time of its own."""
        for number in range(len(self._added), len(self._added) + count):
            spends = b"\x01" + os.urandom(32) + bytes(4) + b"\x00" + b"\xfd\xff\xff\xff"
            pays = b"\x01" + PAYS_RAW.to_bytes(8, "little") + b"\x16\x00\x14" + os.urandom(20)
            raw = (2).to_bytes(4, "little") + spends + pays + number.to_bytes(4, "little")
            self._added[double_sha256(raw)[::-1].hex()] = raw.hex()


@contextmanager
def relay(target: str) -> Iterator[RelayClient]:
    """A running relay in front of the node at `target`."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=run_relay, args=(target, there), daemon=True)
    process.start()
    try:
        yield RelayClient(here.recv())
    finally:
        process.kill()
        process.join()


def run_relay(target: str, parent: Connection) -> None:
    """Tell the parent the relay's URL, and relay until the process is killed."""

    async def run() -> None:
        server = await asyncio.start_server(Relay(target).serve, "127.0.0.1", 0)
        parent.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    main()
