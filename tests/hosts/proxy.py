"""What HAProxy does in docs/ha.md, in a process of its own: one address that leads to the primary.

`python -m tests.hosts.proxy PORT HOST:POSTGRES_PORT:PATRONI_PORT…`. HAProxy can't be had everywhere without root, and
the suite must run for a plain user. This asks Patroni's REST interface of each host for `/primary`, and closes all
sessions to a host that is marked down (`on-marked-down shutdown-sessions`): a client that waits for a dead host learns
it then.
"""

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field

CHECK_EVERY_S = 0.3
CHECK_TIMEOUT_S = 2.0
DOWN_AFTER = 2
CHUNK_BYTES = 65_536


@dataclass(eq=False)
class Server:
    """A database host. `failures` counts its failed checks in a row; it starts as down."""

    host: str
    postgres_port: int
    patroni_port: int
    failures: int = DOWN_AFTER
    sessions: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def is_up(self) -> bool:
        return self.failures < DOWN_AFTER

    async def check(self) -> None:
        """Ask once whether it is the primary."""
        up = False
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                up = await self._says_primary()
        self.failures = 0 if up else self.failures + 1
        if not self.is_up:
            for writer in self.sessions:
                writer.transport.abort()

    async def _says_primary(self) -> bool:
        reader, writer = await asyncio.open_connection(self.host, self.patroni_port)
        try:
            writer.write(b"OPTIONS /primary HTTP/1.0\r\n\r\n")
            return b" 200 " in await reader.readline()
        finally:
            writer.transport.abort()


class Proxy:
    """Leads each connection to the first server that is up."""

    def __init__(self, servers: list[Server]) -> None:
        self._servers = servers

    async def run(self, port: int) -> None:
        await asyncio.start_server(self._serve, "127.0.0.1", port)
        print("listening", flush=True)
        await asyncio.gather(*map(self._watch, self._servers))

    async def _watch(self, server: Server) -> None:
        while True:
            await server.check()
            await asyncio.sleep(CHECK_EVERY_S)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = next((server for server in self._servers if server.is_up), None)
        try:
            if server is None:
                return
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                their_reader, their_writer = await asyncio.open_connection(server.host, server.postgres_port)
        except (OSError, TimeoutError):
            return
        else:
            server.sessions |= {writer, their_writer}
            await asyncio.gather(_copy(reader, their_writer), _copy(their_reader, writer))
            server.sessions -= {writer, their_writer}
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass everything on, until one of both ends."""
    with suppress(OSError):
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    _, at, *named = sys.argv
    split = (name.split(":") for name in named)
    servers = [Server(host, int(postgres_port), int(patroni_port)) for host, postgres_port, patroni_port in split]
    asyncio.run(Proxy(servers).run(int(at)))
