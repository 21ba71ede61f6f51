"""A double of a load balancer: connections go to processes whose `/readyz` is 200, as behind a Service of Kubernetes.

It knows no HTTP but that question, so a client that keeps a connection stays with its process until that process ends
it; and where a process refuses a connection, it is refused. That is the hardest case for a process that stops: a proxy
that reads requests could choose anew for each, and try another process.
"""

import asyncio
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

CHECK_S = 0.1
"""Between two questions, as `inter` of HAProxy and `periodSeconds` of Kubernetes, which are longer."""

FALL = 3
"""So many questions without a good answer take a process out, as in HAProxy. One that says that it stops goes at once.
"""

ANSWER_S = 10.0


class Balancer:
    """Listens on `port` of loopback and passes connections on to `backends`, which are ports too."""

    def __init__(self, backends: Sequence[int]) -> None:
        self.port = 0
        self.ready: set[int] = set()
        self.refused = 0
        """Connections that their backend did not take."""
        self._backends = backends
        self._turn = itertools.count()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listening = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Balancer"]:
        """Inside, it runs in a thread."""
        thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="balancer")
        thread.start()
        assert self._listening.wait(ANSWER_S)
        try:
            yield self
        finally:
            assert self._loop is not None
            assert self._stop is not None
            self._loop.call_soon_threadsafe(self._stop.set)
            thread.join()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        checks = [asyncio.create_task(self._check(backend)) for backend in self._backends]
        self._listening.set()
        await self._stop.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*checks, return_exceptions=True)

    async def _check(self, backend: int) -> None:
        failed = 0
        while True:
            said = await _readiness(backend)
            failed = 0 if b" 200 " in said else failed + 1
            if not failed:
                self.ready.add(backend)
            elif b'"stopping":true' in said or failed >= FALL:
                self.ready.discard(backend)
            await asyncio.sleep(CHECK_S)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        turn = next(self._turn)
        ready = sorted(self.ready)
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", ready[turn % len(ready)])
        except (OSError, ZeroDivisionError):
            self.refused += 1
            writer.close()
            return
        with suppress(asyncio.CancelledError):  # of the end of the double; asyncio would log it
            await asyncio.gather(_pass_on(reader, to_writer), _pass_on(to_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _readiness(port: int) -> bytes:
    """The answer of a process, empty where there is none."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nhost: balancer\r\nconnection: close\r\n\r\n")
                return await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return b""
