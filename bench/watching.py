"""How the watcher of an EVM network keeps up where it counts: `make bench`.

    python -m bench.watching

With the watcher of production and a real Postgres, against a node of scripted blocks that answers in 20 ms:

- a block with 5,000 transfers of a token to as many of our invoices, as an exchange sends them: how long until all are
  confirming, and how long until all are credited after the block that is their last confirmation;
- a backlog of blocks of 150 transactions, two thirds of them calls of a token, the others transfers of the native coin;
- blocks that come every 250 ms: how far the watcher is behind, and how much of a core it needs.

The node knows no traces, so that native coin passed on by contracts is not read.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import uvloop

from app.core import clock, database, gc_tuning
from app.core.migrations import migrate
from app.deposits.watcher import Watcher
from app.invoices.creation import NewInvoice
from app.merchants import service as merchants
from app.merchants.terms import Terms
from app.sandbox import postgres, processes, valkey
from app.wiring import Services
from bench.bitcoin import bare_inserts, resident_mb, timed, watched
from bench.report import Goal, Limit, Report
from bench.scripted import Node, Shared, scripted
from bench.stack import XPUB

ANSWERS_IN_S = 0.020
OURS, PER_TRANSACTION = 5_000, 100
CONFIRMATIONS = 3
BACKLOG = 10_000
TRANSACTIONS = 150
STEADY_S, SLOT_S, LOOKS_PER_SLOT = 15.0, 0.25, 4
RAW_AT_ONCE, RAW_BLOCKS = 8, 1_000

INVOICES_AT_ONCE = 20
TOKEN = "0xdac17f958d2ee523a2206206994597c13d831ec7"
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
MARK, HEIGHT_MARK = b"c0ffeec0ffeebeef", b"0xfeedfeedfeed"
"""In the template: 16 digits that become the block's height, in ids and addresses, and the height as a quantity."""

NETWORK = """
[[networks]]
chain = "ethereum"
mode = "test"
kind = "evm"
display_name = "Ethereum"
chain_id = 1
rpc_urls = ["{url}"]
confirmations = {confirmations}
start_height = 1
poll_interval_ms = {poll_ms}
xpub = "{xpub}"
pool_cap = 20000

[[networks.assets]]
symbol = "USDT"
name = "Tether USD"
kind = "erc20"
contract = "{token}"
decimals = 6

[[networks.assets]]
symbol = "ETH"
name = "Ether"
kind = "native"
decimals = 18
"""


def main() -> None:
    """Start the servers, measure, stop them."""
    home = Path(tempfile.mkdtemp(prefix="swap-pay-bench-"))
    server, cache = postgres.start(home / "postgres"), valkey.start(home / "valkey")
    try:
        with Report("watching") as report:
            for measure in (a_block, backlog, steady):
                name = measure.__name__
                if sys.argv[1:] and name not in sys.argv[1:]:
                    continue
                server.create_database(name)
                asyncio.run(migrate(server.dsn(name)))
                with scripted(Blocks, answers_in_s=ANSWERS_IN_S) as node:
                    bench = Bench(report, home, server.dsn(name), cache.url, node, server.process.pid)
                    uvloop.run(measure(bench))
    finally:
        processes.stop_all()
        postgres.remove(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)


class Bench:
    """What each measurement needs."""

    def __init__(self, report: Report, home: Path, dsn: str, redis_url: str, node: Node, postgres_pid: int) -> None:
        self.report = report
        self.node = node
        self._home = home
        self._dsn = dsn
        self._redis_url = redis_url
        self._postgres = psutil.Process(postgres_pid)

    def watched(self, poll_ms: int = 100) -> Any:
        """The services and the watcher, after its first round at block 1."""
        text = NETWORK.format(url=self.node.url, confirmations=CONFIRMATIONS, poll_ms=poll_ms, xpub=XPUB, token=TOKEN)
        return watched(self._home, self._dsn, self._redis_url, text)

    def postgres_cpu_s(self) -> float:
        """Seconds of CPU of the server's processes that live now."""
        times = [one.cpu_times() for one in (self._postgres, *self._postgres.children(recursive=True))]
        return sum(each.user + each.system for each in times)


