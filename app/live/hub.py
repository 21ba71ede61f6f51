"""Notifying open pages of changes: with one Redis subscription per process.

A notice only says *what* changed, by topic; who hears it reads the facts from Postgres. While Redis is away every page
reads again every few seconds.
"""

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError

from app.core import cancelling, clock, metrics
from app.core.errors import ApiError, Code
from app.core.logging import get_logger
from app.core.subscription import subscribed
from app.live.contents import Contents
from app.live.notices import CHANNEL
from app.live.stream import PLACE, EventStream, MayGoOn

log = get_logger(__name__)

HEARTBEAT_S = 15.0
"""A comment this often keeps proxies from closing a quiet stream, and finds clients that are gone."""

POLL_S = 4.0
"""How often pages read the status again while Redis is away."""

SLOTS = 30
"""Streams wait in this many slots, which one timer wakes in turn: all once in HEARTBEAT_S, or in POLL_S while Redis is
away. So neither has each stream a timer, nor do all wake together."""

SUBSCRIBE_AGAIN_S = 1.0
"""Seconds after a lost subscription, or one that could not be made, until the next."""

MAX_STREAMS = 10_000
"""Streams of one process; further pages poll instead."""

MAX_STREAMS_PER_OWNER = 100
"""Of one address or account; of one process as well, so that WEB_WORKERS times as many can be open on a host. Enough
for an office behind one address, and one client can't use up a process."""

FULL_RETRY_S = 30
"""How long a page that got no stream waits before it tries again; until then it polls."""

MAX_REMEMBERED = 20_000
"""Topics of which a process remembers when they changed last."""

CLOCKS_DIFFER = timedelta(seconds=0.5)
"""The most by which the clocks of two hosts of a deployment are apart."""

OPENED = metrics.counter("swap_pay_checkout_streams_opened", "Event streams of open pages that began")
CLOSED = metrics.counter("swap_pay_checkout_streams_closed", "Event streams of open pages that ended")
"""The number of open streams is the difference. Counters can be added up over processes, also after one has ended."""


class Place:
    """One counted stream of an address or account."""

    __slots__ = ("_hub", "_owner")

    def __init__(self, hub: "LiveHub", owner: str) -> None:
        self._hub: LiveHub | None = hub
        self._owner = owner

    def release(self) -> None:
        """Count it no more. More than once is as once."""
        if self._hub is not None:
            self._hub.count(self._owner, -1)
            self._hub = None


