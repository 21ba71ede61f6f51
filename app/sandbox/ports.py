"""The loopback port of a service: the usual one if it is free, else any free one."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app.sandbox.processes import Process, ProcessError

# Below 32768, the first source port of outgoing connections on Linux: a higher port could be in use between our check
# and the server's bind. Above the well-known ports of a developer's machine.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_PORT_TRIES = 200
_START_TRIES = 3
IN_USE = "already in use"
"""What every server's error says whose port is taken."""

T = TypeVar("T")


def prefer(usual_port: int) -> int:
    """`usual_port` if nothing listens on it, else a free port."""
    return usual_port if is_free(usual_port) else free_port()


class HeldPort:
    """The web process's port: `usual_port`, or a free one if that is in use. Other sandboxes leave it alone.

    A listening socket holds it until `hand_over`. Granian's sockets share their port with any server of the same user
    (SO_REUSEPORT), and a request to one sandbox would reach another, so a lock holds it until `release`.
    """

    def __init__(self, usual_port: int) -> None:
        while True:
            self.number = prefer(usual_port)
            self._lock = _lock(self.number)
            if self._lock is not None:
                self._socket = _listen(self.number)
                if self._socket is not None:
                    return
                os.close(self._lock)  # in use since the check
            usual_port = free_port()

    def hand_over(self) -> None:
        """Let the web process bind it."""
        if self._socket is not None:
            self._socket.close()

    def release(self) -> None:
        """Give it up, after the web process has."""
        self.hand_over()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(port: int) -> int | None:
    """Lock a port among this user's sandboxes, until the file is closed. None if another has it."""
    directory = Path(tempfile.gettempdir()) / f"swap-pay-sandbox-ports-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(directory / str(port), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _listen(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # The same options as in `is_free`; with them only a listening socket excludes others.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(1)
    except OSError:
        listener.close()
        return None
    return listener


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now. It is not reserved: bind soon, be ready to retry.

    Raises RuntimeError if no free port turns up.
    """
    for _ in range(_PORT_TRIES):
        port = random.SystemRandom().randint(_FIRST_PORT, _LAST_PORT)
        if is_free(port):
            return port
    raise RuntimeError(f"no free port found between {_FIRST_PORT} and {_LAST_PORT}")


def on_usual_port(usual_port: int, start: Callable[[int | None], T]) -> T:
    """Call `start` with the usual port if it is free, else with None, which means any free one."""
    if not is_free(usual_port):
        return start(None)
    try:
        return start(usual_port)
    except ProcessError as error:
        # In use since the check, and perhaps free again by now.
        if is_free(usual_port) and IN_USE not in str(error):
            raise
        return start(None)


def start_on(port: int | None, start: Callable[[int], Process]) -> tuple[int, Process]:
    """Call `start` with `port`, or with a free one if that is None. Returns the port and the result of `start`.

    Another process may bind a free port first, so if the server finds our choice in use, two more ports are
    tried. Raises ProcessError.
    """
    for _ in range(_START_TRIES - 1):
        tried_port = port or free_port()
        try:
            return tried_port, start(tried_port)
        except ProcessError as error:
            if port or IN_USE not in str(error):
                raise
    tried_port = port or free_port()
    return tried_port, start(tried_port)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now; connections in TIME_WAIT don't count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections on 127.0.0.1:`port`."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
