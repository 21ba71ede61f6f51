"""What a worker shows of itself: a file for the probe of its container, and a datagram for systemd."""

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.monitoring import probe
from workers import heartbeat


async def test_a_worker_beats_until_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.01)
    file, stop = tmp_path / "heartbeat", asyncio.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        beating = asyncio.create_task(heartbeat.beat(file, stop))
        for _ in range(3):
            assert await asyncio.to_thread(systemd.recv, 64) == b"WATCHDOG=1"
    environment = {"HEARTBEAT_FILE": str(file)}
    assert probe.fault(environment) is None

    # Given a loop that hangs, the file grows old and the probe fails.
    stop.set()
    await beating
    long_ago = file.stat().st_mtime - probe.SILENT_S - 1
    os.utime(file, (long_ago, long_ago))
    assert probe.fault(environment) == f"no heartbeat for {probe.SILENT_S + 1:.0f} s"


async def test_a_heartbeat_that_nobody_takes_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.01)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    stop = asyncio.Event()
    beating = asyncio.create_task(heartbeat.beat(tmp_path / "no-such-folder" / "heartbeat", stop))
    done, _ = await asyncio.wait({beating}, timeout=0.1)
    assert not done
    stop.set()
    await beating


def test_without_a_worker_the_web_process_is_asked(tmp_path: Path) -> None:
    environment = {"HEARTBEAT_FILE": str(tmp_path / "none"), "WEB_PORT": "1", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "app.monitoring.probe"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("http://127.0.0.1:1/healthz: ")
