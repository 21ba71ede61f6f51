"""The double's program: serves the API and the control on one port of loopback, and keeps the chain in a file."""

import asyncio
import contextlib
import signal
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import click
import h11
import msgspec
import uvloop

from app.sandbox import anvil
from app.sandbox.http_server import read_request, response
from app.sandbox.processes import ProcessError
from app.sandbox.tron_double import api
from app.sandbox.tron_double.chain import Chain
from app.sandbox.tron_double.control import Control
from app.sandbox.tron_double.evm import OPTIONS, Evm
from app.sandbox.tron_double.node import Node
from app.sandbox.tron_double.request import Request
from app.sandbox.tron_double.shapes import in_base58
from app.sandbox.tron_double.state import State

SAVE_EVERY_S = 30
"""Blocks that are younger are lost when it is killed."""

_SOCKET_PATH_CHARACTERS = 100
"""macOS takes 103, Linux 107."""

Json = dict[str, Any]


@click.command()
@click.option("--home", "home_dir", type=click.Path(file_okay=False, path_type=Path), required=True)
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
@click.option("--slot-ms", type=click.IntRange(1), required=True)
@click.option("--genesis-id", required=True)
@click.option("--mines", is_flag=True, help="Make a block each slot.")
@click.option("--keep-state", is_flag=True)
def main(home_dir: Path, port: int, slot_ms: int, genesis_id: str, mines: bool, keep_state: bool) -> None:
    """Serve a chain on http://127.0.0.1:PORT until SIGTERM."""
    state_path = home_dir / "chain.json" if keep_state else None
    with _socket_in(home_dir) as socket:
        machine = anvil.start(home_dir / "evm", options=(*OPTIONS, "--ipc", str(socket)))
        try:
            uvloop.run(_serve(socket, state_path, port, slot_ms, genesis_id, mines))
        finally:
            machine.kill()


@contextmanager
def _socket_in(home_dir: Path) -> Iterator[Path]:
    """Where anvil's socket can be: in a directory, or in a temporary one if that has too long a path."""
    socket = home_dir / "evm.ipc"
    if len(str(socket)) <= _SOCKET_PATH_CHARACTERS:
        socket.unlink(missing_ok=True)
        yield socket
        return
    with tempfile.TemporaryDirectory(prefix="swap-pay-tron-") as directory:
        yield Path(directory) / socket.name


async def _serve(
    evm_socket: Path, state_path: Path | None, port: int, slot_ms: int, genesis_id: str, mines: bool
) -> None:
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    chain = Chain(State.new(genesis_id), await Evm.connect(evm_socket), slot_ms)
    if (kept := None if state_path is None else await asyncio.to_thread(_read, state_path)) is None:
        await chain.begin()
    else:
        await chain.load(kept)
    server = _Server(chain)
    server.automine(slot_ms if mines else None)
    async with _saving(chain, state_path):
        try:
            listening = await asyncio.start_server(server.talk, "127.0.0.1", port, backlog=1024)
        except OSError:
            raise ProcessError(f"port {port} is already in use") from None
        print(f"listening on http://127.0.0.1:{port}", flush=True)
        await stopped.wait()
        listening.close()
        server.automine(None)


@asynccontextmanager
async def _saving(chain: Chain, path: Path | None) -> AsyncIterator[None]:
    """Inside, the chain is written now and then; at the end, once more."""
    if path is None:
        yield
        return

    async def save_now_and_then() -> None:
        while True:
            await asyncio.to_thread(_write, path, await chain.saved())
            await asyncio.sleep(SAVE_EVERY_S)

    saving = asyncio.create_task(save_now_and_then())
    try:
        yield
    finally:
        saving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await saving
        _write(path, await chain.saved())


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    partial = path.with_suffix(f".new{threading.get_ident()}")
    partial.write_bytes(content)
    partial.replace(path)


class _HangUp(Exception):
    """The connection is to be closed without an answer."""


