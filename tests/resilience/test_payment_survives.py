"""Whatever dies while a payment is under way, the payment completes, once.

The whole gateway runs as in production, in processes of its own; each test takes one part away at a moment of
chance (`SOAK=100`: at ten such moments) and brings it back.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
import redis

from app.sandbox import postgres, signatures
from app.sandbox.customer import Customer
from app.sandbox.home import ROOT, Home, Interface
from app.sandbox.integrator import Integrator, IntegratorError, wait_for
from app.sandbox.processes import Process
from app.sandbox.run import customer
from app.sandbox.stack import Stack

ROUNDS = max(1, int(os.environ.get("SOAK", "10")) // 10)
PAYMENT_S = 4.0
"""About how long an undisturbed payment takes: moments of chance are spread over it."""

COMPLETE_TIMEOUT_S = 75
"""A delivery whose worker was killed is claimed by another after 30 s; and it may be delivered and claimed again."""

EVENTS = {"invoice.created", "invoice.confirming", "invoice.paid"}

pytestmark = pytest.mark.timeout(180 + 120 * ROUNDS)


@dataclass
class Running:
    """A running sandbox, and who takes part in a payment."""

    stack: Stack
    interface: Interface
    integrator: Integrator
    customer: Customer
    chance: random.Random

    def new_invoice(self) -> dict[str, Any]:
        body = {"amount": "3.00", "currency": "USDT", "chain": "ethereum"}
        created: dict[str, Any] = self.integrator.post("/invoices", body, once=f"{self.chance.random()}")
        return created

    def pay(self, invoice: dict[str, Any]) -> None:
        self.customer.send("USDT", invoice["pay_in"]["address"], int(invoice["pay_in"]["amount_raw"]))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One sandbox for the module."""
    home = Home(tmp_path_factory.mktemp("resilience") / "var")
    stack = Stack(home)
    interface = stack.start()
    integrator = Integrator(interface)
    try:
        yield Running(stack, interface, integrator, customer(home, interface), random.Random(7))
    finally:
        integrator.close()
        stack.stop()
        postgres.remove(home.postgres)


def kill(process: Callable[[Running], Process]) -> Callable[[Running], None]:
    """SIGKILL to a process and all of its group, as a power cut or the kernel's memory killer would."""
    return lambda running: process(running).kill()


def app(name: str) -> Callable[[Running], Process]:
    return lambda running: running.stack.app[name]


def flush_redis(running: Running) -> None:
    redis.Redis.from_url(running.interface.redis_url).flushall()


def restart_postgres(running: Running) -> None:
    running.stack.services.postgres.restart()


def crash_postgres(running: Running) -> None:
    running.stack.services.postgres.kill()
    running.stack.services.postgres.restart()


def restart_valkey(running: Running) -> None:
    running.stack.services.valkey.kill()
    time.sleep(0.5)
    running.stack.services.valkey.restart()


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(kill(app("web")), id="web killed"),
        pytest.param(kill(app("chain")), id="watcher killed"),
        pytest.param(kill(app("webhooks")), id="webhook worker killed"),
        pytest.param(kill(app("default")), id="default worker killed"),
        pytest.param(flush_redis, id="redis flushed"),
        pytest.param(restart_valkey, id="redis killed"),
        pytest.param(restart_postgres, id="postgres restarted"),
        pytest.param(crash_postgres, id="postgres killed"),
    ],
)
def test_a_payment_completes_once(running: Running, disturb: Callable[[Running], None]) -> None:
    for _ in range(ROUNDS):
        before = credits(running)
        invoice = running.new_invoice()
        moment_s = running.chance.random() * PAYMENT_S
        running.pay(invoice)
        time.sleep(moment_s)
        disturb(running)
        running.stack.revive()
        assert_paid_once(running, invoice, before)


def test_a_kill_of_everything_at_once(running: Running) -> None:
    before = credits(running)
    invoice = running.new_invoice()
    running.pay(invoice)
    time.sleep(running.chance.random() * PAYMENT_S)
    for process in [*running.stack.app.values(), running.stack.services.postgres.process]:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    wait_for("Postgres's end", lambda: running.stack.services.postgres.process.returncode, 10)
    running.stack.revive()
    assert_paid_once(running, invoice, before)


def test_a_delivery_under_way_is_made_again(running: Running) -> None:
    # Given a receiver that takes its time to answer,
    slow = {"path": "/webhooks/demo", "delay_s": 3, "times": 1}
    behaviour_url = running.interface.webhook_receiver.requests_url.replace("/requests", "/behaviour")
    httpx.post(behaviour_url, json=slow, verify=running.interface.webhook_receiver.ca_file).raise_for_status()
    before = credits(running)
    invoice = running.new_invoice()
    wait_for("a delivery", lambda: running.integrator.webhooks(invoice["id"]) or None, 20)
    # when the worker is killed while it waits for the answer,
    running.stack.app["webhooks"].kill()
    running.stack.revive()
    # then the same event is delivered again, and the rest too.
    running.pay(invoice)
    assert_paid_once(running, invoice, before)
    created = [r for r in running.integrator.webhooks(invoice["id"]) if r["event_type"] == "invoice.created"]
    assert len(created) > 1
    assert len({record["body"] for record in created}) == 1


def assert_paid_once(running: Running, invoice: dict[str, Any], credits_before: int) -> None:
    """The invoice becomes paid; one credit, whole chains, each event delivered and signed, nothing left waiting."""

    def complete() -> dict[str, Any] | None:
        with suppress(IntegratorError):
            current: dict[str, Any] = running.integrator.get(f"/invoices/{invoice['id']}")
            arrived = {record["event_type"] for record in running.integrator.webhooks(invoice["id"])}
            return current if current["status"] == "paid" and arrived >= EVENTS else None
        return None

    paid = wait_for("the payment's completion", complete, COMPLETE_TIMEOUT_S)
    assert (paid["received_raw"], paid["credited_raw"]) == (invoice["pay_in"]["amount_raw"], invoice["net_raw"])
    assert [deposit["status"] for deposit in paid["deposits"]] == ["credited"]
    assert credits(running) == credits_before + 1
    arrived = running.integrator.webhooks(invoice["id"])
    assert {record["event_type"] for record in arrived} == EVENTS
    for record in arrived:
        signatures.verify(running.interface.webhook_receiver.secret, record["headers"], record["body"].encode())
    wait_for("the end of all deliveries", lambda: True if deliveries_waiting(running) == 0 else None, 40)
    verified = subprocess.run(
        [sys.executable, "-m", "app.cli", "verify-ledger"],
        cwd=ROOT,
        env=running.stack.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert running.interface.merchant_id in verified.stdout


def credits(running: Running) -> int:
    """How many credits the merchant's ledger has, in the database itself."""
    return query(running, "SELECT count(*) FROM ledger_entries WHERE kind = 'invoice_credit'")


def deliveries_waiting(running: Running) -> int:
    return query(running, "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'")


def query(running: Running, statement: str) -> int:
    async def ask() -> int:
        connection = await asyncpg.connect(running.interface.database_url)
        try:
            return int(await connection.fetchval(statement))
        finally:
            await connection.close()

    return asyncio.run(ask())
