"""Notifying open pages of changes: with one Redis subscription per process.

A notice only says *what* changed, by topic; the page then reads the facts from Postgres. While Redis is away every page
reads again every few seconds.
"""

import asyncio
import random
from collections import Counter, OrderedDict, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from redis.exceptions import RedisError

from app.core import cancelling, clock, metrics
from app.core.errors import ApiError, Code
from app.core.logging import get_logger
from app.core.subscription import subscribed
from app.live.notices import CHANNEL

log = get_logger(__name__)

HEARTBEAT_S = 15.0
"""A comment this often keeps proxies from closing a quiet stream, and finds clients that are gone."""

POLL_S = 4.0
"""How often pages read the status again while Redis is away."""

SUBSCRIBE_AGAIN_S = 1.0
"""Seconds after a lost subscription, or one that could not be made, until the next."""

MAX_STREAMS = 10_000
"""Streams of one process; further pages poll instead."""

MAX_STREAMS_PER_OWNER = 100
"""Of one address or account; of one process as well, so that WEB_WORKERS times as many can be open on a host. Enough
for an office behind one address, and one client can't use up a process."""

FULL_RETRY_S = 30
"""How long a page that got no stream waits before it tries again; until then it polls."""

RETRY_MS = (2_000, 6_000)
"""How long a page waits after its stream broke: a random time, so that not all connect at once after a restart."""

STREAM_LIFE_S = 1800.0
"""A stream ends after half an hour; a page that is still open connects again."""

CHECK_S = 60.0
"""A stream of a signed-in page asks at least this often whether it may go on."""

MAX_REMEMBERED = 20_000
"""Topics of which a process remembers when they changed last."""

CLOCKS_DIFFER = timedelta(seconds=0.5)
"""The most by which the clocks of two hosts of a deployment are apart."""

HEARTBEAT = b": still here\n\n"
"""A comment (HTML, section 9.2.6): browsers ignore it."""

ENDED = b"event: ended\ndata:\n\n"
"""The last event of a stream that may not go on."""

OPENED = metrics.counter("swap_pay_checkout_streams_opened", "Event streams of open pages that began")
CLOSED = metrics.counter("swap_pay_checkout_streams_closed", "Event streams of open pages that ended")
"""The number of open streams is the difference. Counters can be added up over processes, also after one has ended."""

MayGoOn = Callable[[], Awaitable[bool]]


class _Listener:
    """One open stream: the names that its page gives to topics, and which of them changed since the last event."""

    __slots__ = ("changed", "names", "rights", "rights_changed", "wake")

    def __init__(self, names: Mapping[str, str], rights: Collection[str]) -> None:
        self.names = names
        self.rights = rights
        self.wake = asyncio.Event()
        self.changed: dict[str, None] = {}
        self.rights_changed = False

    def hear(self, topic: str) -> None:
        """Note that a topic changed."""
        if topic in self.rights:
            self.rights_changed = True
        if topic in self.names:
            self.changed[self.names[topic]] = None
        self.wake.set()

    def hear_all(self) -> None:
        """Note that anything may have changed."""
        self.changed = dict.fromkeys(self.names.values())
        self.rights_changed = True
        self.wake.set()

    def event(self) -> bytes:
        """The event with the names of what changed, which are forgotten."""
        names = " ".join(self.changed)
        self.changed = {}
        return f"event: changed\ndata: {names}\n\n".encode()


