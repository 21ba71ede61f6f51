"""Runs tests of a copy of the project again and again, quickly: each run is a fork of this process.

The slow steps at the start of a run are done once. Packages of others are imported here, so that a fork imports only
our own modules, in their present state. Postgres, Valkey and the chain are started once, in a process of their own.
A line of JSON on stdin requests a run (`arguments` of pytest, `timeout_s`); one on stdout answers (`code`, `output`).
"""

import copy
import importlib
import json
import os
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import pytest

OURS = ("app", "workers", "tests", "bench", "__main__")

NO_END = -1
"""The code of a run that did not end in time."""


def main() -> None:
    """Serve until stdin ends."""
    for name in json.loads(_output_of(_names_of_packages)):
        with suppress(Exception):
            importlib.import_module(name)
    stop, servers = _start_servers()
    for line in sys.stdin:
        order = json.loads(line)
        code, output = _run(order["arguments"], order["timeout_s"], servers)
        print(json.dumps({"code": code, "output": output[-4_000:]}), flush=True)
    os.close(stop)


class SharedServers:
    """A plugin of pytest: it replaces the server fixtures by servers that already run."""

    def __init__(self, servers: bytes) -> None:
        self._servers: dict[str, Any] = pickle.loads(servers)

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> object | None:
        """Replace the fixture of tests/conftest.py."""
        server: object | None = self._servers.get(fixturedef.argname)
        if server is None or fixturedef.func.__module__ != "tests.conftest":
            return None
        fixturedef.cached_result = (server, fixturedef.cache_key(request), None)
        return server


def _run(arguments: list[str], timeout_s: float, servers: bytes) -> tuple[int, str]:
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            _exit_with(lambda: int(pytest.main(arguments, plugins=[SharedServers(servers)])))
        code = _code_of(pid, time.monotonic() + timeout_s)
        output.seek(0)
        return code, output.read().decode("utf-8", "replace")


def _code_of(pid: int, until_s: float) -> int:
    while time.monotonic() < until_s:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return NO_END


def _names_of_packages() -> bytes:
    """The names of all imported modules of other packages, as JSON."""
    for name in ("tests.conftest", "app.asgi", "workers.queues", "hypothesis", "litestar.testing"):
        importlib.import_module(name)
    ours = tuple(f"{name}." for name in OURS)
    return json.dumps([name for name in sys.modules if name not in OURS and not name.startswith(ours)]).encode()


def _start_servers() -> tuple[int, bytes]:
    """Start the servers in a process that ends when the first of these is closed; the second are their handles."""
    wait, stop = os.pipe()

    def serve(report: Callable[[bytes], None]) -> None:
        os.close(stop)
        import asyncio

        from app.core.migrations import migrate
        from tests.services import (
            TEMPLATE,
            start_anvil_for_tests,
            start_postgres_for_tests,
            start_valkey_for_tests,
        )

        with tempfile.TemporaryDirectory(prefix="swap-pay-mutation-servers-") as directory:
            home = Path(directory)
            home.chmod(0o711)  # run by root, Postgres is another user
            with (
                start_postgres_for_tests(home) as postgres,
                start_valkey_for_tests(home) as valkey,
                start_anvil_for_tests(home) as anvil,
            ):
                postgres.create_database(TEMPLATE)
                asyncio.run(migrate(postgres.dsn(TEMPLATE)))
                handles = {"postgres": postgres, "valkey_server": valkey, "anvil": anvil}
                report(pickle.dumps({name: _handle(server) for name, server in handles.items()}))
                os.read(wait, 1)

    handles = _report_of(serve)
    os.close(wait)
    return stop, handles


def _handle(server: Any) -> Any:
    """A server without its process, which is another process's child."""
    handle = copy.copy(server)
    del handle.process
    return handle


def _output_of(what: Callable[[], bytes]) -> bytes:
    return _report_of(lambda report: report(what()))


def _report_of(work: Callable[[Callable[[bytes], None]], None]) -> bytes:
    """Run `work` in a fork. Returns the bytes that it passes to its argument; it may continue afterwards."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        os.close(read_end)
        sys.stdin = open(os.devnull)  # noqa: SIM115 - this process's for good
        os.dup2(2, 1)

        def report(message: bytes) -> None:
            with os.fdopen(write_end, "wb") as pipe:
                pipe.write(message)

        def report_and_end() -> int:
            work(report)
            return 0

        _exit_with(report_and_end)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        message = pipe.read()
    if not message:
        raise RuntimeError("the tests' modules or servers could not be loaded")
    return message


def _exit_with(work: Callable[[], int]) -> NoReturn:
    code = 70  # EX_SOFTWARE
    try:
        code = work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
