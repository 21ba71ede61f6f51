"""HEAD like GET, `Allow` with HEAD in it, and one spelling of each API path: on any route."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.response import Stream

from app.core.settings import Settings
from app.web.edge import Edge
from app.web.pages import static_files
from tests.factories.api_keys import api_key
from tests.web.site import THINGS, client, make_site


def kept(answer: httpx.Response) -> dict[str, str]:
    """The headers that two requests of one resource share."""
    own = ("x-request-id", "ratelimit-remaining", "ratelimit-reset")
    return {name: value for name, value in answer.headers.items() if name not in own}


@pytest.mark.usefixtures("db", "valkey")
async def test_head_is_get_without_a_body(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers)
    async with client(make_site(settings)) as http:
        for path in ("/page", "/nowhere", "/healthz", "/readyz", "/metrics", THINGS, f"{THINGS}?limit=x", "/api/typed"):
            got = await http.get(path, headers=key.bearer)
            head = await http.head(path, headers=key.bearer)
            assert (head.status_code, kept(head)) == (got.status_code, kept(got)), path
            assert int(head.headers["content-length"]) == len(got.content), path
            assert (head.content, bool(got.content)) == (b"", True), path


@pytest.mark.usefixtures("db", "valkey")
async def test_allow_lists_head_wherever_it_lists_get(settings: Settings) -> None:
    async with client(make_site(settings)) as http:
        for method, path, allowed, status in (
            ("POST", "/page", "GET, HEAD, OPTIONS", 405),
            ("OPTIONS", "/page", "GET, HEAD, OPTIONS", 204),
            ("OPTIONS", "/page/one", "GET, HEAD, OPTIONS", 204),
            ("DELETE", THINGS, "GET, HEAD, POST", 405),
            ("OPTIONS", THINGS, "GET, HEAD, POST", 405),
        ):
            answer = await http.request(method, path)
            assert answer.headers["allow"] == allowed, (method, path)
            assert (answer.status_code, bool(answer.content)) == (status, status == 405)
        unknown = await http.options("/nowhere")
        assert (unknown.status_code, unknown.headers.get("allow")) == (404, None)


async def test_head_of_a_stream_ends_it(settings: Settings) -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b": still here\n\n"
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    @get("/stream")
    async def stream() -> Stream:
        return Stream(endless(), media_type="text/event-stream")

    async with client(Edge(Litestar([stream], openapi_config=None, logging_config=None), settings)) as http:
        async with asyncio.timeout(30):
            head = await http.head("/stream")
            await ended.wait()
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_head_of_a_static_file(settings: Settings) -> None:
    async with client(Edge(Litestar([static_files()], openapi_config=None, logging_config=None), settings)) as http:
        for path in ("/static/img/mark.svg", "/static/css/swap-pay.css", "/static/nowhere"):
            got, head = await http.get(path), await http.head(path)
            assert (head.status_code, kept(head), head.content) == (got.status_code, kept(got), b""), path


@pytest.mark.usefixtures("db", "valkey")
async def test_an_api_path_has_one_spelling(settings: Settings) -> None:
    key = await api_key(settings.api_key_peppers)
    async with client(make_site(settings)) as http:

        async def send_request(path: str) -> tuple[int, Any]:
            answer = await http.get(f"https://pay.example.test{path}", headers=key.bearer)
            return answer.status_code, answer.json().get("error", {}).get("code")

        assert await send_request(THINGS) == (200, None)
        assert await send_request(f"{THINGS}/a") == (200, None)
        for path in (
            f"{THINGS}/",
            f"{THINGS}//",
            f"/{THINGS}",
            THINGS.replace("/things", "//things"),
            f"{THINGS}/a/",
            f"{THINGS}//a",
            f"{THINGS}%2fa",
            f"{THINGS}%2F",
            THINGS.replace("/v1/", "/v1%2F"),
        ):
            assert await send_request(path) == (404, "NOT_FOUND"), path
