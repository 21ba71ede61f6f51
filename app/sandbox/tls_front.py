"""TLS in front of a server on this machine that has none, as a proxy gives it to a merchant's server."""

import asyncio
import contextlib
import ssl
import threading

from app.sandbox.tls import Certificates

_CHUNK_BYTES = 64 * 1024


class TlsFront:
    """Listens on a port of 127.0.0.1 that is free, and passes each connection on to `to_port`, without TLS.

    It runs in a thread of this process, so it ends with it. Raises OSError.
    """

    def __init__(self, certificates: Certificates, to_port: int) -> None:
        self._to_port = to_port
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(certificates.cert_path, certificates.key_path)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls-front", daemon=True)
        self._thread.start()
        listening = asyncio.start_server(self._pass_on, "127.0.0.1", 0, ssl=self._tls)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close the port and every connection. May be called once."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # A server that is not up refuses the connection; the sender's is closed then, and it sends again.
            with contextlib.suppress(OSError, ssl.SSLError):
                to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
                try:
                    await asyncio.gather(_copy(reader, to_writer), _copy(to_reader, writer))
                finally:
                    to_writer.close()
        except asyncio.CancelledError:
            pass  # asyncio's server would report it as an error
        finally:
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side has closed."""
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
