"""Sources of rates for the sandbox: steady prices, served in the formats of the real ones.

`python -m app.sandbox.rate_server --port 8091`

    GET /kraken/…      as https://api.kraken.com/…
    GET /coinbase/…    as https://api.exchange.coinbase.com/…
    GET /ecb/…         as https://www.ecb.europa.eu/…
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import click
import h11
import uvloop

from app.core import clock
from app.sandbox import ports, processes, rate_formats
from app.sandbox.home import ROOT
from app.sandbox.rate_formats import Exchange, Page

Answer = Callable[[str, Mapping[str, str]], Awaitable[Page | None]]
"""What a path and its query are answered with; None closes the connection without an answer."""

_READ_BYTES = 65_536

DOLLARS = {"BTC": "61250.00", "ETH": "2480.50", "BNB": "585.20", "TRX": "0.1586", "USDT": "1.0003", "USDC": "0.9999"}
EUROS = {"BTC": "56450.10", "ETH": "2286.20", "BNB": "539.35", "TRX": "0.1462", "USDT": "0.9219", "USDC": "0.9216"}
"""One whole asset, at the exchange rates below. No stablecoin is worth exactly one."""

ONE_EURO = {"USD": "1.0850", "JPY": "163.25", "CZK": "25.302", "GBP": "0.83355", "PLN": "4.3203", "CHF": "0.9381"}

SPREAD = {"kraken": "", "coinbase": "1"}
"""A digit at the end of each price, so that the exchanges differ as real ones do."""


def start(home_dir: Path, port: int | None = None) -> "RateServer":
    """Run the server as a child on 127.0.0.1 and return once it listens. Raises ProcessError."""

    def start_on(port: int) -> processes.Process:
        return processes.start(
            "rates",
            [sys.executable, "-m", "app.sandbox.rate_server", "--port", str(port)],
            var_dir=home_dir,
            cwd=ROOT,
            ready=lambda child: f"listening on http://127.0.0.1:{port}\n" in child.log_tail() + "\n",
        )

    port, process = ports.start_on(port, start_on)
    return RateServer(process, port)


class RateServer:
    """A running server. `start` makes it."""

    def __init__(self, process: processes.Process, port: int) -> None:
        self.process = process
        self.port = port

    def url(self, source: str) -> str:
        """The base URL of a source: `kraken`, `coinbase` or `ecb`."""
        return f"http://127.0.0.1:{self.port}/{source}"

    def stop(self) -> None:
        """Stop it."""
        self.process.stop()


def steady() -> dict[str, Answer]:
    """The sources by name, with the sandbox's prices."""
    exchanges = {
        name: Exchange(
            {(base, "USD"): price + digit for base, price in DOLLARS.items()}
            | {(base, "EUR"): price + digit for base, price in EUROS.items()}
        )
        for name, digit in SPREAD.items()
    }

    async def kraken(path: str, query: Mapping[str, str]) -> Page:
        return rate_formats.kraken(exchanges["kraken"], path, query, clock.now() - timedelta(seconds=1))

    async def coinbase(path: str, query: Mapping[str, str]) -> Page:
        return rate_formats.coinbase(exchanges["coinbase"], path, query, clock.now() - timedelta(seconds=1))

    async def ecb(path: str, query: Mapping[str, str]) -> Page:
        return rate_formats.ecb(ONE_EURO, rate_formats.working_day(clock.now()))

    return {"kraken": kraken, "coinbase": coinbase, "ecb": ecb}


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
def main(port: int) -> None:
    """Serve rates on http://127.0.0.1:PORT."""
    uvloop.run(_serve(port))


async def _serve(port: int) -> None:
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    listening = await listen(steady(), port)
    print(f"listening on http://127.0.0.1:{port}", flush=True)
    await stopped.wait()
    listening.close()


async def listen(sources: Mapping[str, Answer], port: int) -> asyncio.Server:
    """Serve these sources on 127.0.0.1, each below its name; port 0 is any free one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        # A client may disconnect in the middle or send invalid HTTP: ignore it.
        with contextlib.suppress(OSError, h11.ProtocolError):
            while (request := await _read_request(connection, reader)) is not None:
                target = urlsplit(request.target.decode())
                name, _, path = target.path.removeprefix("/").partition("/")
                page: Page | None = Page(404, b"{}")
                if name in sources:
                    page = await sources[name](f"/{path}", dict(parse_qsl(target.query)))
                if page is None:
                    break
                head = h11.Response(
                    status_code=page.status,
                    headers=[
                        ("Content-Type", page.content_type),
                        ("Content-Length", str(len(page.body))),
                        *page.headers,
                    ],
                )
                for event in (head, h11.Data(data=page.body), h11.EndOfMessage()):
                    writer.write(connection.send(event) or b"")
                await writer.drain()
                if connection.our_state is not h11.DONE:
                    break
                connection.start_next_cycle()
        writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", port, backlog=1024)


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """The next request; None if the client has disconnected."""
    request = None
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.EndOfMessage):
            return request
        elif not isinstance(event, h11.Data):
            return None


if __name__ == "__main__":
    main()
