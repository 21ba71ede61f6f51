"""Heartbeats: what a worker, which serves nothing, shows of itself while its event loop turns.

It touches `HEARTBEAT_FILE`, which `app/monitoring/probe.py` reads in a container, and tells systemd, which restarts a
unit with `WatchdogSec=` that has stopped telling (sd_notify(3)).
"""

import asyncio
import os
import socket
from contextlib import suppress
from pathlib import Path

from app.core.logging import get_logger

log = get_logger(__name__)

EVERY_S = 5.0
"""Seconds between two heartbeats; their readers allow for a minute."""


async def beat(file: Path | None, stop: asyncio.Event) -> None:
    """Beat until `stop` is set. A heartbeat that can't be written is logged, and ends nothing."""
    while not stop.is_set():
        if file is not None:
            _touch(file)
        _tell_systemd(os.environ.get("NOTIFY_SOCKET", ""))
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY_S)


def _touch(file: Path) -> None:
    try:
        file.touch()
    except OSError as error:
        log.warning("heartbeat_not_written", file=str(file), error=error.strerror)


def _tell_systemd(address: str) -> None:
    """Send a datagram to systemd's socket: a path, or with "@" a name outside of the file system."""
    if not address:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(b"WATCHDOG=1", address.replace("@", "\0", 1) if address[0] == "@" else address)
    except OSError as error:
        log.warning("systemd_not_told", error=error.strerror)
