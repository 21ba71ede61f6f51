"""Spawning a child that the kernel signals when we die (`prctl(PR_SET_PDEATHSIG)`, Linux)."""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None

_Task = tuple[Callable[[], subprocess.Popen[bytes]], "Future[subprocess.Popen[bytes]]"]
_tasks: "queue.SimpleQueue[_Task]" = queue.SimpleQueue()
_spawner: threading.Thread | None = None
_spawner_pid = 0
_spawner_lock = threading.Lock()


def spawn(argv: Sequence[str], *, death_signal: signal.Signals, **popen: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen(argv, **popen)` whose child gets `death_signal` when this process ends in any way.

    To the kernel, "the parent has died" means the thread that forked. So all forking is done by one thread
    that lives as long as the process: a server that is started from a worker thread outlives that thread.
    """
    if _libc is None:
        return subprocess.Popen(argv, **popen)
    prctl, parent_pid = _libc.prctl, os.getpid()

    def set_death_signal() -> None:
        # Between fork and exec: only system calls, no imports and no locks, because other threads may hold them.
        prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent_pid:
            os._exit(1)  # the parent died before prctl

    result: Future[subprocess.Popen[bytes]] = Future()
    _ensure_spawner()
    # The child calls prctl after the change of user in `popen`, because a change of user clears the setting.
    _tasks.put((lambda: subprocess.Popen(argv, preexec_fn=set_death_signal, **popen), result))
    return result.result()


def _ensure_spawner() -> None:
    global _spawner, _spawner_pid, _tasks
    with _spawner_lock:
        if _spawner is not None and _spawner_pid == os.getpid():
            return
        # Also after a fork of ours, which copies the variable but not the thread.
        _tasks = queue.SimpleQueue()
        _spawner = threading.Thread(target=_spawn_forever, args=(_tasks,), name="spawner", daemon=True)
        _spawner_pid = os.getpid()
        _spawner.start()


def _spawn_forever(tasks: "queue.SimpleQueue[_Task]") -> None:
    while True:
        task, result = tasks.get()
        try:
            result.set_result(task())
        except BaseException as error:
            result.set_exception(error)
        del task, result
