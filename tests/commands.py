"""`swap-pay …` in a process of its own, without the second that Python takes to import the gateway.

A server per test process has imported it, and forks a child for each command; the child has an environment, an output
and a memory of its own, and may be killed. How commands start in production is tested by tests/sandbox/test_demo.py and
tests/install/test_wheel.py.
"""

import contextlib
import ctypes
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from app.cli.main import COMMANDS, main
from workers import queues

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        *{place.module for place in COMMANDS.values()},
        *(f"workers.{name}" for name in queues.NAMES),
        *("app.asgi", "app.sandbox.asgi"),
    ]
)


def run(*arguments: str, env: Mapping[str, str], timeout_s: float = 120) -> "subprocess.CompletedProcess[str]":
    """Run `swap-pay …` with this environment and wait for its end; from a coroutine, in a thread.

    Raises subprocess.TimeoutExpired, after killing it.
    """
    with tempfile.TemporaryDirectory() as directory:
        output, errors = Path(directory) / "output", Path(directory) / "errors"
        process = forked(_command, arguments, env=env, output=output, errors=errors)
        process.join(timeout_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(list(arguments), timeout_s, output.read_bytes(), errors.read_bytes())
        return subprocess.CompletedProcess(list(arguments), process.exitcode, output.read_text(), errors.read_text())


def start(*arguments: str, env: Mapping[str, str], log: Path) -> ForkServerProcess:
    """Start `swap-pay …` with this environment. What it prints is appended to `log`."""
    return forked(_command, arguments, env=env, output=log, errors=log)


def stop(process: ForkServerProcess, timeout_s: float) -> None:
    """Send SIGTERM and wait; after `timeout_s` kill it and all that it has started."""
    process.terminate()
    process.join(timeout_s)
    if process.exitcode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # type: ignore[arg-type] # it was started
        process.join()


def forked(
    work: Callable[..., None], *arguments: Any, env: Mapping[str, str], output: Path, errors: Path
) -> ForkServerProcess:
    """Start a child that calls `work`, a function of a module, and ends. `env` is its whole environment."""
    process = _context.Process(target=_child, args=(work, arguments, dict(env), str(output), str(errors)))
    process.start()
    return process


def _child(
    work: Callable[..., None], arguments: tuple[Any, ...], env: dict[str, str], output: str, errors: str
) -> None:
    _die_with_parent()
    gc.freeze()  # what the server has imported stays: a search for garbage there would copy its memory, too
    os.register_at_fork(after_in_child=_die_with_parent)
    os.setsid()
    for number, path in ((1, output), (2, errors)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    # Granian's processes are forked too, as by default on Linux before Python 3.14.
    multiprocessing.set_start_method("fork", force=True)
    os.environ.clear()
    os.environ.update({"PICCOLO_CONF": "app.piccolo_conf", **env})  # as app.core.database does at its import
    work(*arguments)


def _die_with_parent() -> None:
    """No process may outlive the tests, however they end; that includes those that Granian forks."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _command(arguments: tuple[str, ...]) -> None:
    main(list(arguments), prog_name="swap-pay")
