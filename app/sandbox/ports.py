"""Which loopback port a service gets: the usual one where it is free, else any free one."""

import random
import socket
from collections.abc import Callable

from app.sandbox.processes import Process, ProcessError

# Below 32768, where Linux begins to hand out source ports of outgoing connections: a port from there could be
# taken between our look and the server's bind. Above the well-known servers of a developer's machine.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_LOOKS = 200
_START_TRIES = 3


def prefer(usual_port: int) -> int:
    """`usual_port` where nothing listens on it, else a free one."""
    return usual_port if is_free(usual_port) else free_port()


def hold(usual_port: int) -> socket.socket:
    """A socket that keeps `usual_port`, or a free one where that is taken, from others until it is closed."""
    while True:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # As `is_free` looks; only listening keeps others out then.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", prefer(usual_port)))
            holder.listen(1)
        except OSError:
            holder.close()  # taken since: look again
        else:
            return holder


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now. Nobody holds it: bind soon, be ready to retry.

    Raises RuntimeError if no free port turns up.
    """
    for _ in range(_LOOKS):
        port = random.SystemRandom().randint(_FIRST_PORT, _LAST_PORT)
        if is_free(port):
            return port
    raise RuntimeError(f"no free port found between {_FIRST_PORT} and {_LAST_PORT}")


def start_on(port: int | None, start: Callable[[int], Process]) -> tuple[int, Process]:
    """Call `start` with `port`, or with a free one if that is None; return the port and what was started.

    A free port is free until somebody takes it, so one that we picked ourselves is picked again, twice, if
    the server finds it in use. Raises ProcessError.
    """
    for _ in range(_START_TRIES - 1):
        tried_port = port or free_port()
        try:
            return tried_port, start(tried_port)
        except ProcessError as error:
            if port or "already in use" not in str(error):
                raise
    tried_port = port or free_port()
    return tried_port, start(tried_port)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now; leftovers in TIME_WAIT don't count."""
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
