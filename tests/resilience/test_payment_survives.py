"""If any process dies during a payment, the payment still completes, once.

The whole gateway runs as in production, in separate processes; each test kills one part at a random moment
and starts it again. `SOAK` kills every part, `SOAK=100` at ten such moments each; without it three of them are killed,
and all of them at once.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
import redis

from app.sandbox.integrator import wait_for
from app.sandbox.processes import Process
from tests.resilience.world import Running, assert_paid_once, credits

ROUNDS = max(1, int(os.environ.get("SOAK", "10")) // 10)
PAYMENT_S = 4.0
"""The usual duration of a payment: the random moments are within it."""

pytestmark = pytest.mark.timeout(180 + 120 * ROUNDS)


def kill(process: Callable[[Running], Process]) -> Callable[[Running], None]:
    """SIGKILL a process and all of its group, like a power failure or the kernel's OOM killer."""
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


FAULTS: dict[str, Callable[[Running], None]] = {
    "web killed": kill(app("web")),
    "watcher killed": kill(app("chain")),
    "webhook worker killed": kill(app("webhooks")),
    "default worker killed": kill(app("default")),
    "redis flushed": flush_redis,
    "redis killed": restart_valkey,
    "postgres restarted": restart_postgres,
    "postgres killed": crash_postgres,
}
OFTEN = ("watcher killed", "redis flushed", "postgres killed")
"""The faults of every run; each takes as long as three payments. The others are left to `make soak`."""


@pytest.mark.parametrize("fault", FAULTS if "SOAK" in os.environ else OFTEN)
def test_a_payment_completes_once(running: Running, fault: str) -> None:
    for _ in range(ROUNDS):
        before = credits(running)
        invoice = running.new_invoice()
        moment_s = running.chance.random() * PAYMENT_S
        running.pay(invoice)
        time.sleep(moment_s)
        FAULTS[fault](running)
        running.stack.revive()
        assert_paid_once(running, invoice, before)


def test_everything_is_killed_at_once(running: Running) -> None:
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


def test_an_interrupted_delivery_is_repeated(running: Running) -> None:
    # Given a receiver that answers slowly,
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
