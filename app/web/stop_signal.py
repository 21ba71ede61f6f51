"""What a web process has to do as soon as it gets the signal to stop.

Granian first waits until each connection has ended, and only then ends the app's lifespan. An event stream ends only
when the app ends it, so the app must get the signal itself.
"""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def at_stop_signal(act: Callable[[], None]) -> Iterator[None]:
    """Until the block ends, SIGTERM also calls `act` in the running event loop.

    The server's own handler still gets the signal: an event loop gets it through a file descriptor
    (`set_wakeup_fd`), any other handler is called from here. Without one, as in tests, nothing is done.
    """
    before = signal.getsignal(signal.SIGTERM)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        yield
        return
    server_handles = before
    loop = asyncio.get_running_loop()

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        server_handles(number, frame)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
