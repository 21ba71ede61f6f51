"""A merchant's webhook server: accepts every POST over TLS, records it, and answers as configured.

`python -m app.sandbox.receiver --port 8443 --cert server.pem --key server.key`

    POST   /anything    is recorded and answered, by default with 200
    GET    /requests    {"total": …, "data": [record, …]}, oldest first; ?path=, ?event_type=, ?limit=
    DELETE /requests    deletes them
    POST   /behaviour   {"path": "/hook", "status": 503, "times": 3}: how POSTs to a path are answered
    DELETE /behaviour   resets it

It verifies no signature: the reader of the records does that.
"""

import asyncio
import base64
import contextlib
import random
import signal
import ssl
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import click
import h11
import msgspec
import uvloop

from app.core import clock
from app.sandbox import ports, processes
from app.sandbox.home import ROOT
from app.sandbox.http_server import read_request, response
from app.sandbox.receiver_records import Behaviour, Behaviours, Record, Records
from app.sandbox.tls import Certificates


def start(
    home_dir: Path,
    certificates: Certificates,
    port: int | None = None,
    *,
    fail_rate: float = 0,
    seed: int = 0,
    keep_records: bool = False,
) -> "Receiver":
    """Run the receiver as a child on 127.0.0.1 and return once it listens. Raises ProcessError.

    `keep_records` writes them to `home_dir/requests.jsonl`, where the next start reads them.
    """
    argv = [sys.executable, "-m", "app.sandbox.receiver"]
    argv += ["--cert", str(certificates.cert_path.resolve()), "--key", str(certificates.key_path.resolve())]
    argv += ["--fail-rate", str(fail_rate), "--seed", str(seed)]
    if keep_records:
        argv += ["--store", str((home_dir / "requests.jsonl").resolve())]

    def start_on(port: int) -> processes.Process:
        return processes.start(
            "receiver",
            [*argv, "--port", str(port)],
            var_dir=home_dir,
            cwd=ROOT,
            ready=lambda child: f"listening on https://localhost:{port}\n" in child.log_tail() + "\n",
        )

    port, process = ports.start_on(port, start_on)
    return Receiver(process, port, certificates.ca_path)


class Receiver:
    """A running receiver. `start` makes it."""

    def __init__(self, process: processes.Process, port: int, ca_path: Path) -> None:
        self.process = process
        self.port = port
        self.ca_path = ca_path

    @property
    def url(self) -> str:
        """`https://localhost:<port>`, without a path; `ca_path` verifies it."""
        return f"https://localhost:{self.port}"

    def stop(self) -> None:
        """Stop it. Records are lost without `keep_records`."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
@click.option("--cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--store", type=click.Path(dir_okay=False, path_type=Path), help="File to keep records in.")
@click.option("--fail-rate", type=click.FloatRange(0, 1), default=0.0, help="Part of POSTs to answer 500.")
@click.option("--seed", type=int, default=0, help="Seed of the random failures: the same seed fails the same POSTs.")
def main(port: int, cert: Path, key: Path, store: Path | None, fail_rate: float, seed: int) -> None:
    """Receive webhooks on https://localhost:PORT and record them."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    server = _Server(Records(store), Behaviours(Behaviour(fail_rate=fail_rate), dice))
    uvloop.run(_serve(server, port, context))


async def _serve(server: "_Server", port: int, context: ssl.SSLContext) -> None:
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    listening = await asyncio.start_server(server.talk, "127.0.0.1", port, ssl=context, backlog=1024)
    print(f"listening on https://localhost:{port}", flush=True)
    await stopped.wait()
    listening.close()


class _Server:
    """Speaks HTTP/1.1. `talk` serves one connection, with any number of requests."""

    def __init__(self, records: Records, behaviours: Behaviours) -> None:
        self._records = records
        self._behaviours = behaviours

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        # A client may disconnect in the middle or send invalid HTTP: ignore it.
        with contextlib.suppress(OSError, h11.ProtocolError, ssl.SSLError):
            while (taken := await read_request(connection, reader)) is not None:
                request, body = taken
                if not await self._answer(connection, writer, request, body):
                    break
                if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                    break
                connection.start_next_cycle()
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()

    async def _answer(
        self, connection: h11.Connection, writer: asyncio.StreamWriter, request: h11.Request, body: bytes
    ) -> bool:
        """Answer one request; False if the configured behaviour is to close the connection instead."""
        method, target = request.method.decode(), urlsplit(request.target.decode())
        if target.path == "/requests" and method in ("GET", "DELETE"):
            status, content = self._show_records(method, target.query)
        elif target.path == "/behaviour" and method in ("POST", "DELETE"):
            status, content = self._set_behaviour(method, body)
        elif method == "POST":
            return await self._receive(connection, writer, request, body)
        else:
            status, content = 405, b'{"error": "POST webhooks here, GET /requests to see them"}'
        for chunk in response(connection, status, content):
            writer.write(chunk)
        await writer.drain()
        return True

    async def _receive(
        self, connection: h11.Connection, writer: asyncio.StreamWriter, request: h11.Request, body: bytes
    ) -> bool:
        path = urlsplit(request.target.decode()).path
        answer = self._behaviours.answer_for(path)
        self._records.add(_record(request, path, body, answer.status))
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.status == 0:
            return False
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        content = b"x" * answer.body_bytes if answer.body_bytes else b'{"received": true}'
        for chunk in response(connection, answer.status, content, headers):
            if not answer.drip_s:
                writer.write(chunk)
                continue
            for byte in chunk:
                writer.write(bytes((byte,)))
                await writer.drain()
                await asyncio.sleep(answer.drip_s)
        await writer.drain()
        return True

    def _show_records(self, method: str, query: str) -> tuple[int, bytes]:
        if method == "DELETE":
            self._records.clear()
            return 200, b'{"deleted": true}'
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        if unknown := asked.keys() - {"path", "event_type", "limit"}:
            return 400, msgspec.json.encode({"error": f"unknown filter: {min(unknown)}"})
        try:
            limit = int(asked["limit"]) if "limit" in asked else None
        except ValueError:
            return 400, b'{"error": "limit: must be an integer"}'
        found = self._records.find(path=asked.get("path"), event_type=asked.get("event_type"))
        # The newest `limit` of them, still oldest first.
        shown = found if limit is None else found[max(len(found) - limit, 0) :]
        return 200, msgspec.json.encode({"total": len(found), "data": shown})

    def _set_behaviour(self, method: str, body: bytes) -> tuple[int, bytes]:
        if method == "DELETE":
            self._behaviours.reset()
            return 200, b'{"deleted": true}'
        try:
            behaviour = msgspec.json.decode(body, type=Behaviour)
        except msgspec.MsgspecError as error:
            return 400, msgspec.json.encode({"error": str(error)})
        self._behaviours.set(behaviour)
        return 200, msgspec.json.encode(behaviour)


def _record(request: h11.Request, path: str, body: bytes, status: int) -> Record:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    try:
        text, encoded = body.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(body).decode()
    return Record(
        received_at=clock.now().timestamp(),
        path=path,
        event_type=headers.get("swap-pay-event-type"),
        headers=headers,
        body=text,
        body_base64=encoded,
        status=status,
        verdict="accepted" if 200 <= status < 300 else "refused" if status else "hung up",
    )


if __name__ == "__main__":
    main()
