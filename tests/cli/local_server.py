"""A developer's server on this machine, over plain HTTP: records requests and answers as told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app.sandbox.integrator import wait_for

PATIENCE_S = 60


@dataclass(frozen=True)
class Request:
    """One request; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class LocalServer:
    """A running server. `answer` gives status, headers and body; None closes the connection."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    answer: Callable[[Request], tuple[int, dict[str, str], bytes] | None] = lambda request: (200, {}, b"")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    def until(self, count: int) -> list[Request]:
        """Wait until so many requests are there; all of them."""
        wait_for(f"{count} requests", lambda: len(self.requests) >= count or None, PATIENCE_S)
        return self.requests

    def always(self, status: int, body: bytes = b"") -> None:
        """Give the same answer from now on."""
        self.answer = lambda request: (status, {}, body)


@contextmanager
def local_server() -> Iterator[LocalServer]:
    """A server on a free port."""
    server = LocalServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body)
            server.requests.append(request)
            answer = server.answer(request)
            if answer is None:
                self.close_connection = True
                return
            status, extra, content = answer
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is logged."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
