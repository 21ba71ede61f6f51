"""How fast a Tron network is watched, beside fetching and decoding the same answers alone: `make bench`.

    python -m bench.tron

With the watcher of production, against a server of blocks that are as full as those of the main network:

- 1,200 blocks of backlog of 300 transactions each, two thirds of them calls of a token, the others transfers of TRX;
- the same at a provider that allows 15 requests a second: how long it has to take, and takes;
- steady blocks: how much of a core they need at one in three seconds, and how many requests a day.

The server runs in a process of its own and executes nothing: each block is a template with its height put in, so each
has ids and addresses of its own. Nothing is to us. While the watcher works, a task wakes every millisecond; the longest
that it had to wait is how long the event loop stood still.
"""

import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from app.core import database
from app.core.migrations import migrate
from app.sandbox import postgres, processes, valkey
from bench.bitcoin import resident_mb, timed, watched
from bench.report import Goal, Limit, Report
from bench.scripted import Node, Shared, scripted

BLOCKS, TRANSACTIONS = 1_200, 300
BACKLOG = Goal("at most", 60.0)
"""Seconds of BLOCKS blocks."""

LIMITED_BLOCKS = 60
PER_SECOND = 15
STEADY_BLOCKS = 100
SLOT_S = 3.0
OF_A_CORE = Goal("at most", 10.0)
"""Per cent, of blocks as they come."""

DAY_BLOCKS = 28_800
REQUESTS = Goal("at most", 100_000)
"""A day: what one free plan of a provider allows."""

FINAL_BEHIND = 18
RAW_AT_ONCE = 8

XPUB = "xpub6D1AabNHCupeiLM65ZR9UStMhJ1vCpyV4XbZdyhMZBiJXALQtmn9p42VTQckoHVn8WNqS7dqnJokZHAHcHGoaQgmv8D45oNUKx6DZMNZBCd"
TOKEN = "a614f803b6fd780986a42c78ec9c7f77e6ded13c"
TRANSFER_TOPIC = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
MARK, HEIGHT_MARK = b"c0ffee" + b"c0ffee" + b"beef", b"7777777770"
"""In the templates: 16 digits that become the block's height, in ids and addresses, and its decimal height."""

GENESIS = f"{0:016x}{'ab' * 24}"

NETWORK = """
[[networks]]
chain = "tron"
mode = "test"
kind = "tron"
genesis_hash = "{genesis}"
display_name = "Tron"
rpc_urls = ["{url}"]
confirmations = 19
start_height = 1
xpub = "{xpub}"
{more}

[[networks.assets]]
symbol = "USDT"
name = "Tether USD"
kind = "trc20"
contract = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
decimals = 6

[[networks.assets]]
symbol = "TRX"
name = "TRON"
kind = "native"
decimals = 6
"""


def main() -> None:
    """Start the servers, measure, stop them."""
    print(f"a server of scripted blocks of {TRANSACTIONS} transactions, one watcher")
    home = Path(tempfile.mkdtemp(prefix="swap-pay-bench-"))
    server, cache = postgres.start(home / "postgres"), valkey.start(home / "valkey")
    try:
        for name in ("backlog", "limited", "steady"):
            server.create_database(name)
            asyncio.run(migrate(server.dsn(name)))
        with scripted(Server) as node, Report("tron") as report:
            asyncio.run(backlog(report, home, server.dsn("backlog"), cache.url, node))
            asyncio.run(limited(report, home, server.dsn("limited"), cache.url, node))
            asyncio.run(steady(report, home, server.dsn("steady"), cache.url, node))
    finally:
        processes.stop_all()
        postgres.remove(home / "postgres")
        shutil.rmtree(home, ignore_errors=True)


