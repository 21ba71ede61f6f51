import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.sandbox import processes
from app.sandbox.processes import Process, ProcessError

ROOT = Path(__file__).resolve().parents[2]
SLEEP = ["sleep", "600"]


def at_once(_: Process) -> bool:
    return True


def says(word: str) -> Callable[[Process], bool]:
    return lambda process: word in process.log_tail()


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def wait_until(condition: Callable[[], bool], timeout_s: float = 30) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while not (met := condition()) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return met


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-c", textwrap.dedent(code)]


def test_a_child_that_fails_shows_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"(?s)broken exited with status 3 .*no such disk"):
        processes.start("broken", python("print('no such disk'); exit(3)"), var_dir=tmp_path, ready=lambda _: False)
    processes.start("broken", SLEEP, var_dir=tmp_path, ready=at_once).stop()


def test_a_child_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    seen: list[int] = []

    def never(process: Process) -> bool:
        seen.append(process.pid)
        return False

    with pytest.raises(ProcessError, match="not ready after"):
        processes.start("slow", SLEEP, var_dir=tmp_path, ready=never, ready_timeout_s=0.2)
    assert not runs(seen[0])


def test_a_child_killed_during_its_start_is_restarted(tmp_path: Path) -> None:
    started: list[Process] = []

    def killed_twice(process: Process) -> bool:
        if process not in started:
            started.append(process)
            if len(started) <= 2:
                os.killpg(process.pid, signal.SIGKILL)
                wait_until(lambda: process.returncode is not None)
                return False
        return True

    def start() -> None:
        processes.start("unlucky", SLEEP, var_dir=tmp_path, ready=killed_twice)

    processes.persistently(start)
    assert [process.returncode for process in started] == [-signal.SIGKILL, -signal.SIGKILL, None]
    started[-1].stop()

    tried: list[int] = []

    def start_counted() -> None:
        tried.append(1)
        start_broken(tmp_path)

    with pytest.raises(ProcessError, match="exited with status 3"):
        processes.persistently(start_counted)
    assert len(tried) == 3


def start_broken(var_dir: Path) -> Process:
    return processes.start("broken", python("exit(3)"), var_dir=var_dir, ready=lambda _: False)


def test_stop_kills_a_child_that_ignores_the_signal(tmp_path: Path) -> None:
    stubborn = python(
        """
        import signal, subprocess, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("grandchild", subprocess.Popen(["sleep", "600"]).pid, "up")
        time.sleep(600)
        """
    )
    child = processes.start("stubborn", stubborn, var_dir=tmp_path, ready=says("up"), stop_timeout_s=0.3)
    grandchild = int(child.log_tail().split()[1])
    child.stop()
    child.stop()
    assert not runs(child.pid)
    assert not runs(grandchild)


def test_one_home_has_one_owner(tmp_path: Path) -> None:
    first = processes.start("sleep", SLEEP, var_dir=tmp_path, ready=at_once)
    with pytest.raises(ProcessError, match=f"already run by process {os.getpid()}"):
        processes.start("sleep", SLEEP, var_dir=tmp_path, ready=at_once)
    assert runs(first.pid)
    first.stop()


def test_a_service_starts_again_while_another_child_is_between_fork_and_exec(tmp_path: Path) -> None:
    """Until its exec, a child has every file of ours, the lock too."""
    service = processes.start("service", SLEEP, var_dir=tmp_path, ready=at_once)
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    try:
        service.stop()
        processes.start("service", SLEEP, var_dir=tmp_path, ready=at_once).stop()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    started: list[Process] = []
    thread = threading.Thread(
        target=lambda: started.append(processes.start("sleep", SLEEP, var_dir=tmp_path, ready=at_once))
    )
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert started[0].returncode is None
    started[0].stop()


def test_an_unrelated_process_with_a_recycled_pid_is_not_ended(tmp_path: Path) -> None:
    unrelated = subprocess.Popen(SLEEP, start_new_session=True)
    record = {"pid": unrelated.pid, "started": "an earlier boot:12345", "token": "t"}
    (tmp_path / "sleep.pid").write_text(json.dumps(record))
    processes.start("sleep", SLEEP, var_dir=tmp_path, ready=at_once).stop()
    assert unrelated.poll() is None
    unrelated.kill()
    unrelated.wait()


def test_the_next_start_ends_an_orphan_that_the_kernel_could_not_reach(tmp_path: Path) -> None:
    # Given a child that disables the first mechanism (prctl), and has a child of its own in its group,
    deaf = """
        import ctypes, signal, subprocess, time
        ctypes.CDLL(None).prctl(1, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("pids", __import__("os").getpid(), subprocess.Popen(["sleep", "600"]).pid, "up")
        time.sleep(600)
    """
    owner = subprocess.Popen(
        python(
            f"""
            import sys, time
            from pathlib import Path
            from app.sandbox import processes
            processes.start("deaf", [sys.executable, "-u", "-c", {textwrap.dedent(deaf)!r}],
                var_dir=Path({str(tmp_path)!r}), ready=lambda p: "up" in p.log_tail())
            print("ready"); time.sleep(600)
            """
        ),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"ready\n"
    # when its parent is killed,
    owner.kill()
    owner.communicate()
    orphan, grandchild = (int(word) for word in (tmp_path / "deaf.log").read_text().split()[1:3])
    assert runs(orphan)
    # then the next start ends both.
    processes.start(
        "deaf", SLEEP, var_dir=tmp_path, ready=at_once, stop_signal=signal.SIGTERM, stop_timeout_s=0.3
    ).stop()
    assert not runs(orphan)
    assert not runs(grandchild)


def test_supervision_returns_the_child_that_has_ended(tmp_path: Path) -> None:
    steady = processes.start("steady", SLEEP, var_dir=tmp_path, ready=at_once)
    brief = processes.start("brief", ["sleep", "0.1"], var_dir=tmp_path, ready=at_once)
    assert processes.wait_for_exit([steady, brief], poll_s=0.02) is brief
    for process in (steady, brief):
        process.stop()