class LiveHub:
    """Passes one process's Redis notices to the open streams."""

    def __init__(self) -> None:
        self._listeners: defaultdict[str, set[_Listener]] = defaultdict(set)
        self._streams_by_owner: Counter[str] = Counter()
        self._streams = 0
        self._changed_at: OrderedDict[str, datetime] = OrderedDict()
        self._versions: Counter[str] = Counter()
        self._remembers_since: datetime | None = None
        self._listener: asyncio.Task[None] | None = None
        self._hears_redis = False
        self._closing = False

    @contextmanager
    def counted(self, owner: str) -> Iterator[None]:
        """Count one stream of an address or account until the block ends. Raises IP_RATE_LIMITED if there are too many.

        It is counted before it begins, so that two can't both be the last one, and until its request ends, even if the
        stream never began.
        """
        if self._streams >= MAX_STREAMS or self._streams_by_owner[owner] >= MAX_STREAMS_PER_OWNER:
            message = "too many open pages; this one polls instead"
            raise ApiError(Code.IP_RATE_LIMITED, message, retry_after_s=FULL_RETRY_S)
        self._streams_by_owner[owner] += 1
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1
            self._streams_by_owner[owner] -= 1
            if not self._streams_by_owner[owner]:
                del self._streams_by_owner[owner]

    def version(self, topic: str) -> int | None:
        """A number that changes with each notice of this topic; None while notices may be missed."""
        return self._versions[topic] if self._hears_redis else None

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
            await cancelling.end(self._listener)

    async def stream(
        self,
        names: Mapping[str, str],
        *,
        since: datetime | None = None,
        rights: Collection[str] = (),
        may_go_on: MayGoOn | None = None,
    ) -> AsyncIterator[bytes]:
        """The server-sent events of one open page, within `counted`: each names what changed.

        `names` is the page's own name of each topic that it follows; `since` is when it read the facts that it shows:
        what changed between then and now, the first event names. `may_go_on` is asked every CHECK_S and whenever a
        topic among `rights` changes; the stream ends when it says no. When the client disconnects, the generator is
        cancelled, or the next heartbeat fails.
        """
        clock_s = asyncio.get_running_loop().time
        listener = _Listener(names, rights)
        self._add(listener)
        if since is not None:
            self._catch_up(listener, since - CLOCKS_DIFFER)
        ends_at = clock_s() + STREAM_LIFE_S
        check_at = clock_s() + CHECK_S
        try:
            yield b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311 - to spread, not to hide
            while not self._closing and clock_s() < ends_at:
                try:
                    async with asyncio.timeout(HEARTBEAT_S if self._hears_redis else POLL_S):
                        await listener.wake.wait()
                except TimeoutError:
                    if not self._hears_redis:
                        listener.hear_all()
                listener.wake.clear()
                if may_go_on is not None and (listener.rights_changed or clock_s() >= check_at):
                    if not await may_go_on():
                        yield ENDED
                        return
                    listener.rights_changed, check_at = False, clock_s() + CHECK_S
                yield listener.event() if listener.changed else HEARTBEAT
        finally:
            self._forget(listener)

    def _catch_up(self, listener: _Listener, since: datetime) -> None:
        if self._remembers_since is None or since < self._remembers_since:
            listener.hear_all()
            return
        for topic in listener.names:
            at = self._changed_at.get(topic)
            if at is not None and at >= since:
                listener.hear(topic)

    def _add(self, listener: _Listener) -> None:
        for topic in (*listener.names, *listener.rights):
            self._listeners[topic].add(listener)
        OPENED.inc()

    def _forget(self, listener: _Listener) -> None:
        for topic in (*listener.names, *listener.rights):
            self._listeners[topic].discard(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]
        CLOSED.inc()

    async def _listen(self) -> None:
        while not self._closing:
            try:
                async with subscribed(CHANNEL) as subscription:
                    self._begin_hearing()
                    while True:
                        message = await subscription.next()
                        if message is not None:
                            self._hear(message.text.split())
            except (RedisError, OSError) as error:
                if self._hears_redis:
                    log.warning("live_hub_lost_redis", error=str(error) or type(error).__name__)
            if self._hears_redis:
                self._hears_redis = False
                self._remembers_since = None
                self._wake_all()  # from now on each stream polls
            if not self._closing:
                await asyncio.sleep(SUBSCRIBE_AGAIN_S)

    def _begin_hearing(self) -> None:
        self._hears_redis = True
        self._changed_at.clear()
        self._versions.clear()
        self._remembers_since = clock.now()
        self._wake_all()  # what was published while nobody listened

    def _hear(self, topics: Iterable[str]) -> None:
        now = clock.now()
        for topic in topics:
            self._changed_at[topic] = now
            self._versions[topic] += 1
            self._changed_at.move_to_end(topic)
            for listener in self._listeners.get(topic, ()):
                listener.hear(topic)

        while len(self._changed_at) > MAX_REMEMBERED:
            topic, self._remembers_since = self._changed_at.popitem(last=False)
            del self._versions[topic]

    def _wake_all(self) -> None:
        for listener in {each for listeners in self._listeners.values() for each in listeners}:
            listener.hear_all()