async def a_block(bench: Bench) -> None:
    """The block of an exchange, as the running watcher sees it."""
    async with bench.watched() as (services, watcher):
        await ask(bench.node, "bench_pay", [3, await payments_for(services)])
        bare = Limit("as many rows bare", await bare_inserts(4 * OURS))
        async with at_work(watcher):
            for name, height, reached, goal in (
                ("seen", 3, "SELECT (scanned_height >= 3)::int FROM network_cursors", None),
                ("credited", 2 + CONFIRMATIONS, _CREDITED, Goal("at most", 3.0)),
            ):
                web_s, postgres_s = time.process_time(), bench.postgres_cpu_s()
                started = time.perf_counter()
                bench.node.move(height)
                while not await database.fetch_value(reached):
                    await asyncio.sleep(0.05)
                took_s = time.perf_counter() - started
                web_s, postgres_s = time.process_time() - web_s, bench.postgres_cpu_s() - postgres_s
                add = bench.report.add
                add(f"{OURS:,} transfers of a block {name}", took_s, "s", better="lower", limit=bare, goal=goal)
                add(f"{name}: CPU of the watcher, each", web_s / OURS * 1e6, "µs", better="lower")
                add(f"{name}: CPU of Postgres, each", postgres_s / OURS * 1e6, "µs", better="lower")
        assert await database.fetch_value(_WHOLE) == OURS, "a payment was not credited as it was made"


_CREDITED = f"SELECT count(*) FROM ledger_heads WHERE owner LIKE 'MCH-%' AND seq = {OURS}"
"""Cheap, since it is asked all the time; in the transaction of a head's entries is all else."""

_WHOLE = """
    SELECT count(*) FROM invoices i JOIN deposits d ON d.invoice = i.id JOIN events e ON e.subject_id = i.id
    WHERE i.status = 'paid' AND i.credited_raw + i.service_fee_charged_raw = i.pay_in_raw AND d.status = 'credited'
        AND e.type = 'invoice.paid'
    """


async def backlog(bench: Bench) -> None:
    """BACKLOG blocks that were made while nobody watched."""
    raw_per_s = RAW_BLOCKS / await fetched_s(bench.node.url)
    async with bench.watched() as (_, watcher):
        bench.node.move(BACKLOG + 1)
        before_mb, before_s = resident_mb(), time.process_time()
        took = await timed(watcher.tick)
        cpu_s = time.process_time() - before_s
        assert await database.fetch_value("SELECT count(*) FROM scanned_blocks WHERE height <= $1", BACKLOG + 1)
        assert await database.fetch_value("SELECT scanned_height FROM network_cursors") == BACKLOG + 1
    add, raw = bench.report.add, Limit("fetching and decoding alone", BACKLOG / raw_per_s)
    add(f"backlog of {BACKLOG:,} blocks", took.seconds, "s", better="lower", limit=raw, goal=Goal("at most", 300.0))
    add("backlog: CPU of the watcher, each", cpu_s / BACKLOG * 1e3, "ms", better="lower")
    add("backlog: the event loop stood still", took.blocked_s * 1e3, "ms", better="lower")
    add("backlog: memory gained", resident_mb() - before_mb, "MB", better="lower")


async def steady(bench: Bench) -> None:
    """Blocks every SLOT_S."""
    async with bench.watched() as (_, watcher), at_work(watcher):
        height, behind = 1, []
        cpu_s, asked, started = time.process_time(), bench.node.requests, time.perf_counter()
        while (passed := time.perf_counter() - started) < STEADY_S:
            height = 1 + int(passed / SLOT_S)
            bench.node.move(height)
            await asyncio.sleep(SLOT_S / LOOKS_PER_SLOT)
            behind.append(height - await database.fetch_value("SELECT scanned_height FROM network_cursors"))
        cpu_s, asked = time.process_time() - cpu_s, bench.node.requests - asked
    at_most = Goal("at most", 2.0)
    bench.report.add("blocks of 250 ms: most blocks behind", max(behind), "blocks", better="lower", goal=at_most)
    bench.report.add(
        "blocks of 250 ms: of a core", cpu_s / STEADY_S, "cores", better="lower", goal=Goal("at most", 0.1)
    )
    bench.report.add("blocks of 250 ms: requests, each", asked / height, "", better="lower")


