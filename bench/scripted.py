"""A node of scripted answers, in a process of its own: it must not hold up the event loop that is measured."""

import asyncio
import json
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Protocol


class Script(Protocol):
    """What a scripted node answers."""

    def answer(self, path: str, body: Any) -> bytes:
        """The answer to a question in JSON, at a path."""


class Shared:
    """What the bench and the node's process both see: the newest block, and how much was asked."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.head, self.asked = context.Value("q", 1), context.Value("q", 0)


class Node:
    """A running node, for the bench."""

    def __init__(self, url: str, shared: Shared) -> None:
        self.url = url
        self._shared = shared

    def move(self, height: int) -> None:
        """Make a block the newest one."""
        self._shared.head.value = height

    @property
    def requests(self) -> int:
        """The number of requests so far."""
        return int(self._shared.asked.value)


@contextmanager
def scripted(script: Callable[[Shared], Script], *, answers_in_s: float = 0.0) -> Iterator[Node]:
    """A running node. `script` is made in the node's process; each answer takes `answers_in_s` and what it costs."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    shared = Shared()
    process = context.Process(target=_run, args=(script, shared, answers_in_s, there), daemon=True)
    process.start()
    try:
        yield Node(here.recv(), shared)
    finally:
        process.kill()
        process.join()


def _run(script: Callable[[Shared], Script], shared: Shared, answers_in_s: float, parent: Connection) -> None:
    """Tell the parent the node's URL, and serve until the process is killed."""
    answers = script(shared)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection over HTTP."""
        try:
            while True:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-le"))
                body = json.loads(await reader.readexactly(length))
                shared.asked.value += 1
                if answers_in_s:
                    await asyncio.sleep(answers_in_s)
                answer = answers.answer(lines[0].split(" ")[1], body)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        parent.send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await server.serve_forever()

    asyncio.run(run())