class _Server:
    """Speaks HTTP/1.1. `talk` serves one connection, with any number of requests."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._nodes: dict[str, Node] = {}
        self._control = Control(chain, self._nodes, self.automine)
        self._mining: asyncio.Task[None] | None = None

    def automine(self, every_ms: int | None) -> None:
        """Make a block each time so much has passed; None stops it."""
        if self._mining is not None:
            self._mining.cancel()
        self._mining = None if every_ms is None else asyncio.create_task(self._mine(every_ms))

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        # A client may disconnect in the middle or send invalid HTTP: ignore it. The program's end cancels it.
        with contextlib.suppress(OSError, h11.ProtocolError, _HangUp, asyncio.CancelledError):
            while (taken := await read_request(connection, reader)) is not None:
                status, content, content_type = await self._answer(*taken)
                # Head and body in one write: apart, the second waits for the client's acknowledgement.
                writer.write(b"".join(response(connection, status, content, content_type=content_type)))
                await writer.drain()
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    break
                connection.start_next_cycle()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def _answer(self, request: h11.Request, body: bytes) -> tuple[int, bytes, bytes]:
        """The status, the content and its type."""
        target = urlsplit(request.target.decode())
        parts = [part for part in target.path.split("/") if part]
        if parts[:1] == ["double"]:
            return await self._controlled(parts[-1], body)
        if len(parts) not in (2, 3):
            return _json({"Error": "not found"}, 404 if parts else 200)
        name, kind, endpoint = ("", *parts) if len(parts) == 2 else parts
        node = self._nodes.setdefault(name, Node(name))
        node.requests[f"{kind}/{endpoint}"] = node.requests.get(f"{kind}/{endpoint}", 0) + 1
        if (answer := node.take_answer(target.path)) is not None:
            await asyncio.sleep(answer.delay_s)
            if answer.hang_up:
                raise _HangUp
            if answer.status is not None:
                return _plain(answer.status, answer.body)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        if node.faults.key is not None and headers.get("tron-pro-api-key") != node.faults.key:
            return _json({"Success": False, "Error": "ApiKey not exists"}, 401)
        serve = api.ENDPOINTS.get(kind, {}).get(endpoint)
        if serve is None or kind not in node.faults.serves:
            return _plain(404, "<html>404 Not Found</html>")
        return await self._served(serve, node, kind, _asked(request.method, target.query, body))

    async def _served(self, serve: api.Endpoint, node: Node, kind: str, asked: Json) -> tuple[int, bytes, bytes]:
        call = Request(self._chain, node, asked, solid=kind == "walletsolidity")
        try:
            shown = serve(call)
            if asyncio.iscoroutine(shown):
                shown = await shown
        except (ValueError, KeyError, TypeError) as error:
            return _json({"Error": f"class java.lang.IllegalArgumentException : {error}"})
        return _json(in_base58(shown) if call.is_visible else shown)

    async def _controlled(self, name: str, body: bytes) -> tuple[int, bytes, bytes]:
        try:
            return _json(await self._control.act(name, body))
        except (ValueError, KeyError, msgspec.MsgspecError) as error:
            return _json({"error": str(error)}, 400)

    async def _mine(self, every_ms: int) -> None:
        while True:
            await asyncio.sleep(every_ms / 1000)
            await self._chain.mine()


def _asked(method: bytes, query: str, body: bytes) -> Json:
    """The request's JSON; of a GET, its query. What is no JSON object asks for nothing, as tronweb's `false` does."""
    if method == b"GET":
        return dict(parse_qsl(query))
    try:
        asked = msgspec.json.decode(body or b"{}")
    except msgspec.MsgspecError:
        return {}
    return asked if isinstance(asked, dict) else {}


def _json(content: Any, status: int = 200) -> tuple[int, bytes, bytes]:
    return status, msgspec.json.encode(content), b"application/json"


def _plain(status: int, content: Any) -> tuple[int, bytes, bytes]:
    return (status, content.encode(), b"text/plain") if isinstance(content, str) else _json(content, status)


if __name__ == "__main__":
    main()