class LiveHub:
    """Passes one process's Redis notices to the open streams."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, set[EventStream]] = defaultdict(set)
        self._slots: tuple[set[EventStream], ...] = tuple(set() for _ in range(SLOTS))
        self._slot = 0
        self._counted_by_owner: Counter[str] = Counter()
        self._counted = 0
        self._changed_at: OrderedDict[str, datetime] = OrderedDict()
        self._versions: Counter[str] = Counter()
        self._remembers_since: datetime | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._hears_redis = False
        self._closing = False

    def take_place(self, scope: Any, owner: str) -> None:
        """Count the stream that a request asks for, of an address or account. Its route has the middleware `counted`.

        It is counted before it begins, so that two can't both be the last one, and until its request ends, even if the
        stream never began. Raises IP_RATE_LIMITED if there are too many.
        """
        if self._counted >= MAX_STREAMS or self._counted_by_owner[owner] >= MAX_STREAMS_PER_OWNER:
            message = "too many open pages; this one polls instead"
            raise ApiError(Code.IP_RATE_LIMITED, message, retry_after_s=FULL_RETRY_S)
        self.count(owner, 1)
        scope["state"][PLACE] = Place(self, owner)

    def count(self, owner: str, change: int) -> None:
        """One stream more or less."""
        self._counted += change
        self._counted_by_owner[owner] += change
        if not self._counted_by_owner[owner]:
            del self._counted_by_owner[owner]

    def version(self, topic: str) -> int | None:
        """A number that changes with each notice of this topic; None while notices may be missed."""
        return self._versions[topic] if self._hears_redis else None

    def open(self) -> None:
        """Subscribe to Redis."""
        self._tasks = [
            asyncio.create_task(self._listen(), name="live-hub"),
            asyncio.create_task(self._turn(), name="live-heartbeats"),
        ]

    def end_streams(self) -> None:
        """End every stream, later ones too, so that the process can stop."""
        self._closing = True
        for stream in self._open_streams():
            stream.end()

    async def close(self) -> None:
        """End every stream and the subscription."""
        self.end_streams()
        await cancelling.end(*self._tasks)

    def stream(
        self,
        names: Mapping[str, str],
        *,
        since: datetime | None = None,
        rights: Collection[str] = (),
        may_go_on: MayGoOn | None = None,
        contents: Contents[Any] | None = None,
        shows: Hashable = None,
    ) -> EventStream:
        """The stream of one open page, each of whose events names what changed; or with `contents`, gives the page what
        it shows now, which `shows` says.

        `names` is the page's own name of each topic that it follows; `since` is when it read the facts that it shows:
        what changed between then and now, the first event tells. `may_go_on` is asked about every CHECK_S and whenever
        a topic among `rights` changes; the stream ends when it says no. It ends at once when the client disconnects.
        """
        return EventStream(self, names, since=since, rights=rights, may_go_on=may_go_on, contents=contents, shows=shows)

    # --- What streams say ----------------------------------------------------------------------------------

    def add(self, stream: EventStream, since: datetime | None) -> None:
        """A stream begins."""
        for topic in (*stream.names, *stream.rights):
            self._streams[topic].add(stream)
        stream.slot = self._slot  # the one that was just woken: a whole turn until its first heartbeat
        self._slots[stream.slot].add(stream)
        OPENED.inc()
        if self._closing:
            stream.end()
        elif since is not None:
            self._catch_up(stream, since - CLOCKS_DIFFER)

    def forget(self, stream: EventStream) -> None:
        """A stream has ended. More than once is as once."""
        if stream not in self._slots[stream.slot]:
            return
        self._slots[stream.slot].discard(stream)
        for topic in (*stream.names, *stream.rights):
            self._streams[topic].discard(stream)
            if not self._streams[topic]:
                del self._streams[topic]
        CLOSED.inc()

    def _catch_up(self, stream: EventStream, since: datetime) -> None:
        if self._remembers_since is None or since < self._remembers_since:
            stream.hear_all()
            return
        for topic in stream.names:
            at = self._changed_at.get(topic)
            if at is not None and at >= since:
                stream.hear(topic)

    # --- What it hears -------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Wake the slots in turn."""
        while not self._closing:
            await asyncio.sleep((HEARTBEAT_S if self._hears_redis else POLL_S) / SLOTS)
            self._slot = (self._slot + 1) % SLOTS
            for stream in list(self._slots[self._slot]):
                if self._hears_redis:
                    stream.wake()
                else:
                    stream.hear_all()

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
                self._tell_all()  # from now on each stream polls
            if not self._closing:
                await asyncio.sleep(SUBSCRIBE_AGAIN_S)

    def _begin_hearing(self) -> None:
        self._hears_redis = True
        self._changed_at.clear()
        self._versions.clear()
        self._remembers_since = clock.now()
        self._tell_all()  # what was published while nobody listened

    def _hear(self, topics: Iterable[str]) -> None:
        now = clock.now()
        for topic in topics:
            self._changed_at[topic] = now
            self._versions[topic] += 1
            self._changed_at.move_to_end(topic)
            for stream in self._streams.get(topic, ()):
                stream.hear(topic)

        while len(self._changed_at) > MAX_REMEMBERED:
            topic, self._remembers_since = self._changed_at.popitem(last=False)
            del self._versions[topic]

    def _tell_all(self) -> None:
        for stream in self._open_streams():
            stream.hear_all()

    def _open_streams(self) -> list[EventStream]:
        return [stream for slot in self._slots for stream in slot]