async def backlog(report: Report, home: Path, dsn: str, redis_url: str, node: Node) -> None:
    """BLOCKS blocks that were made while nobody watched."""
    raw_s, megabytes = await fetched(node.url, 2, BLOCKS + 1)
    node.move(1)
    async with watched(home, dsn, redis_url, networks(node)) as (_, watcher):
        node.move(BLOCKS + 1)
        before_mb, before_s = resident_mb(), time.process_time()
        took = await timed(watcher.tick)
        cpu_s = time.process_time() - before_s
        assert await database.fetch_value("SELECT max(height) FROM scanned_blocks") == BLOCKS + 1
    print(f"the server sent {megabytes:,.0f} MB")
    name = f"{BLOCKS:,} blocks of backlog"
    report.add(name, took.seconds, "s", better="lower", limit=Limit("fetch and decode alone", raw_s), goal=BACKLOG)
    report.add(f"{name}: CPU of each", cpu_s / BLOCKS * 1000, "ms", better="lower")
    report.add(f"{name}: loop still", took.blocked_s * 1000, "ms", better="lower")
    report.add(f"{name}: memory gained", resident_mb() - before_mb, "MB", better="lower")


async def limited(report: Report, home: Path, dsn: str, redis_url: str, node: Node) -> None:
    """A shorter backlog at a provider."""
    node.move(1)
    more = f"requests_per_second = {PER_SECOND}"
    async with watched(home, dsn, redis_url, networks(node, more)) as (_, watcher):
        node.move(LIMITED_BLOCKS + 1)
        asked = node.requests
        took = await timed(watcher.tick)
        requests = node.requests - asked
    allowed = Limit("so many requests at that rate", requests / PER_SECOND)
    name = f"{LIMITED_BLOCKS} blocks of backlog at {PER_SECOND} requests/s"
    report.add(name, took.seconds, "s", better="lower", limit=allowed)


async def steady(report: Report, home: Path, dsn: str, redis_url: str, node: Node) -> None:
    """One block after another, as they come."""
    node.move(1)
    async with watched(home, dsn, redis_url, networks(node)) as (_, watcher):
        asked, cpu_s, longest_s = node.requests, 0.0, 0.0
        for height in range(2, STEADY_BLOCKS + 2):
            node.move(height)
            before_s = time.process_time()
            await watcher.tick()
            cpu_s += time.process_time() - before_s
        requests = node.requests - asked
        for height in range(STEADY_BLOCKS + 2, STEADY_BLOCKS + 12):
            node.move(height)
            longest_s = max(longest_s, (await timed(watcher.tick)).blocked_s)
        before_s = time.process_time()
        await fetched(node.url, 2, STEADY_BLOCKS + 1, at_once=1)
        raw_s = time.process_time() - before_s
    a_block_ms = cpu_s / STEADY_BLOCKS * 1000
    raw = Limit("fetch and decode alone", raw_s / STEADY_BLOCKS * 1000)
    report.add("one block as they come: CPU", a_block_ms, "ms", better="lower", limit=raw)
    report.add("of a core, as they come", a_block_ms / SLOT_S / 10, "%", better="lower", goal=OF_A_CORE)
    report.add("requests a day", requests * DAY_BLOCKS / STEADY_BLOCKS, "requests", better="lower", goal=REQUESTS)
    report.add("one block as they come: loop still", longest_s * 1000, "ms", better="lower")


async def fetched(url: str, first: int, last: int, at_once: int = 10) -> tuple[float, float]:
    """Fetch and decode blocks with their infos, and nothing else: the seconds and megabytes that it took."""
    size = 0
    gate = asyncio.Semaphore(RAW_AT_ONCE)
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:

        async def one(path: str, body: dict[str, int]) -> None:
            nonlocal size
            async with gate:
                answer = await client.post(path, json=body)
                size += len(answer.content)
                msgspec.json.decode(answer.content)

        started = time.perf_counter()
        questions = [
            one("/wallet/getblockbylimitnext", {"startNum": start, "endNum": min(start + at_once, last + 1)})
            for start in range(first, last + 1, at_once)
        ]
        infos = [one("/wallet/gettransactioninfobyblocknum", {"num": height}) for height in range(first, last + 1)]
        await asyncio.gather(*questions, *infos)
        return time.perf_counter() - started, size / 10**6


