"""More API requests at once than a process works on: they wait for a place, and are refused in time."""

import asyncio
from typing import Any

import httpx
import pytest

from app.core.errors import ApiError, Code
from app.core.settings import Settings
from app.web import admission
from app.web.admission import AT_ONCE, STATE, Admission
from tests.web.site import THINGS, client, make_site


class Handler:
    """An app whose requests end when they are told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Semaphore(0)
        self.state: dict[str, Any] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        self.state = scope["state"]
        await self.go_on.acquire()


def ask(layer: Admission, path: str = "/api/v1/merchant/invoices") -> "asyncio.Task[None]":
    async def nowhere(_: Any) -> None:
        pass

    scope = {"type": "http", "path": path, "state": {}}
    return asyncio.create_task(layer(scope, nowhere, nowhere))


async def until_idle() -> None:
    """Until every task waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_next_one_gets_the_place_of_one_that_ends() -> None:
    handler = Handler()
    layer = Admission(handler)
    requests = [ask(layer) for _ in range(AT_ONCE + 3)]
    page = ask(layer, "/pay/INV-0")
    await until_idle()
    assert handler.begun == AT_ONCE + 1, "pages need no place"

    requests[AT_ONCE].cancel()  # whose client has gone while it waited
    handler.go_on.release()
    await until_idle()
    assert handler.begun == AT_ONCE + 1 + 1

    with handler.state[STATE].beside_work():  # its client is slow to send the body
        await until_idle()
        assert handler.begun == AT_ONCE + 1 + 2
    for _ in requests:
        handler.go_on.release()
    answered = await asyncio.gather(*requests, page, return_exceptions=True)
    assert sum(answer is None for answer in answered) == len(answered) - 1
    assert handler.begun == len(answered) - 1

    again = [ask(layer) for _ in range(AT_ONCE)]
    await until_idle()
    assert handler.begun == len(answered) - 1 + AT_ONCE, "no place was lost"
    for _ in again:
        handler.go_on.release()
    await asyncio.gather(*again)


async def test_who_gets_no_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "LONGEST_WAIT_S", 0.01)
    monkeypatch.setattr(admission, "MOST_WAITING", 2)
    handler = Handler()
    layer = Admission(handler)
    working = [ask(layer) for _ in range(AT_ONCE)]
    refused = await asyncio.gather(*(ask(layer) for _ in range(3)), return_exceptions=True)
    assert [error.code for error in refused if isinstance(error, ApiError)] == [Code.UNAVAILABLE] * 3

    late = ask(layer)
    handler.go_on.release()
    await until_idle()
    assert handler.begun == AT_ONCE + 1, "those that were refused are not waited for"
    for _ in working:
        handler.go_on.release()
    await asyncio.gather(*working, late)


@pytest.mark.usefixtures("db", "valkey")
async def test_the_refusal_says_when_to_come_back(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "AT_ONCE", 0)
    monkeypatch.setattr(admission, "LONGEST_WAIT_S", 0.01)
    async with client(make_site(settings)) as http:
        answer: httpx.Response = await http.get(THINGS)
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "UNAVAILABLE"
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["X-Request-Id"]
        assert (await http.get("/page")).status_code == 200
