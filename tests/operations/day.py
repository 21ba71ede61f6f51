"""A busy shop's day in little: the whole gateway in its own processes, and all that the shop, its customers, its
bookkeeper and strangers ask of it.

The sandbox's Postgres, Valkey, chain, webhook receiver and workers; in place of its web process the one that production
runs, which has none of the sandbox's tools.
"""

import asyncio
import contextlib
import html
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import psutil

from app.core.settings import load
from app.sandbox import ports, processes, signatures
from app.sandbox.chain_driver import CUSTOMER, AnvilDriver, token_transfer_data
from app.sandbox.integrator import API
from app.sandbox.processes import Process
from app.sandbox.stack import APP
from app.wiring import running, wire
from tests.invariants import assert_invariants
from tests.resilience.traffic import signed_in
from tests.resilience.world import EVENTS, Running, sandbox

WEB_PROCESSES = 2
WORKERS = tuple(name for name in APP if name != "web")
START_S = 120
WAIT_S = 120.0
"""Long, for a busy machine."""

AT_ONCE = 24
"""Requests."""

CHEAP = "0.50"
DEAR_EVERY, DEAR = 20, "2.00"
"""Amounts in USDT: the signer sweeps the dear ones, each with two transactions of its own."""

PAID_AT_ONCE = 50
"""Payments of one request to the chain's node."""

GAS = hex(100_000)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Round:
    """What is done once, and then again. Of the invoices the first ones are paid, the last ones are cancelled, and each
    is read and its page opened; the pages of the very first ones stay open until they are paid."""

    invoices: int = 300
    paid: int = 200
    cancelled: int = 20
    followed: int = 60
    lists: int = 20
    strangers: int = 60


