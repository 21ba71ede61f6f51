"""A server hangs for a while, under load and in the middle of payments; afterwards nothing is lost or doubled.

The whole gateway runs as in production, in separate processes. SIGSTOP stops a server: the kernel still accepts
connections for it, but nothing answers. `SOAK=100`: ten times, for different durations.
"""

import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from app.sandbox.integrator import API, wait_for
from tests.resilience.world import Running, assert_paid, assert_paid_once, credits, query

ROUNDS = max(1, int(os.environ.get("SOAK", "10")) // 10)

HANG_S = 13.0
"""Longer than a request waits (8 s) and longer than a lock's lease (10 s): every process gives up, and recovers."""

MOST_S = 10.0
READY_S = 2.0
"""Contract, section 2."""

RATE_OVER_S = 2.0
PAGE_EVERY_S = 3.0
THREADS, PAUSE_S = 3, 0.1
"""Enough for steady load, and few enough that all deliveries end within the test."""

pytestmark = pytest.mark.timeout(240 + 120 * ROUNDS)


@dataclass
class Load:
    """Integrators that create invoices and read them, one after another; each creation is retried until it succeeds."""

    base_url: str
    api_key: str
    made: list[tuple[str, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest_ready_s: float = 0.0
    faults: list[str] = field(default_factory=list)
    unavailable: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, page_url: str) -> Iterator[None]:
        """Inside, the load runs."""
        with ThreadPoolExecutor() as threads:
            working = [threads.submit(self.create) for _ in range(THREADS)]
            working += [threads.submit(self.look_at_readiness), threads.submit(self.load_page, page_url)]
            try:
                yield
            finally:
                self.stop.set()
        for done in working:
            done.result()

    def create(self) -> None:
        with httpx.Client(base_url=self.base_url, timeout=30, trust_env=False) as client:
            while not self.stop.wait(PAUSE_S):
                once = secrets.token_hex(8)
                body = {"amount": "1.00", "currency": "USDT", "chain": "ethereum", "order_id": once}
                while not self.stop.is_set():
                    headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": once}
                    answer = self._timed(lambda h=headers, b=body: client.post(f"{API}/invoices", json=b, headers=h))
                    if answer.status_code == 201:
                        self.made.append((once, answer.json()["id"]))
                        break

    def load_page(self, url: str) -> None:
        """At intervals, because one address may load 30 pages a minute."""
        with httpx.Client(timeout=30, trust_env=False) as client:
            while not self.stop.wait(PAGE_EVERY_S):
                answer = self._timed(lambda: client.get(url))
                if answer.status_code == 503 and 'http-equiv="refresh"' not in answer.text:
                    self.faults.append(answer.text)

    def look_at_readiness(self) -> None:
        with httpx.Client(base_url=self.base_url, timeout=30, trust_env=False) as client:
            while not self.stop.wait(0.2):
                for path, allowed in (("/readyz", (200, 503)), ("/healthz", (200,))):
                    began_s = time.monotonic()
                    answer = client.get(path)
                    self.slowest_ready_s = max(self.slowest_ready_s, time.monotonic() - began_s)
                    if answer.status_code not in allowed:
                        self.faults.append(f"{path}: {answer.status_code}")

    def rate(self) -> float:
        """Creations per second, over a short time."""
        before = len(self.made)
        time.sleep(RATE_OVER_S)
        return (len(self.made) - before) / RATE_OVER_S

    def _timed(self, ask: object) -> httpx.Response:
        began_s = time.monotonic()
        answer: httpx.Response = ask()  # type: ignore[operator] # a lambda
        self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
        if answer.status_code == 503:
            self.unavailable += 1
            if "Retry-After" not in answer.headers or (is_api(answer) and code(answer) != "UNAVAILABLE"):
                self.faults.append(answer.text)
        elif answer.status_code not in (200, 201):
            self.faults.append(f"{answer.status_code} {answer.text}")
        return answer


def is_api(answer: httpx.Response) -> bool:
    return answer.request.url.path.startswith(API)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


class OpenPage:
    """An open event stream of a checkout page; `messages` counts its messages."""

    def __init__(self, payment_url: str) -> None:
        self.messages = 0
        self._url = payment_url + "/events"
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with suppress(httpx.HTTPError), httpx.stream("GET", self._url, timeout=60, trust_env=False) as answer:
            for line in answer.iter_lines():
                self.messages += line == "event: changed"


@pytest.mark.parametrize("_", range(ROUNDS))
def test_postgres_hangs_under_load_and_nothing_is_lost_or_doubled(running: Running, _: int) -> None:
    load = Load(running.interface.base_url, running.interface.api_key)
    before, page_url = credits(running), running.new_invoice()["payment_url"]
    with load.running(page_url):
        rate_before = load.rate()
        payout_id, destination = payout(running)
        invoice = running.new_invoice()
        page = OpenPage(invoice["payment_url"])
        running.approve(payout_id)
        running.pay(invoice)
        time.sleep(running.chance.random())
        lost_before = {name: locks_lost(running, name) for name in ("chain", "signer")}
        # When Postgres hangs during a payment and a payout,
        with running.stack.services.postgres.process.paused():
            messages_before = page.messages
            time.sleep(HANG_S)
        # then the workers release their locks; afterwards they continue, and the open page is updated.
        for name, before_it in lost_before.items():
            assert locks_lost(running, name) > before_it
        wait_for("the page's update", lambda: page.messages > messages_before or None, 30)
        assert_paid(running, invoice, before)
        wait_for("the rate of before", lambda: load.rate() >= rate_before / 2 or None, 30)
    assert load.faults == []
    assert load.unavailable > 0
    assert load.slowest_s < MOST_S
    assert load.slowest_ready_s < READY_S
    assert_paid_out_once(running, payout_id, destination)
    assert_made_once(running, load)


@pytest.mark.parametrize("_", range(ROUNDS))
def test_redis_and_the_node_hang_and_the_payment_completes(running: Running, _: int) -> None:
    before, invoice = credits(running), running.new_invoice()
    running.pay(invoice)
    time.sleep(running.chance.random())
    services = running.stack.services
    with services.valkey.process.paused(), services.chains[0].process.paused():
        began_s = time.monotonic()
        running.new_invoice()
        assert time.monotonic() - began_s < READY_S
        for _ in range(3):
            began_s = time.monotonic()
            answer = httpx.get(f"{running.interface.base_url}/readyz", timeout=30, trust_env=False)
            assert time.monotonic() - began_s < READY_S
            assert (answer.status_code, answer.json()["redis"]) == (200, "down")
        assert httpx.get(invoice["payment_url"], timeout=30, trust_env=False).status_code == 200
    assert_paid_once(running, invoice, before)


def locks_lost(running: Running, name: str) -> int:
    """How often this worker has lost its lock since the sandbox is there, by its log."""
    return running.stack.app[name].log_path.read_text().count("lock_lost")


def payout(running: Running) -> tuple[str, str]:
    """Request a payout to a new destination. Returns the payout and the destination."""
    destination = "0x" + secrets.token_hex(20)
    body = {"asset": "USDT", "chain": "ethereum", "amount": "0.25", "destination": destination}
    return running.integrator.post("/payouts", body, once=secrets.token_hex(8))["id"], destination


def assert_paid_out_once(running: Running, payout_id: str, destination: str) -> None:
    """The payout is confirmed, and the destination holds exactly the amount."""

    def confirmed() -> bool | None:
        return running.integrator.get(f"/payouts/{payout_id}")["status"] == "confirmed" or None

    wait_for("the payout", confirmed, 60)
    ethereum = running.interface.networks.ethereum
    assert ethereum is not None
    token = ethereum.assets["USDT"].contract
    data = "0x70a08231" + destination[2:].rjust(64, "0")  # balanceOf(address)
    assert int(running.customer.rpc("eth_call", {"to": token, "data": data}, "latest"), 16) == 250_000


def assert_made_once(running: Running, load: Load) -> None:
    """Each creation, repeated until it succeeded, has created one invoice, and its event is delivered."""
    orders = ", ".join(f"'{once}'" for once, _ in load.made)
    made = query(running, f"SELECT count(*) FROM invoices WHERE order_id IN ({orders})")
    assert made == len(load.made) == len({invoice_id for _, invoice_id in load.made})
    waiting = "SELECT count(*) FROM webhook_deliveries WHERE status <> 'delivered'"
    wait_for("the end of all deliveries", lambda: query(running, waiting) == 0 or None, 90)
    events = "SELECT count(*) FROM events WHERE type = 'invoice.created'"
    assert query(running, events) == query(running, "SELECT count(*) FROM invoices")