def networks(node: Node, more: str = "") -> str:
    """The networks file. The blocks of the server are all of its start, which is no fault here."""
    return NETWORK.format(genesis=GENESIS, url=node.url, xpub=XPUB, more=f"max_head_age_s = 1000000\n{more}")


class Server:
    """Serves blocks of a template."""

    def __init__(self, shared: Shared) -> None:
        self._head = shared.head
        self._start_ms = int(time.time() * 1000)
        done = [transaction(number) for number in range(TRANSACTIONS)]
        self._transactions = json.dumps([each for each, _ in done]).encode()
        self._infos = json.dumps([info for _, info in done]).encode()

    def answer(self, path: str, body: dict[str, Any]) -> bytes:
        """The answer to a question."""
        head = int(self._head.value)
        match path.rpartition("/")[2]:
            case "getnowblock":
                return self._block(head)
            case "getblock":
                is_final = path.startswith("/walletsolidity")
                return self._header(int(body.get("id_or_num", head - FINAL_BEHIND * is_final))) + b"}"
            case "getblockbylimitnext":
                blocks = [self._block(height) for height in range(body["startNum"], body["endNum"])]
                return b'{"block":[' + b",".join(blocks) + b"]}"
            case "gettransactioninfobyblocknum":
                return put_in(self._infos, body["num"])
        return b'{"Error":"class java.lang.NoSuchMethodException : it has no more than this"}'

    def _block(self, height: int) -> bytes:
        return self._header(height) + b',"transactions":' + put_in(self._transactions, height) + b"}"

    def _header(self, height: int) -> bytes:
        data = {"number": height, "parentHash": block_id(height - 1), "timestamp": self._start_ms + height}
        header = {"blockID": block_id(height), "block_header": {"raw_data": data, "witness_signature": "55" * 65}}
        return json.dumps(header).encode()[:-1]


def block_id(height: int) -> str:
    """The id of a block, which begins with its height."""
    return GENESIS if height < 1 else f"{height:016x}{'ab' * 24}"


def put_in(template: bytes, height: int) -> bytes:
    """A template with a block's height in its ids, addresses and numbers."""
    return template.replace(MARK, b"%016x" % height).replace(HEIGHT_MARK, b"%d" % height)


def transaction(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A transaction and its info, as large as those of the main network."""
    mark = MARK.decode()
    txid = f"{mark}{number:048x}"
    owner, receiver = f"41{mark}{number:024x}", f"41{mark}{number + TRANSACTIONS:024x}"
    value: dict[str, Any]
    info: dict[str, Any] = {"id": txid, "blockNumber": int(HEIGHT_MARK), "contractResult": [""], "fee": 267_000}
    if number % 3:
        kind = "TriggerSmartContract"
        value = {"data": "a9059cbb" + "0" * 128, "owner_address": owner, "contract_address": f"41{TOKEN}"}
        topics = [TRANSFER_TOPIC, owner[2:].rjust(64, "0"), receiver[2:].rjust(64, "0")]
        info |= {
            "contract_address": f"41{TOKEN}",
            "receipt": {"energy_fee": 6_428_500, "energy_usage_total": 64_285, "net_fee": 345_000, "result": "SUCCESS"},
            "log": [{"address": TOKEN, "topics": topics, "data": f"{number + 1:064x}"}],
        }
    else:
        kind = "TransferContract"
        value = {"amount": number + 1, "owner_address": owner, "to_address": receiver}
        info |= {"receipt": {"net_fee": 267_000}}
    parameter = {"value": value, "type_url": f"type.googleapis.com/protocol.{kind}"}
    raw = {
        "contract": [{"parameter": parameter, "type": kind}],
        "ref_block_bytes": "1c8b",
        "ref_block_hash": "d787d787d787d787",
        "expiration": 1_777_437_813_000,
        "fee_limit": 100_000_000,
        "timestamp": 1_777_437_756_016,
    }
    whole = {"ret": [{"contractRet": "SUCCESS"}], "signature": ["21" * 65], "txID": txid, "raw_data": raw}
    return {**whole, "raw_data_hex": "0a" * 210}, info


if __name__ == "__main__":
    main()
