"""How many event streams one address may have: never more than the limit, also with many requests at once."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from app.asgi import create_app
from app.core.settings import Settings
from app.live.hub import MAX_STREAMS_PER_OWNER
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.merchants import terms


class Stream:
    """A request for an event stream, sent directly to the app, that lasts until its client disconnects."""

    def __init__(self, app: Any, path: str) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._left = asyncio.Event()
        self._asked = False
        self._task = asyncio.create_task(app(_scope(path), self._receive, self._send))

    async def leave(self) -> None:
        """Disconnect the client."""
        self._left.set()
        await self._task

    async def _receive(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status.set_result(message["status"])


def _scope(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"pay.example.test")],
        "client": ("203.0.113.5", 40_000),
        "server": ("pay.example.test", 443),
    }


async def test_the_last_free_stream_is_given_once(services: Services, chain_settings: Callable[..., Settings]) -> None:
    app = create_app(chain_settings())
    path = f"/pay/{services.links.slug((await invoice(services, await terms(service_fee_bps=0))).id)}/events"
    async with asyncio.timeout(30):
        streams = [Stream(app, path) for _ in range(MAX_STREAMS_PER_OWNER + 30)]
        statuses = [await stream.status for stream in streams]
        assert statuses.count(200) == MAX_STREAMS_PER_OWNER
        assert statuses.count(429) == 30
        for stream in streams:
            await stream.leave()

        wrong = [Stream(app, f"{path}x") for _ in range(3)]
        gone = [Stream(app, path) for _ in range(3)]
        for stream in wrong + gone:
            await stream.leave()  # before its answer, perhaps
        again = [Stream(app, path) for _ in range(MAX_STREAMS_PER_OWNER)]
        assert {await stream.status for stream in again} == {200}
        for stream in again:
            await stream.leave()