@dataclass
class Day:
    """A running gateway, and what has been done with it."""

    running: Running
    web: Process
    base_url: str
    environment: dict[str, str]
    cookie: str
    made: int = 0
    paid: int = 0
    delivered: set[tuple[str, str]] = field(default_factory=set)
    """Of each webhook that arrived the invoice and the type."""

    async def pass_round(self, work: Round) -> None:
        """Do the work, and wait until all of it has had its effect and every webhook has arrived."""
        limits = httpx.Limits(max_connections=AT_ONCE + work.followed)
        async with httpx.AsyncClient(base_url=self.base_url, timeout=WAIT_S, limits=limits, trust_env=False) as http:
            start = self.made
            self.made += work.invoices
            numbers = range(start, self.made)
            invoices = await each(numbers, lambda number: self._sale(http, number))
            assert len({invoice["id"] for invoice in invoices}) == work.invoices
            paid = invoices[: work.paid]
            cancelled = invoices[len(invoices) - work.cancelled :]
            async with asyncio.TaskGroup() as open_pages:
                for number, invoice in zip(numbers, invoices[: work.followed], strict=False):
                    open_pages.create_task(self._follow(http, invoice, number))
                await each(cancelled, lambda invoice: self._cancel(http, invoice))
                await each(range(work.strangers), lambda number: self._refused(http, number))
                await self._pay(paid)
                await each(range(work.lists), lambda number: self._lists(http, invoices[-1 - number]))
                await self._until_credited([invoice["id"] for invoice in paid])
        self.paid += work.paid
        await self._until_delivered()
        arrived = await self._take_webhooks()
        assert arrived == {
            *((invoice["id"], "invoice.created") for invoice in invoices),
            *((invoice["id"], kind) for invoice in paid for kind in EVENTS),
            *((invoice["id"], "invoice.cancelled") for invoice in cancelled),
        }
        self.delivered |= arrived

    async def check_books(self) -> None:
        """Nothing was lost and nothing done twice, and I1 to I7 hold, the balances on the chain included."""
        assert await self._count("SELECT count(*) FROM invoices") == self.made
        assert await self._count("SELECT count(*) FROM invoices WHERE status = 'paid'") == self.paid
        assert await self._count("SELECT count(*) FROM deposits WHERE status = 'credited'") == self.paid
        assert await self._count("SELECT count(*) FROM ledger_entries WHERE kind = 'invoice_credit'") == self.paid
        assert sum(kind == "invoice.paid" for _, kind in self.delivered) == self.paid
        async with running(wire(load(self.running.stack.environment))) as services:
            await assert_invariants(services)

    def processes(self) -> dict[str, psutil.Process]:
        """Those of the gateway: `web` forks the numbered ones, which serve."""
        leader = psutil.Process(self.web.pid)
        serving = [process for process in leader.children() if "resource_tracker" not in " ".join(process.cmdline())]
        numbered = {f"web {number}": process for number, process in enumerate(serving, 1)}
        workers = {name: psutil.Process(self.running.stack.app[name].pid) for name in WORKERS}
        return {"web": leader, **numbered, **workers}

    async def _sale(self, http: httpx.AsyncClient, number: int) -> dict[str, Any]:
        """An invoice is made and read, and its page opened."""
        asked = {
            "amount": DEAR if number % DEAR_EVERY == 0 else CHEAP,
            "currency": "USDT",
            "chain": "ethereum",
            "order_id": f"order {number}",
        }
        once = {"Idempotency-Key": f"sale {number}"}
        answer = await http.post(f"{API}/invoices", json=asked, headers=self._key() | once)
        assert answer.status_code == 201, answer.text
        invoice: dict[str, Any] = answer.json()
        read = await http.get(f"{API}/invoices/{invoice['id']}", headers=self._key())
        assert read.content == answer.content
        page = await http.get(invoice["payment_url"], headers=_from(number))
        assert page.status_code == 200, page.text
        assert invoice["pay_in"]["address"] in page.text
        (events_url,) = re.findall('data-events-url="([^"]*)"', page.text)
        (read_at,) = re.findall('data-now="([^"]*)"', page.text)
        since_ms = int(datetime.fromisoformat(read_at).timestamp() * 1000)
        return invoice | {"events_url": f"{html.unescape(events_url)}&since={since_ms}"}

    async def _follow(self, http: httpx.AsyncClient, invoice: dict[str, Any], number: int) -> None:
        """Keep the page open until it says that it is paid."""
        async with (
            asyncio.timeout(2 * WAIT_S),
            http.stream("GET", invoice["events_url"], headers=_from(number)) as answer,
        ):
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if 'data-status="paid"' in line:
                    return
        raise AssertionError(f"the stream of {invoice['id']} ended before the payment")

    async def _cancel(self, http: httpx.AsyncClient, invoice: dict[str, Any]) -> None:
        once = {"Idempotency-Key": f"cancel {invoice['id']}"}
        answer = await http.post(f"{API}/invoices/{invoice['id']}/cancel", headers=self._key() | once)
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")

    async def _refused(self, http: httpx.AsyncClient, number: int) -> None:
        """A key that there is not."""
        key = f"sp_test_{number:012d}_{'x' * 32}"
        headers = {"Authorization": f"Bearer {key}"} | _from(self.made + number)
        answer = await http.get(f"{API}/invoices", headers=headers)
        assert answer.status_code == 401, answer.text

    async def _lists(self, http: httpx.AsyncClient, invoice: dict[str, Any]) -> None:
        """The newest invoices, for the shop's server and for its bookkeeper."""
        answer = await http.get(f"{API}/invoices", params={"limit": 50}, headers=self._key())
        assert len(answer.json()["data"]) == 50
        path = f"/cabinet/{self.running.interface.merchant_id}/test/invoices"
        page = await http.get(path, params={"search": invoice["id"]}, headers={"Cookie": self.cookie})
        assert page.status_code == 200, page.text
        assert invoice["id"] in page.text

    async def _pay(self, invoices: Sequence[dict[str, Any]]) -> None:
        """The customers' wallets send what is asked, some of them at once."""
        network = self.running.interface.networks.ethereum
        assert network is not None
        contract = network.assets["USDT"].contract
        assert contract is not None
        driver = await AnvilDriver.connect(network.rpc_url)
        try:
            sender = driver.accounts[CUSTOMER]
            nonce = int(await driver.call("eth_getTransactionCount", sender, "pending"), 16)
        finally:
            await driver.aclose()
        calls = []
        for place, invoice in enumerate(invoices):
            data = token_transfer_data(invoice["pay_in"]["address"], int(invoice["pay_in"]["amount_raw"]))
            transfer = {
                "from": sender,
                "to": contract,
                "data": "0x" + data.hex(),
                "gas": GAS,
                "nonce": hex(nonce + place),
            }
            calls.append({"jsonrpc": "2.0", "id": place, "method": "eth_sendTransaction", "params": [transfer]})
        async with httpx.AsyncClient(timeout=WAIT_S, trust_env=False) as http:
            for begin in range(0, len(calls), PAID_AT_ONCE):
                answer = await http.post(network.rpc_url, json=calls[begin : begin + PAID_AT_ONCE])
                assert all("result" in each for each in answer.json()), answer.text

    async def _until_credited(self, ids: Sequence[str]) -> None:
        paid = "SELECT count(*) FROM invoices WHERE status = 'paid' AND id = ANY($1)"
        await self._until(f"the credit of {len(ids)} payments", paid, len(ids), list(ids))

    async def _until_delivered(self) -> None:
        waiting = """
            SELECT (SELECT count(*) FROM events WHERE seq IS NULL)
                + (SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered')
        """
        await self._until("the last webhook", waiting, 0)

    async def _take_webhooks(self) -> set[tuple[str, str]]:
        """The webhooks about invoices that have come since the last call, each of which has a good signature."""
        receiver = self.running.interface.webhook_receiver
        verify = await asyncio.to_thread(httpx.create_ssl_context, receiver.ca_file)
        async with httpx.AsyncClient(verify=verify, timeout=WAIT_S, trust_env=False) as http:
            records = (await http.get(receiver.requests_url, params={"limit": "200000"})).json()["data"]
            (await http.delete(receiver.requests_url)).raise_for_status()
        arrived = set()
        for record in records:
            signatures.verify(receiver.secret, record["headers"], record["body"].encode())
            body = json.loads(record["body"])
            arrived.add((str(body["data"].get("id")), str(record["event_type"])))
        return {(subject, kind) for subject, kind in arrived if kind.startswith("invoice.")}

    async def _until(self, what: str, statement: str, wanted: int, *arguments: object) -> None:
        try:
            async with asyncio.timeout(WAIT_S):
                while (found := await self._count(statement, *arguments)) != wanted:
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise AssertionError(f"{what} did not come within {WAIT_S:g} s: {found}, not {wanted}") from None

    async def _count(self, statement: str, *arguments: object) -> int:
        connection = await asyncpg.connect(self.running.interface.database_url)
        try:
            return int(await connection.fetchval(statement, *arguments))
        finally:
            await connection.close()

    def _key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.running.interface.api_key}"}


