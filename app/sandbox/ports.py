"""The loopback port of a service: the usual one if it is free, else any free one."""

import random
import socket
from collections.abc import Callable

from app.sandbox.processes import Process, ProcessError

# Below 32768, the first source port of outgoing connections on Linux: a higher port could be in use between our check
# and the server's bind. Above the well-known ports of a developer's machine.
_FIRST_PORT, _LAST_PORT = 20_000, 32_000
_LOOKS = 200
_START_TRIES = 3


def prefer(usual_port: int) -> int:
    """`usual_port` if nothing listens on it, else a free port."""
    return usual_port if is_free(usual_port) else free_port()


def hold(usual_port: int) -> socket.socket:
    """Open a socket that reserves `usual_port`, or a free one if that is in use, until it is closed."""
    while True:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        # The same options as in `is_free`; with them only a listening socket excludes others.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", prefer(usual_port)))
            holder.listen(1)
        except OSError:
            holder.close()  # in use since the check: try again
        else:
            return holder


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now. It is not reserved: bind soon, be ready to retry.

    Raises RuntimeError if no free port turns up.
    """
    for _ in range(_LOOKS):
        port = random.SystemRandom().randint(_FIRST_PORT, _LAST_PORT)
        if is_free(port):
            return port
    raise RuntimeError(f"no free port found between {_FIRST_PORT} and {_LAST_PORT}")


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
            if port or "already in use" not in str(error):
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
