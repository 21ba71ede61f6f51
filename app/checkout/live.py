"""Notifying open checkout pages of changes: with one Redis subscription per process.

A notice only says *that* something changed; the page then reads the facts from Postgres. While Redis is away every page
reads again every few seconds.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.core import metrics, redis
from app.core.errors import ApiError, Code
from app.core.logging import get_logger
from app.invoices.service import LIVE_CHANNEL

log = get_logger(__name__)

HEARTBEAT_S = 15.0
"""A comment this often keeps proxies from closing a quiet stream, and finds clients that are gone."""

PING_AFTER_S = 3.0
"""Redis is pinged after this time without a message. After the same time without an answer the connection is closed: it
is dead, or Redis hangs."""

POLL_S = 4.0
"""How often pages read the status again while Redis is away."""

MAX_STREAMS = 10_000
"""Streams of one process; further pages poll instead."""

MAX_STREAMS_PER_ADDRESS = 100
"""Of one process as well, so that WEB_WORKERS times as many can be open on a host. Enough for an office behind one
address, and one client can't use up a process."""

FULL_RETRY_S = 30
"""How long a page that got no stream waits before it tries again; until then it polls."""

RETRY_MS = (2_000, 6_000)
"""How long a page waits after its stream broke: a random time, so that not all connect at once after a restart."""

STREAM_LIFE_S = 1800.0
"""A stream ends after half an hour; a page that is still open connects again."""

CHANGED = b"event: status\ndata: {}\n\n"
HEARTBEAT = b": still here\n\n"
"""A comment (HTML, section 9.2.6): browsers ignore it."""


OPENED = metrics.counter("swap_pay_checkout_streams_opened", "Event streams of checkout pages that began")
CLOSED = metrics.counter("swap_pay_checkout_streams_closed", "Event streams of checkout pages that ended")
"""The number of open streams is the difference. Counters can be added up over processes, also after one has ended."""


class LiveHub:
    """Passes one process's Redis notices to the open streams."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)
        self._streams_by_address: Counter[str] = Counter()
        self._streams = 0
        self._listener: asyncio.Task[None] | None = None
        self._hears_redis = False
        self._closing = False

    @contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """Count one stream of an address until the block ends. Raises IP_RATE_LIMITED if there are too many.

        It is counted before it begins, so that two can't both be the last one, and until its request ends, even if the
        stream never began.
        """
        if self._streams >= MAX_STREAMS or self._streams_by_address[address] >= MAX_STREAMS_PER_ADDRESS:
            message = "too many open pages; this one polls instead"
            raise ApiError(Code.IP_RATE_LIMITED, message, retry_after_s=FULL_RETRY_S)
        self._streams_by_address[address] += 1
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1
            self._streams_by_address[address] -= 1
            if not self._streams_by_address[address]:
                del self._streams_by_address[address]

    def open(self) -> None:
        """Subscribe to Redis."""
        self._listener = asyncio.create_task(self._listen(), name="live-hub")

    def end_streams(self) -> None:
        """End every stream, later ones too, so that the process can stop."""
        self._closing = True
        self._wake_all()

    async def close(self) -> None:
        """End every stream and the subscription."""
        self.end_streams()
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener

    async def stream(self, invoice_id: str) -> AsyncIterator[bytes]:
        """The server-sent events of one open page, within `counted`. When the client disconnects, the generator
        is cancelled, or the next heartbeat fails."""
        changed = asyncio.Event()
        self._waiting[invoice_id].add(changed)
        OPENED.inc()
        ends_at = asyncio.get_running_loop().time() + STREAM_LIFE_S
        try:
            yield b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311 - to spread, not to hide
            while not self._closing and asyncio.get_running_loop().time() < ends_at:
                try:
                    async with asyncio.timeout(HEARTBEAT_S if self._hears_redis else POLL_S):
                        await changed.wait()
                    changed.clear()
                    yield CHANGED
                except TimeoutError:
                    yield HEARTBEAT if self._hears_redis else CHANGED
        finally:
            self._forget(invoice_id, changed)

    def _forget(self, invoice_id: str, changed: asyncio.Event) -> None:
        self._waiting[invoice_id].discard(changed)
        if not self._waiting[invoice_id]:
            del self._waiting[invoice_id]
        CLOSED.inc()

    async def _listen(self) -> None:
        # The Redis client may mistake the cancellation for its own time-out: then `_closing` ends both loops.
        while not self._closing:
            try:
                async with redis.client().pubsub() as subscription:
                    await subscription.psubscribe(f"{LIVE_CHANNEL}*")
                    self._hears_redis = True
                    self._wake_all()  # what was published while nobody listened
                    await self._pass_on(subscription)
            except (RedisError, OSError) as error:
                log.warning("live_hub_lost_redis", error=str(error))
            self._hears_redis = False
            self._wake_all()
            if not self._closing:
                await asyncio.sleep(POLL_S)

    async def _pass_on(self, subscription: PubSub) -> None:
        pinged = False
        while not self._closing:
            message = await subscription.get_message(timeout=PING_AFTER_S)
            if message is None:
                if pinged:
                    raise RedisTimeoutError("no answer to a ping")
                await subscription.ping()
            elif message["type"] == "pmessage":
                invoice_id = message["channel"].decode().removeprefix(LIVE_CHANNEL)
                for event in self._waiting.get(invoice_id, ()):
                    event.set()
            pinged = message is None

    def _wake_all(self) -> None:
        for events in list(self._waiting.values()):
            for event in events:
                event.set()
