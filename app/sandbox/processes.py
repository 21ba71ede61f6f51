"""Child processes that always end with their parent.

A child gets its own process group, a log file, and a readiness check. It is stopped by a signal, then by SIGKILL.
If this process ends without stopping it, three mechanisms end the child, each for cases that the one before misses:

1. the kernel signals the child when its parent dies (Linux);
2. at a normal exit of this process, `atexit` stops what is still running;
3. the next start of the same name in the same directory reads the last pid file and ends the processes that are
   left. The file contains the process's start time, so that an unrelated process with the same pid is not touched.
"""

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil

from app.sandbox import parentage

_POLL_S = 0.01
_LOG_TAIL_LINES = 25
_LOG_KEPT_BYTES = 8 * 1024 * 1024
_TOKEN_VARIABLE = "SWAP_PAY_SANDBOX_TOKEN"  # noqa: S105 - the name of a variable, marks our children

_running: list["Process"] = []


class ProcessError(RuntimeError):
    """A service did not start, or another process runs it; the message is for the terminal."""


class User(msgspec.Struct, frozen=True):
    """The user that a child runs as, by number: it needs no account in /etc/passwd."""

    uid: int
    gid: int


def as_user(user: User | None) -> dict[str, Any]:
    """The arguments of `subprocess.Popen` that run the child as `user`, without our groups."""
    # An empty `extra_groups` would leave root's groups in place (Python 3.11).
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": [user.gid]}


def start(
    name: str,
    argv: Sequence[str],
    *,
    var_dir: Path,
    ready: Callable[["Process"], bool],
    before: Callable[[], None] = lambda: None,
    ready_timeout_s: float = 30,
    stop_signal: signal.Signals = signal.SIGTERM,
    stop_timeout_s: float = 10,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: User | None = None,
) -> "Process":
    """Start `argv` and return once `ready` returns true.

    `var_dir` gets `<name>.log`, `<name>.pid` and `<name>.lock`; it is created if missing. `env` is the child's
    whole environment (default: this process's own). `before` prepares what the child needs; it is called
    with the lock held, after leftovers of an earlier run were ended. `user` needs root. `stop_signal` is sent first
    by `stop`, and by the kernel when this process dies. Raises ProcessError, with the end of the log, if the
    child exits or isn't ready in time, or if a running process already runs this name in this directory.
    """
    var_dir.mkdir(parents=True, exist_ok=True)
    lock = _take_lock(name, var_dir / f"{name}.lock")
    try:
        end_leftovers(var_dir / f"{name}.pid", stop_signal, stop_timeout_s)
        before()
        process = Process(name, var_dir, lock, stop_signal, stop_timeout_s)
    except BaseException:
        _release_lock(lock)
        raise
    try:
        process._spawn(argv, dict(os.environ if env is None else env), cwd, user)
        process._wait_until(ready, ready_timeout_s)
    except BaseException:
        process.kill()
        raise
    return process


def persistently(start_again: Callable[[], object], tries: int = 3) -> None:
    """Start a service that has died; retry if that fails, because it may have been killed during the start.

    Raises the last attempt's ProcessError.
    """
    for _ in range(tries - 1):
        with contextlib.suppress(ProcessError):
            start_again()
            return
    start_again()


