"""clients/typescript: its unit tests, its types under two compilers, its step with the API, and its runtimes."""

import contextlib
import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from app.sandbox.home import ROOT
from tests.clients.typescript import CLIENT, PACKAGES, built, installed, run
from tests.openapi_document import openapi_document

RUNTIMES = CLIENT / "tests" / "runtimes"
OTHERS = {"deno": "@deno/*/deno", "bun": "@oven/*/bin/bun", "workerd": "@cloudflare/workerd-*/bin/workerd"}
"""Where the programs of other runtimes are; `make soak` installs them, 350 MB."""

FOUND = {
    "invoice": "INV-1",
    "listed": ["INV-1", "INV-2"],
    "error": "INV-9",
    "moved": "UNREADABLE_ANSWER",
    "event": "Größe ✓",
    "forged": "signature",
    "old": "timestamp",
}
"""What `anywhere.js` finds in every runtime."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client, built from its sources."""
    return built(tmp_path_factory.mktemp("typescript") / "client")


@pytest.fixture(scope="module")
def place(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packed client, and what is tried in every runtime."""
    place = installed(copy, tmp_path_factory.mktemp("clean") / "place")
    for path in (RUNTIMES / name for name in ("anywhere.js", "main.js", "worker.js", "worker.capnp")):
        (place / path.name).write_bytes(path.read_bytes())
    return place


def test_its_own_tests(copy: Path) -> None:
    said = run("node", "--test", *sorted(str(path) for path in (copy / "tests").glob("*.test.js")), cwd=copy)
    counted = re.search(r"^. pass (\d+)$", said, re.MULTILINE)
    assert counted is not None, said
    assert int(counted[1]) > 20


def test_the_words_of_the_shop_on_express() -> None:
    said = run("node", "--test", "tests/pages.test.js", cwd=ROOT / "examples" / "shop-express")
    assert re.search(r"^. pass 4$", said, re.MULTILINE), said


@pytest.mark.parametrize("compiler", ["typescript", "typescript-7"])
def test_its_types_under_every_compiler_that_people_use(compiler: str) -> None:
    tsc = PACKAGES / compiler / "bin" / "tsc"
    assert run("node", tsc, "--version", cwd=CLIENT).startswith(
        {"typescript": "Version 5.9", "typescript-7": "Version 7."}[compiler]
    )
    run("node", tsc, "--noEmit", cwd=CLIENT)


def test_it_is_generated_from_the_document_of_today(tmp_path: Path) -> None:
    document = openapi_document()
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    check = ("node", CLIENT / "scripts" / "generate.mjs", "--check", path)
    run(*check, cwd=CLIENT)

    document["components"]["schemas"]["Invoice"]["properties"]["colour"] = {"type": "string"}
    path.write_text(json.dumps(document))
    moved = subprocess.run(check, capture_output=True, text=True)
    assert moved.returncode == 1
    assert "The OpenAPI document has moved: run `make clients`" in moved.stderr


def test_the_package_has_what_it_needs_and_nothing_else(place: Path) -> None:
    package = place / "node_modules" / "@swap-pay" / "client"
    assert {path.suffix for path in package.rglob("*") if path.is_file()} == {".js", ".ts", ".json", ".md"}
    assert not list(package.rglob("*.test.js"))
    assert "dependencies" not in json.loads((package / "package.json").read_text())
    assert [path.name for path in (place / "node_modules" / "@swap-pay").iterdir()] == ["client"]


@pytest.mark.parametrize("runtime", ["node", *(OTHERS if os.environ.get("SOAK") else ())])
def test_it_works_in_every_runtime(place: Path, gateway: str, runtime: str) -> None:
    if runtime == "node":
        found = json.loads(run("node", "main.js", gateway, cwd=place))
    else:
        (program,) = (RUNTIMES / "node_modules").glob(OTHERS[runtime])
        if runtime == "workerd":
            with _worker(program, place) as url:
                found = httpx.get(url, params={"url": gateway}, timeout=60, trust_env=False).json()
        else:
            rights = ["--allow-net", "--no-config", "--node-modules-dir=manual"] if runtime == "deno" else []
            found = json.loads(run(program, "run", *rights, "main.js", gateway, cwd=place))
    assert found == FOUND


@contextlib.contextmanager
def _worker(program: Path, place: Path) -> Iterator[str]:
    """The client in workerd, as `worker.capnp` has it; its address."""
    reading, writing = os.pipe()
    worker = subprocess.Popen(
        [program, "serve", "worker.capnp", "--socket-addr=http=127.0.0.1:0", f"--control-fd={writing}"],
        cwd=place,
        pass_fds=[writing],
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as control:
            listening = next(event for event in map(json.loads, control) if event["event"] == "listen")
        yield f"http://127.0.0.1:{listening['port']}/"
    finally:
        worker.kill()
        worker.wait()


@pytest.fixture
def gateway() -> Iterator[str]:
    """A double of the gateway, which is busy at first; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Gateway(BaseHTTPRequestHandler):
    keys: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        self.keys.append(key)
        if asked["order_id"] == "taken":
            error = {"code": "DUPLICATE_ORDER_ID", "message": "taken", "request_id": "r", "invoice_id": "INV-9"}
            self._answer(409, {"error": error})
        elif self.keys.count(key) == 1:
            busy = {"error": {"code": "UNAVAILABLE", "message": "busy", "request_id": "r"}}
            self._answer(503, busy, {"Retry-After": "0"})
        else:
            self._answer(201, {"id": "INV-1"})

    def do_GET(self) -> None:
        if self.path.endswith("/moved"):
            self._answer(302, {}, {"Location": "/elsewhere"})
            return
        is_first = "cursor" not in parse_qs(urlsplit(self.path).query)
        data, cursor = ([{"id": "INV-1"}], "more") if is_first else ([{"id": "INV-2"}], None)
        self._answer(200, {"data": data, "next_cursor": cursor})

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
