"""Nodes that misbehave. A real node can't be made to lie, lag or answer nonsense, so these do: written from the
specifications of JSON-RPC 2.0 and of each chain's own calls, and, where the answer should be almost right, relaying a
real node's and changing one thing in it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.networks.http_node import tls_context

Answer = Callable[[bytes], Awaitable[tuple[int, bytes]]]


class FakeNode:
    """An HTTP server on loopback that hands each request's body to `answer`. It counts its connections and
    keeps the head and body of each request."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.address = ""

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next(
                    int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-le")
                )
                body = await reader.readexactly(length)
                self.heads.append(head)
                self.bodies.append(body)
                status, answer = await self.answer(body)
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def fake_node(answer: Answer) -> AsyncIterator[FakeNode]:
    """A running `FakeNode`."""
    node = FakeNode(answer)
    server = await asyncio.start_server(node.serve, "127.0.0.1", 0)
    node.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield node
    finally:
        server.close()


def always(status: int, body: str | bytes) -> Answer:
    """The same answer to everything."""

    async def answer(_: bytes) -> tuple[int, bytes]:
        return status, body if isinstance(body, bytes) else body.encode()

    return answer


def relay(url: str, change: Callable[[dict[str, Any], Any], Any]) -> Answer:
    """The answers of the node at `url`, each result put through `change(call, result)`. An exception of
    `change` becomes a JSON-RPC error with its text. Errors stay as they are."""

    async def answer(body: bytes) -> tuple[int, bytes]:
        calls = {call["id"]: call for call in json.loads(body)}
        async with httpx.AsyncClient(verify=tls_context(), trust_env=False) as client:
            replies = (await client.post(url, content=body, headers={"Content-Type": "application/json"})).json()
        changed = []
        for reply in replies:
            if reply.get("error") is not None:
                changed.append(reply)
                continue
            try:
                changed.append({**reply, "result": change(calls[reply["id"]], reply["result"])})
            except RuntimeError as error:
                changed.append({"id": reply["id"], "error": {"code": -32005, "message": str(error)}})
        return 200, json.dumps(changed).encode()

    return answer