@contextmanager
def day(folder: Path) -> Iterator[Day]:
    """A gateway at the beginning of its day; everything is stopped and deleted at the end."""
    with sandbox(folder / "var") as running:
        running.stack.app.pop("web").stop()
        port = ports.free_port()
        base_url = f"http://127.0.0.1:{port}"
        environment = running.stack.environment | {
            "SWAP_PAY_ENV": "test",
            "PUBLIC_URL": base_url,
            "WEB_PORT": str(port),
            "WEB_WORKERS": str(WEB_PROCESSES),
            "TRUSTED_PROXIES": "127.0.0.1",
        }
        web = processes.start(
            "web-of-production",
            [sys.executable, "-m", "app.cli", "web"],
            var_dir=folder,
            env=environment,
            ready=lambda _: _answers(f"{base_url}/readyz"),
            ready_timeout_s=START_S,
        )
        try:
            yield Day(running, web, base_url, environment, signed_in(running))
        finally:
            web.stop()


async def each(given: Iterable[T], work: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do the work for each, some at once. The results are in order."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(item: T) -> R:
        async with places:
            return await work(item)

    return await asyncio.gather(*map(one, given))


def _from(number: int) -> dict[str, str]:
    """Each customer has an address of their own: pages are limited for each."""
    return {"X-Forwarded-For": f"198.{18 + number // 65_536 % 2}.{number // 256 % 256}.{number % 256}"}


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, trust_env=False).status_code == 200
    return False
