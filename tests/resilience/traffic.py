"""What people and shops do all the time: creations, payments, reads, checkout pages, open streams, cabinet pages.

Each request must be answered. What is no 2xx and no 503 with Retry-After is a fault; so is a connection that ends
without an answer. After a 503 the same request is sent again, as the documentation asks.
"""

import asyncio
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.accounts import sessions
from app.core import clock, database
from app.core.settings import load
from app.identity import cookies
from app.sandbox.integrator import API
from app.wiring import running as running_services
from app.wiring import wire
from tests.resilience.world import Running

PAUSE_S = 0.15 if os.environ.get("SOAK") else 0.3
"""Between two requests of one client. Some are always on their way when a process stops; the rest only takes time."""

PAGE_EVERY_S = 3.5
"""One address may load 30 checkout pages a minute."""

PAY_EVERY_S = 1.0
WAIT_S = 90.0
"""Long, for a busy machine."""

PAGES = ("", "/invoices", "/payouts", "/balances", "/webhooks", "/team")
"""Of the cabinet."""


class Stream:
    """An open checkout page's event stream. It connects again after the pause that the server gave, as browsers do."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connections = 0
        self.ends = 0


class Traffic:
    """Everything at once, against one address."""

    def __init__(self, running: Running, base_url: str, *, streams: int = 2) -> None:
        self.faults: list[str] = []
        self.made: list[dict[str, Any]] = []
        """The invoices, as their creation was answered."""
        self.paid: list[dict[str, Any]] = []
        self.answers = 0
        self.unavailable = 0
        self._running = running
        self._base_url = base_url
        self._stop = threading.Event()
        self._headers = {"Authorization": f"Bearer {running.interface.api_key}"}
        self._cookie = signed_in(running)
        self.streams = [Stream(self._path(running.new_invoice()) + "/events") for _ in range(streams)]

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Inside, it runs. At the end what has begun is finished."""
        work: list[Callable[[], None]] = [
            self._create,
            self._create,
            self._read,
            self._load_checkout,
            self._load_cabinet,
            self._pay,
            *(lambda stream=stream: self._listen(stream) for stream in self.streams),
        ]
        with ThreadPoolExecutor(len(work)) as threads:
            working = [threads.submit(each) for each in work]
            try:
                yield
            finally:
                self._stop.set()
        for done in working:
            done.result()

    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self._base_url, timeout=WAIT_S, trust_env=False)

    def _create(self) -> None:
        with self._client() as client:
            while not self._stop.wait(PAUSE_S):
                headers = {**self._headers, "Idempotency-Key": secrets.token_hex(8)}
                body = {"amount": "1.00", "currency": "USDT", "chain": "ethereum"}
                answer = self._asked(lambda h=headers, b=body: client.post(f"{API}/invoices", json=b, headers=h))  # type: ignore[misc]
                if answer is not None and answer.status_code == 201:
                    self.made.append(answer.json())

    def _read(self) -> None:
        with self._client() as client:
            while not self._stop.wait(PAUSE_S):
                if self.made:
                    path = f"{API}/invoices/{self.made[-1]['id']}"
                    self._asked(lambda p=path: client.get(p, headers=self._headers))  # type: ignore[misc]
                self._asked(lambda: client.get(f"{API}/invoices", headers=self._headers))

    def _load_checkout(self) -> None:
        """Each with a connection of its own, as a new customer's."""
        while not self._stop.wait(PAGE_EVERY_S):
            if self.made:
                with self._client() as client:
                    path = self._path(self.made[-1])
                    self._asked(lambda c=client, p=path: c.get(p))  # type: ignore[misc]

    def _load_cabinet(self) -> None:
        turn = 0
        with self._client() as client:
            while not self._stop.wait(PAUSE_S * 2):
                path = f"/cabinet/{self._running.interface.merchant_id}/live{PAGES[turn % len(PAGES)]}"
                turn += 1
                self._asked(lambda p=path: client.get(p, headers={"Cookie": self._cookie}))  # type: ignore[misc]

    def _pay(self) -> None:
        while not self._stop.wait(PAY_EVERY_S):
            if self.made and (invoice := self.made[-1]) not in self.paid:  # creations may be slower than this
                self._running.pay(invoice)
                self.paid.append(invoice)

    def _listen(self, stream: Stream) -> None:
        while not self._stop.is_set():
            retry_ms = 0
            try:
                with self._client() as client, client.stream("GET", stream.url) as answer:
                    if answer.status_code == 503 and "retry-after" in answer.headers:
                        self._stop.wait(float(answer.headers["retry-after"]))
                        continue
                    if answer.status_code != 200:
                        self.faults.append(f"stream: {answer.status_code}")
                        return
                    stream.connections += 1
                    for line in answer.iter_lines():
                        if line.startswith("retry:"):
                            retry_ms = int(line.partition(":")[2])
                        if self._stop.is_set():
                            return
            except httpx.TransportError as error:
                self.faults.append(f"stream: {error!r}")
                return
            stream.ends += 1
            if not retry_ms:
                self.faults.append("stream: the server gave no pause")
            self._stop.wait(retry_ms / 1000)

    def _asked(self, ask: Callable[[], httpx.Response]) -> httpx.Response | None:
        """The answer, after as many 503s as there are."""
        while True:
            try:
                answer = ask()
            except httpx.TransportError as error:
                self.faults.append(f"{time.strftime('%X')} no answer: {error!r}")
                return None
            self.answers += 1
            if answer.status_code == 503 and "retry-after" in answer.headers:
                self.unavailable += 1
                if self._stop.wait(float(answer.headers["retry-after"])):
                    return None
                continue
            if answer.status_code not in (200, 201):
                self.faults.append(f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text[:300]}")
            return answer

    def _path(self, invoice: dict[str, Any]) -> str:
        return urlsplit(str(invoice["payment_url"])).path


def signed_in(running: Running) -> str:
    """The cookie of the demo merchant's owner, who has just signed in."""

    async def sign_in() -> str:
        async with running_services(wire(load(running.stack.environment))):
            found = "SELECT id FROM accounts WHERE email = $1"
            account_id = await database.fetch_value(found, running.interface.merchant_login.email)
            _, token = await sessions.open_session(
                account_id, code_given=True, address="", user_agent="", now=clock.now()
            )
            return f"{cookies.SESSION}={token}"

    return asyncio.run(sign_in())
