"""How a web process stops: it drains first, then the server ends its connections.

A load balancer learns by asking `/readyz` that a process is about to stop, some seconds after the process itself.
Until then it sends requests here, and a process that no longer listens would refuse them. So for `WEB_DRAIN_S` after
SIGTERM the process answers everything as before, `/readyz` is 503, and each answer ends its connection: clients and
proxies that keep connections go elsewhere for their next request.

Then event streams are ended, since Granian waits until each connection has ended, and the server is told.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.core.logging import get_logger

log = get_logger(__name__)


class Stopping:
    """Whether this process is about to stop."""

    def __init__(self) -> None:
        self.has_begun = False


@contextmanager
def drained(stopping: Stopping, drain_s: float, end_streams: Callable[[], None]) -> Iterator[None]:
    """Until the block ends, SIGTERM begins `stopping`; `drain_s` later `end_streams` is called and the server stops.

    Granian handles SIGINT and SIGTERM alike, in this event loop. Its handler of SIGTERM is replaced here, and
    afterwards called by SIGINT. SIGINT itself (Ctrl-C) stops at once. Without a server's handler, as in tests, nothing
    is done.
    """
    if not callable(signal.getsignal(signal.SIGTERM)) or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def end() -> None:
        end_streams()
        signal.raise_signal(signal.SIGINT)

    def begin() -> None:
        if stopping.has_begun:  # systemd and Granian's main process may both send it
            return
        stopping.has_begun = True
        log.info("draining", seconds=drain_s)
        loop.call_later(drain_s, end)

    loop.add_signal_handler(signal.SIGTERM, begin)
    yield
