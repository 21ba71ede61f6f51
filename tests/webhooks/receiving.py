"""A merchant's server on loopback: records requests and gives the answer that is set for the path."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path

from app.core import clock
from app.core.outbound import OutboundClient, build_ssl_context
from app.core.settings import DataKeys
from app.webhooks.delivery import Dispatcher
from tests.core.outbound_servers import Exchange, LoopbackServer, TestCA, https_server

Answer = Callable[["Delivered"], Awaitable[bytes]]
LOOPBACK = ip_network("127.0.0.0/8")


def response(status: int, headers: str = "", body: str = "") -> bytes:
    """A whole HTTP response."""
    return (f"HTTP/1.1 {status} Told\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}").encode()


OK = response(200, body="ok")


@dataclass(frozen=True, slots=True)
class Delivered:
    """One request that came in. `at_s` is of the monotonic clock."""

    path: str
    headers: dict[str, str]
    body: bytes
    at_s: float

    @property
    def seq(self) -> int:
        """The event's number, from the body."""
        return int(json.loads(self.body)["seq"])


@dataclass
class Receiver:
    """A running receiver. `answers` has the answer of each path; other paths get 200."""

    server: LoopbackServer
    client: OutboundClient
    ca_file: Path
    requests: list[Delivered] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)

    def url(self, path: str = "/hook") -> str:
        """An https URL of this server."""
        return f"https://127.0.0.1:{self.server.port}{path}"

    def at(self, path: str = "/hook") -> list[Delivered]:
        """The requests to a path."""
        return [request for request in self.requests if request.path == path]

    def always(self, answer: bytes, path: str = "/hook") -> None:
        """Give the same answer from now on."""

        async def same(_: Delivered) -> bytes:
            return answer

        self.answers[path] = same

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30) -> None:
        """Wait until the condition is true, or fail."""
        async with asyncio.timeout(timeout_s):
            while not condition():
                await asyncio.sleep(0.01)

    async def until_received(self, count: int, path: str | None = None) -> None:
        """Wait until this many requests have arrived, at one path or at any, or fail."""
        await self.until(lambda: len(self.requests if path is None else self.at(path)) >= count)


@asynccontextmanager
async def receiving(folder: Path) -> AsyncIterator[Receiver]:
    """A receiver and a client that may reach it."""

    async def script(exchange: Exchange) -> None:
        path = exchange.request_line.split(" ")[1]
        request = Delivered(path, exchange.headers, exchange.body, clock.monotonic_s())
        receiver.requests.append(request)
        answer = receiver.answers.get(path)
        await exchange.send(OK if answer is None else await answer(request))

    ca = TestCA(folder)
    client = OutboundClient(ssl_context=build_ssl_context(ca.ca_file), allow_networks=[LOOPBACK])
    async with https_server(ca.server_context("127.0.0.1"), script) as server:
        receiver = Receiver(server, client, ca.ca_file)
        yield receiver
        await client.aclose()


@asynccontextmanager
async def dispatching(receiver: Receiver, keys: DataKeys, concurrency: int = 64) -> AsyncIterator[Dispatcher]:
    """A running dispatcher, stopped gracefully at the end."""
    stop = asyncio.Event()
    dispatcher = Dispatcher(sender=receiver.client, keys=keys, concurrency=concurrency)
    running = asyncio.create_task(dispatcher.run(stop))
    try:
        yield dispatcher
    finally:
        stop.set()
        await running