class Process:
    """A running child. `start` makes it."""

    def __init__(self, name: str, var_dir: Path, lock: int, stop_signal: signal.Signals, stop_timeout_s: float) -> None:
        self.name = name
        self.log_path = var_dir / f"{name}.log"
        self._pid_path = var_dir / f"{name}.pid"
        self._lock: int | None = lock
        self._stop_signal = stop_signal
        self._stop_timeout_s = stop_timeout_s
        self._log_start_bytes = 0
        self._token = secrets.token_hex(16)
        self._owner_pid = os.getpid()
        self._child: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """The child's process id, which is also its group's."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs, else its exit status; negative: ended by that signal."""
        return self._child.poll()

    def stop(self) -> None:
        """Send the stop signal, wait, then kill. Returns when the whole group has ended. May be called twice."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, self._stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(self._stop_timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the child, its group and its descendants, and wait for their end."""
        if self not in _running:
            self._forget()
            return
        doomed: list[psutil.Process] = []
        if self.returncode is None:
            # Not reaped yet, so no other process can have this number.
            doomed = _descendants(self.pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        doomed += _marked_members(self.pid, self._token)
        _kill(doomed, self._stop_timeout_s)
        self._child.wait()
        self._forget()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Inside, the child and all its descendants are stopped (SIGSTOP), as on a paused VM or a disk that hangs: the
        kernel still accepts connections for them, but nothing answers."""
        stopped = [psutil.Process(self.pid)]
        stopped[0].suspend()  # first, so that it can start no other process meanwhile
        stopped += _descendants(self.pid)
        for process in stopped[1:]:
            process.suspend()
        try:
            yield
        finally:
            for process in reversed(stopped):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    def log_tail(self) -> str:
        """The last lines that this run has written to its log."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start_bytes)
            lines = log.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_TAIL_LINES:])

    def _spawn(self, argv: Sequence[str], env: dict[str, str], cwd: Path | None, user: User | None) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_KEPT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        with self.log_path.open("ab") as log:
            self._log_start_bytes = log.tell()
            try:
                self._child = parentage.spawn(
                    argv,
                    death_signal=self._stop_signal,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**env, _TOKEN_VARIABLE: self._token},
                    cwd=cwd,
                    # Its own group: Ctrl-C at the terminal reaches this process only, which stops its children.
                    start_new_session=True,
                    **as_user(user),
                )
            except OSError as error:
                raise ProcessError(f"{self.name}: can't run {argv[0]}: {error}") from error
        _running.append(self)
        record = {"pid": self.pid, "started": _start_mark(self.pid), "token": self._token}
        _write_whole(self._pid_path, json.dumps(record))

    def _wait_until(self, ready: Callable[["Process"], bool], timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while True:
            if self.returncode is not None:
                problem = f"exited with status {self.returncode} before it was ready"
            elif ready(self):
                return
            elif time.monotonic() > deadline_s:
                problem = f"was not ready after {timeout_s:g} s"
            else:
                time.sleep(_POLL_S)
                continue
            raise ProcessError(f"{self.name} {problem}. The end of {self.log_path}:\n{self.log_tail()}")

    def _forget(self) -> None:
        if self in _running:
            _running.remove(self)
            self._pid_path.unlink(missing_ok=True)
        if self._lock is not None:
            _release_lock(self._lock)
            self._lock = None


def wait_for_exit(processes: Sequence[Process], poll_s: float = 0.2) -> Process:
    """Block until one of `processes` has ended, and return it."""
    while True:
        for process in processes:
            if process.returncode is not None:
                return process
        time.sleep(poll_s)


def end_leftovers(pid_path: Path, stop_signal: signal.Signals, stop_timeout_s: float) -> None:
    """End processes that a dead parent left running, by its pid file. The caller holds the lock beside it."""
    try:
        record = json.loads(pid_path.read_text())
        pid, started, token = int(record["pid"]), str(record["started"]), str(record["token"])
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        pid_path.unlink()  # incomplete file: no process is known
        return
    if _start_mark(pid) == started:
        leader = psutil.Process(pid)
        descendants = _descendants(pid)
        with contextlib.suppress(psutil.Error):
            leader.send_signal(stop_signal)  # on Linux the second call, which has no effect
        alive = wait_until_ended([leader, *descendants], stop_timeout_s)
        _kill(alive, stop_timeout_s)
    _kill(_marked_members(pid, token), stop_timeout_s)
    pid_path.unlink(missing_ok=True)


def wait_until_ended(processes: Sequence[psutil.Process], timeout_s: float) -> list[psutil.Process]:
    """Wait for processes, our children or not; return those that still run after `timeout_s`.

    A zombie counts as ended: in a container there may be no process that reaps it.
    """
    deadline_s = time.monotonic() + timeout_s
    while (alive := [process for process in processes if _runs(process)]) and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
    return alive


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _take_lock(name: str, path: Path) -> int:
    """Lock `path`, until this process ends or stops the service. Raises ProcessError if another holds it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.pread(lock, 20, 0).decode(errors="replace") or "?"
        os.close(lock)
        raise ProcessError(f"{name} in {path.parent} is already run by process {owner}; stop that one first") from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return lock


def _release_lock(lock: int) -> None:
    """Unlock before closing: a child that another thread has just forked has the file open too, until its exec."""
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


def _start_mark(pid: int) -> str | None:
    """Boot and start time, which identify the process among all that ever had `pid`. None if it isn't running."""
    try:
        # Field 22 of /proc/pid/stat, in clock ticks since boot: independent of the wall clock.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        try:
            return f"{psutil.Process(pid).create_time():.2f}"
        except psutil.Error:
            return None
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _marked_members(group: int, token: str) -> list[psutil.Process]:
    """Processes of `group` with our token in their environment: members that outlived their leader."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.environ().get(_TOKEN_VARIABLE) == token:
                members.append(process)
    return members


def _kill(processes: Sequence[psutil.Process], wait_s: float) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
    wait_until_ended(processes, wait_s)


def _write_whole(path: Path, text: str) -> None:
    """Write a file atomically."""
    partial = path.with_name(f"{path.name}.new")
    partial.write_text(text)
    partial.replace(path)


@atexit.register
def stop_all() -> None:
    """Stop all running children of this process, last started first."""
    for process in reversed(_running.copy()):
        if process._owner_pid == os.getpid():
            process.stop()
