"""Names to addresses, by the system's resolver, without one slow name server holding up the rest."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

# Takes a host name, gives its addresses as text, raises OSError where there are none.
Resolver = Callable[[str], Awaitable[Sequence[str]]]

# getaddrinfo blocks a thread until the system gives up, 10 s and more where a name server is silent, long
# after we have stopped waiting; the loop's own executor (6 threads on two cores) would soon be full.
RESOLVER_THREADS = 64


class SystemResolver:
    """`getaddrinfo` in threads of its own; concurrent look-ups of one name share the answer.

    So a name whose server is silent holds one thread, however many deliveries wait for it. Answers
    are not cached: each attempt gets one that was given while it waited.
    """

    def __init__(self, threads: int = RESOLVER_THREADS) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="outbound-dns")
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, host: str) -> Sequence[str]:
        """The addresses of `host`, in the system's order of preference (RFC 6724). Raises OSError."""
        look_up = self._under_way.get(host)
        if look_up is None:
            look_up = asyncio.get_running_loop().run_in_executor(self._executor, _look_up, host)
            self._under_way[host] = look_up
            look_up.add_done_callback(lambda done: self._finished(host, done))
        return await asyncio.shield(look_up)

    def close(self) -> None:
        """End the threads; those still waiting for a name server end by themselves."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _finished(self, host: str, look_up: asyncio.Future[list[str]]) -> None:
        del self._under_way[host]
        if not look_up.cancelled():
            look_up.exception()  # marks it as retrieved: the caller may have stopped waiting


def _look_up(host: str) -> list[str]:
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as fault:  # the codec's own idea of a valid label
        raise OSError(str(fault)) from fault
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers))