@asynccontextmanager
async def at_work(watcher: Watcher) -> AsyncIterator[None]:
    """The watcher runs meanwhile, as its worker runs it."""
    gc_tuning.settle()
    stop = asyncio.Event()
    running = asyncio.create_task(watcher.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def payments_for(services: Services) -> list[tuple[str, int]]:
    """The addresses and amounts of OURS open invoices of one merchant."""
    async with database.transaction():
        merchant_id = await merchants.create(name="Bench", service_fee_bps=80, fee_payer="merchant", now=clock.now())
        await merchants.enable_all_assets(merchant_id, services.networks)
    terms = Terms(merchant_id, "test", 80, "merchant")
    new = NewInvoice(amount="5", currency="USDT", chain="ethereum", expires_in=timedelta(days=1))
    made: list[tuple[str, int]] = []
    while len(made) < OURS:
        bodies = [services.invoice_creation.create(terms, new, None, clock.now()) for _ in range(INVOICES_AT_ONCE)]
        asked = [json.loads(body)["pay_in"] for body in await asyncio.gather(*bodies)]
        made += [(each["address"], int(each["amount_raw"])) for each in asked]
    return made


async def fetched_s(url: str) -> float:
    """Seconds to fetch and decode RAW_BLOCKS blocks with their logs, and nothing else."""
    gate = asyncio.Semaphore(RAW_AT_ONCE)
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:

        async def ten(first: int) -> None:
            wanted = {"fromBlock": hex(first), "toBlock": hex(first + 9), "address": [TOKEN], "topics": []}
            calls = [("eth_getBlockByNumber", [hex(height), True]) for height in range(first, first + 10)]
            batch = [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                for number, (method, params) in enumerate([*calls, ("eth_getLogs", [wanted])])
            ]
            async with gate:
                msgspec.json.decode((await client.post(url, json=batch)).content)

        started = time.perf_counter()
        await asyncio.gather(*(ten(first) for first in range(1, RAW_BLOCKS, 10)))
        return time.perf_counter() - started


async def ask(node: Node, method: str, params: Sequence[Any]) -> None:
    """Call a method of the bench's own."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await client.post(node.url, json=[{"jsonrpc": "2.0", "id": 0, "method": method, "params": params}])


class Blocks:
    """The node's answers: each block is a template with its height put in, so each has ids and addresses of its own."""

    def __init__(self, shared: Shared) -> None:
        self._head = shared.head
        self._start_s = int(time.time()) - 60
        self._transactions = json.dumps([transaction(number) for number in range(TRANSACTIONS)]).encode()
        moved = range(0, TRANSACTIONS, 5)
        self._logs = json.dumps([log(at, txid(n), at, somebody(n), n + 1) for at, n in enumerate(moved)]).encode()[1:-1]
        self._paid: dict[int, bytes] = {}

    def answer(self, path: str, body: list[dict[str, Any]]) -> bytes:
        """The answer to a batch of calls."""
        return b"[" + b",".join(self._reply(call) for call in body) + b"]"

    def _reply(self, call: dict[str, Any]) -> bytes:
        result = self._result(call["method"], call["params"])
        if result is None:
            return b'{"jsonrpc":"2.0","id":%d,"error":{"code":-32601,"message":"unknown"}}' % call["id"]
        return b'{"jsonrpc":"2.0","id":%d,"result":%s}' % (call["id"], result)

    def _result(self, method: str, params: list[Any]) -> bytes | None:
        match method:
            case "eth_chainId":
                return b'"0x1"'
            case "eth_blockNumber":
                return b'"%s"' % hex(self._head.value).encode()
            case "eth_getBlockByNumber" if params[0] not in ("finalized", "latest"):
                return self._block(int(params[0], 16), full=params[1])
            case "eth_getBalance":
                return b'"0x0"'
            case "eth_call":
                return b'"0x%064x"' % 0
            case "eth_getLogs":
                first, last = (int(params[0][name], 16) for name in ("fromBlock", "toBlock"))
                return b"[" + b",".join(self._logs_of(height) for height in range(first, last + 1)) + b"]"
            case "bench_pay":
                height, payments = params
                logs = [
                    log(len(self._logs) + at, txid(10**6 + at // PER_TRANSACTION), 0, word(address), amount)
                    for at, (address, amount) in enumerate(payments)
                ]
                self._paid[height] = json.dumps(logs).encode()[1:-1]
                return b"true"
        return None

    def _block(self, height: int, *, full: bool) -> bytes:
        if height > self._head.value:
            return b"null"
        header = {
            "number": hex(height),
            "hash": block_hash(height),
            "parentHash": block_hash(height - 1),
            "timestamp": hex(self._start_s + height // 4),
        }
        transactions = put_in(self._transactions, height) if full else b"[]"
        return json.dumps(header).encode()[:-1] + b',"transactions":' + transactions + b"}"

    def _logs_of(self, height: int) -> bytes:
        found = [self._logs, self._paid[height]] if height in self._paid else [self._logs]
        return put_in(b",".join(found), height)


def put_in(template: bytes, height: int) -> bytes:
    """A template with a block's height in its ids, addresses and numbers."""
    return template.replace(MARK, b"%016x" % height).replace(HEIGHT_MARK, hex(height).encode())


def block_hash(height: int) -> str:
    """The hash of a block."""
    return f"0x{max(height, 0):016x}{'ab' * 24}"


def txid(number: int) -> str:
    """The id of a transaction of the template."""
    return f"0x{MARK.decode()}{number:048x}"


def somebody(number: int) -> str:
    """The address of nobody here, as a log's topic."""
    return f"0x{'0' * 24}{MARK.decode()}{number:024x}"


def word(address: str) -> str:
    """An address as a log's topic."""
    return f"0x{'0' * 24}{address[2:].lower()}"


def log(index: int, of: str, position: int, receiver: str, amount: int) -> dict[str, Any]:
    """A Transfer of the token, as large as a node's."""
    return {
        "address": TOKEN,
        "topics": [TRANSFER_TOPIC, somebody(0), receiver],
        "data": f"0x{amount:064x}",
        "blockNumber": HEIGHT_MARK.decode(),
        "blockHash": f"0x{MARK.decode()}{'ab' * 24}",
        "transactionHash": of,
        "transactionIndex": hex(position),
        "logIndex": hex(index),
        "removed": False,
    }


def transaction(number: int) -> dict[str, Any]:
    """A transaction as large as those of the main network."""
    is_call = number % 3 != 0
    return {
        "blockHash": f"0x{MARK.decode()}{'ab' * 24}",
        "blockNumber": HEIGHT_MARK.decode(),
        "from": f"0x{MARK.decode()}{number:024x}",
        "to": TOKEN if is_call else f"0x{MARK.decode()}{number + TRANSACTIONS:024x}",
        "hash": txid(number),
        "value": "0x0" if is_call else hex(10**15 + number),
        "input": "0xa9059cbb" + "0" * 128 if is_call else "0x",
        "gas": "0x15f90",
        "gasPrice": "0x3b9aca00",
        "maxFeePerGas": "0x77359400",
        "maxPriorityFeePerGas": "0x5f5e100",
        "nonce": hex(number),
        "transactionIndex": hex(number),
        "type": "0x2",
        "chainId": "0x1",
        "accessList": [],
        "v": "0x1",
        "yParity": "0x1",
        "r": "0x" + "21" * 32,
        "s": "0x" + "12" * 32,
    }


if __name__ == "__main__":
    main()
