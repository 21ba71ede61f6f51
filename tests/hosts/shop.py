"""A merchant that sells and pays out while the database fails over: what was answered, and what is true at the end."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import httpx

from app.accounts.totp import CodeRefused
from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.waiting import DatabaseUnavailable
from app.withdrawals.approvals import ApprovalRefused
from tests import commands
from tests.api.serving import served
from tests.factories.api_keys import api_key
from tests.factories.operators import Operator, operator
from tests.factories.webhooks import make_endpoint
from tests.signer.signer_under_test import SignerUnderTest, new_address
from tests.webhooks.receiving import Receiver

API = "/api/v1/merchant"
WORKERS = ("chain", "webhooks")
TILLS = 3
"""Customers who pay at the same time."""

TRY_AGAIN = ((503, "UNAVAILABLE"), (409, "IDEMPOTENCY_IN_PROGRESS"))
"""What docs/errors.md tells a shop to repeat. The second: an earlier attempt's commit still waits for its standby."""

RETRY_S = 0.2
BLOCK_S = 0.5
PAYOUT = "0.25"
PAYOUT_RAW = 250_000
PATIENCE_S = 180.0
"""For everything to come to rest, on a busy machine."""


@dataclass
class Shop:
    """The merchant's server. `orders` are the answered creations: the invoice by order. `payouts` are destinations by
    payout. `slowest_s` is the longest that a creation took, from its first attempt to its answer."""

    setup: SignerUnderTest
    receiver: Receiver
    environment: Mapping[str, str]
    signer: Mapping[str, str]
    bearer: Mapping[str, str]
    operators: list[Operator]
    logs: Path
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)
    workers: dict[str, ForkServerProcess] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    payouts: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    refused: int = 0
    slowest_s: float = 0.0
    wallet: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Inside, all processes of the gateway run but the signer, and the chain mines."""
        with served(self.environment, self.logs / "web.log") as web, self._workers():
            mining = asyncio.create_task(self._mine())
            try:
                async with httpx.AsyncClient(base_url=web.url, timeout=60, trust_env=False) as self.client:
                    yield
            finally:
                mining.cancel()
                await asyncio.gather(mining, return_exceptions=True)

    async def start_signer(self, name: str, database_url: str | None = None) -> None:
        """Start a signer, by another way to the database where one is given. It ends with the others' work."""
        way = {} if database_url is None else {"DATABASE_URL": database_url}
        self._start(name, "signer", {**self.signer, **way})
        await self.until(f"{name} at work", lambda: self.has_said(name, "worker_started"))

    async def has_said(self, name: str, event: str, times: int = 1) -> bool:
        """Whether a worker's log has an event that often."""
        return self.log(name).read_text().count(f'"{event}"') >= times

    def log(self, name: str) -> Path:
        """The log of a worker."""
        return self.logs / f"{name}.log"

    async def sell(self, count: int) -> None:
        """Create invoices, and have each paid."""
        orders = iter(range(count))
        await asyncio.gather(*(self._till(orders) for _ in range(TILLS)))

    async def pay_out(self, count: int) -> None:
        """Request payouts, and approve each."""
        for _ in range(count):
            destination = new_address()
            body = {"asset": "USDT", "chain": "ethereum", "amount": PAYOUT, "destination": destination}
            made = await self._post("/payouts", body, once=f"payout to {destination}")
            self.payouts[made["id"]] = destination
            await self._approve(made["id"])
            await asyncio.sleep(BLOCK_S)

    async def until(self, what: str, done: Callable[[], Awaitable[object]]) -> None:
        """Wait until it is so; the database may be away meanwhile."""
        with self._patience(what):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    with suppress(DatabaseUnavailable):
                        if await done():
                            return
                    await asyncio.sleep(RETRY_S)

    async def until_sold(self, count: int) -> None:
        """Wait until this many creations were answered."""

        async def sold() -> bool:
            return len(self.orders) >= count

        await self.until(f"{count} invoices", sold)

    async def come_to_rest(self) -> None:
        """Wait until every invoice is paid, every payout confirmed and every event delivered."""

        async def at_rest() -> bool:
            return not await database.fetch_value(
                """
                SELECT (SELECT count(*) FROM invoices WHERE order_id IS NOT NULL AND status <> 'paid')
                    + (SELECT count(*) FROM withdrawals WHERE status <> 'confirmed')
                    + (SELECT count(*) FROM events WHERE seq IS NULL)
                    + (SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered')
                """
            )

        await self.until("the end of all payments, payouts and deliveries", at_rest)

    async def check(self, count: int) -> None:
        """Each order has one invoice, which was paid, credited and told; each payout was paid once; the books agree
        with each other and with the chain. After the work, since it watches the chain itself."""
        assert not self.faults, "\n".join([*self.faults, self.log("web").read_text()[-3000:]])
        assert len(self.orders) == count == len(set(self.orders.values()))
        made = await database.fetch_all("SELECT order_id, id FROM invoices WHERE order_id IS NOT NULL")
        assert {row["order_id"]: row["id"] for row in made} == self.orders
        credits = await database.fetch_all(
            """
            SELECT d.invoice FROM ledger_entries e
            JOIN deposits d ON e.reference_type = 'deposit' AND d.id::text = e.reference_id
            WHERE e.kind = 'invoice_credit'
            """
        )
        credited = Counter(row["invoice"] for row in credits)
        assert [credited[invoice] for invoice in self.orders.values()] == [1] * count
        bodies = [json.loads(request.body) for request in self.receiver.requests]
        told = {(body["type"], body["data"]["id"]) for body in bodies}
        assert told >= {("invoice.paid", invoice) for invoice in self.orders.values()}
        assert told >= {("payout.confirmed", payout) for payout in self.payouts}
        for destination in self.payouts.values():
            assert await self.setup.sent_to(destination) == [PAYOUT_RAW]
        await self.setup.check()

    def report(self, what: str) -> None:
        """Print the figures."""
        print(
            f"\n{what}: {len(self.orders)} payments, {len(self.payouts)} payouts,"
            f" {len(self.receiver.requests)} webhooks; longest pause of a creation {self.slowest_s:.1f} s,"
            f" {self.refused} requests to be repeated"
        )

    async def _till(self, orders: Iterator[int]) -> None:
        for number in orders:
            order = f"order-{number}"
            body = {"amount": "1.00", "currency": "USDT", "chain": "ethereum", "order_id": order}
            invoice = await self._post("/invoices", body, once=order)
            self.orders[order] = invoice["id"]
            async with self.wallet:  # one account pays for all, and the node gives each transaction its nonce
                await self.setup.send("USDT", invoice["pay_in"]["address"], int(invoice["pay_in"]["amount_raw"]))

    async def _post(self, path: str, body: Mapping[str, str], *, once: str) -> Any:
        """Send a request until it is answered, as the docs tell shops to: with the same key."""
        began_s = time.monotonic()
        while True:
            headers = {**self.bearer, "Idempotency-Key": once}
            try:
                answer = await self.client.post(API + path, json=body, headers=headers)
            except httpx.TransportError as error:
                self.faults.append(f"{path}: {error!r}")
                await asyncio.sleep(RETRY_S)
                continue
            if answer.status_code == 201:
                self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
                return answer.json()
            self.refused += 1
            code = answer.json()["error"]["code"]
            if "Retry-After" not in answer.headers or (answer.status_code, code) not in TRY_AGAIN:
                self.faults.append(f"{path}: {answer.status_code} {answer.text}")
            await asyncio.sleep(RETRY_S)

    async def _approve(self, payout: str) -> None:
        """Approve as an operator; as another one where an answer was lost, since a code is used up then."""

        async def approved() -> bool:
            by = self.operators[-1]
            try:
                await self.setup.services.approvals.approve(payout, by.id, by.code(), clock.now())
            except (ApprovalRefused, CodeRefused):
                self.operators.pop()
                pending = "SELECT status = 'pending_approval' FROM withdrawals WHERE id = $1"
                return not await database.fetch_value(pending, payout)
            self.operators.pop()
            return True

        await self.until("the approval", approved)

    @contextmanager
    def _patience(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            logs = sorted(self.logs.glob("*.log"))
            tails = "\n".join(f"--- {path.name}\n{path.read_text()[-1500:]}" for path in logs)
            raise AssertionError(f"not within {PATIENCE_S:g} s: {what}; {self.faults}\n{tails}") from None

    @contextmanager
    def _workers(self) -> Iterator[None]:
        try:
            for name in WORKERS:
                self._start(name, name, {})
            yield
            ended = [name for name, process in self.workers.items() if process.exitcode is not None]
            assert ended == [], "a worker must survive whatever the database does"
        finally:
            for process in self.workers.values():
                process.kill()
                process.join()

    def _start(self, name: str, worker: str, own: Mapping[str, str]) -> None:
        env = {"PATH": os.environ["PATH"], **self.environment, **own}
        self.log(name).touch()
        self.workers[name] = commands.start("worker", worker, env=env, log=self.log(name))

    async def _mine(self) -> None:
        while True:
            await self.setup.driver.mine(1)
            await asyncio.sleep(BLOCK_S)


async def open_shop(
    setup: SignerUnderTest,
    receiver: Receiver,
    environment: Mapping[str, str],
    signer: Mapping[str, str],
    folder: Path,
    operators: int,
) -> Shop:
    """A shop with a key, an endpoint, and as many operators to approve its payouts; `signer` are the signer's own
    settings."""
    settings = setup.services.settings
    scopes = [scope.value for scope in Scope]
    key = await api_key(settings.api_key_peppers, scopes=scopes, merchant_id=setup.merchant_id)
    await make_endpoint(
        merchant_id=setup.merchant_id, mode="test", url=receiver.url(), keys=settings.data_keys, now=clock.now()
    )
    approving = [await operator(settings.data_keys, f"op{number}@example.test") for number in range(operators)]
    logs = folder / "log"
    logs.mkdir()
    return Shop(setup, receiver, environment, signer, key.bearer, approving, logs)
