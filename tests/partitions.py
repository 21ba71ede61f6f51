"""Hosts on loopback that can be cut off from each other and from us: silently, as by a cable or a firewall.

Each host has an address that its servers listen on and connect from, and one that everybody else knows. Between them is
a relay, which sees by the sender's address who speaks with whom, and holds back what may not pass. No connection is
closed for it, so nobody is told. It can also speak TLS with us, for a server that was built without it.
"""

import asyncio
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

US = -1
"""This process, among the hosts."""

READ_BYTES = 65_536

needs_addresses = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all addresses of 127.0.0.0/8")


class Partitions:
    """The relay, in a thread of its own. A `Network` of tests/sentinels.py."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """With `tls`, this process's connections are made with it, those between the hosts without."""
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._cut: set[frozenset[int]] = set()
        self._healed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread.start()

    @staticmethod
    def addresses(host: int) -> tuple[str, str]:
        """Inside and outside."""
        return f"127.0.{70 + host}.1", f"127.0.{70 + host}.2"

    def open(self, host: int, port: int) -> None:
        """Relay a port of the host."""
        inside, outside = self.addresses(host)

        async def listen() -> None:
            await asyncio.start_server(lambda *streams: self._relay(host, inside, port, *streams), outside, port)

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10)

    @contextmanager
    def cut(self, *pairs: tuple[int, int]) -> Iterator[None]:
        """Inside, nothing passes between these hosts, in either direction."""
        self._set({frozenset(pair) for pair in pairs})
        try:
            yield
        finally:
            self._set(set())

    def close(self) -> None:
        """End the relay."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _set(self, cut: set[frozenset[int]]) -> None:
        def change() -> None:
            self._cut = cut
            self._healed.set()
            self._healed = asyncio.Event()

        self._loop.call_soon_threadsafe(change)

    async def _relay(
        self, host: int, inside: str, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        third = int(writer.get_extra_info("peername")[0].split(".")[2])
        pair = frozenset({host, third - 70 if third else US})
        await self._may_pass(pair)
        try:
            if self._tls is not None and US in pair:
                await writer.start_tls(self._tls)
            there_reader, there_writer = await asyncio.open_connection(inside, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pump(pair, reader, there_writer), self._pump(pair, there_reader, writer))

    async def _pump(self, pair: frozenset[int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(READ_BYTES):
                await self._may_pass(pair)
                writer.write(data)
                await writer.drain()
            await self._may_pass(pair)
        writer.close()

    async def _may_pass(self, pair: frozenset[int]) -> None:
        while pair in self._cut:
            await self._healed.wait()
