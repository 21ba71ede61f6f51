"""Hot standbys of the database, for reading in bulk: which of them may be asked, and from which moment their data is.

Each process watches each standby. Twice a second it notes the time, asks the primary how far its WAL is, and asks the
standby how far it has replayed. As soon as the standby is there, its data is known to be at least as new as that time:
`fresh_at`. So a reader can be told whether what was committed before a certain moment can be seen, without a word from
whoever committed it.

A standby is not asked while it is away, is promoted, belongs to another cluster, follows another primary's history, or
is `max_lag_s` behind. What is asked then, and what fails there, the primary answers (core/database.py).
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import asyncpg
from asyncpg.exceptions import ReadOnlySQLTransactionError
from asyncpg.exceptions._base import InterfaceError, PostgresError

from app.core import clock, connecting, metrics, reading, waiting, wal_repository
from app.core.connecting import STATEMENT_CACHE_SIZE, server_settings
from app.core.logging import get_logger
from app.core.waiting import DatabaseUnavailable
from app.core.wal_repository import Place

log = get_logger(__name__)

LOOK_EVERY_S = 0.5
"""Between two looks at a standby."""

LOOK_LIMIT_S = 1.0
"""A standby that does not answer the question for its place so long is away."""

CONNECTION_LIMIT_S = 1.0
"""For a connection of the pool; then the primary is asked."""

MOST_PLACES = 1_000
"""Places of the primary that a standby has not reached yet, and that are remembered: eight minutes."""

CLOCKS_DIFFER = timedelta(seconds=0.5)
"""The most by which the clocks of two hosts of a deployment are apart."""

CLOSE_TIMEOUT_S = 5.0

Reason = Literal["away", "a primary", "of another cluster", "of another history", "starting"]

READS = metrics.counter(
    "swap_pay_standby_reads", "Requests and steps of jobs that may read from a standby, by what they read", ["server"]
)
"""`standby`; or `primary`, with why: `primary_unseen` for a reader who has seen or written something newer,
`primary_unusable` while no standby may be asked, `primary_again` where a statement failed on the standby."""

PlaceOfPrimary = Callable[[], Awaitable[Place]]


class Standby:
    """One server that this process may read from."""

    def __init__(self, dsn: str, *, pool_size: int, max_lag_s: float, primary: PlaceOfPrimary) -> None:
        self._dsn = dsn
        self._pool_size = pool_size
        self.max_lag_s = max_lag_s
        """How far behind it may be asked."""
        self._primary = primary
        self.name = urlsplit(dsn).netloc.rpartition("@")[2]
        self.reason: Reason | None = "starting"
        """Why it may not be asked, whatever its lag; None if it may."""
        self.fresh_at: datetime | None = None
        """What was committed before this moment can be seen there; by this process's clock."""
        self._fresh_s = float("-inf")
        self._reached: deque[tuple[datetime, float, Place]] = deque(maxlen=MOST_PLACES)
        self._primary_is: Place | None = None
        self._is: Place | None = None
        self._own: asyncpg.Connection | None = None
        self._pool: asyncpg.Pool | None = None
        self._watch: asyncio.Task[None] | None = None
        self._doubted = asyncio.Event()

    @property
    def is_usable(self) -> bool:
        """Whether it may be asked now."""
        return self.reason is None and not self._doubted.is_set() and self.lag_s <= self.max_lag_s

    @property
    def lag_s(self) -> float:
        """How old its data may be, in seconds, as far as this process knows; infinite before that is known."""
        return clock.monotonic_s() - self._fresh_s

    @property
    def pool(self) -> Any:
        """Its connections, while it is usable."""
        return self._pool

    def can_show(self, moment: datetime | None) -> bool:
        """Whether everything that any host committed before `moment` can be seen there."""
        return moment is None or (self.fresh_at is not None and self.fresh_at - CLOCKS_DIFFER >= moment)

    def failed(self, error: Exception) -> None:
        """Note that a statement failed there. Where the server or the connection is at fault, and not a statement that
        writes, nobody asks it again before the next look at it."""
        READS.labels("primary_again").inc()
        log.info("standby_read_failed", server=self.name, error=str(error) or type(error).__name__)
        if isinstance(error, DatabaseUnavailable) and not isinstance(error.__cause__, ReadOnlySQLTransactionError):
            self._doubted.set()

    def open(self) -> None:
        """Begin to watch it."""
        self._watch = asyncio.create_task(self._keep_looking(), name=f"standby {self.name}")

    async def close(self) -> None:
        """Stop watching it, and close the connections."""
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        self._drop_own()
        pool, self._pool = self._pool, None
        if pool is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await pool.close()

    async def _keep_looking(self) -> None:
        while True:
            before = self.reason
            try:
                await self._look()
            except (*waiting.UNAVAILABLE_ERRORS, InterfaceError, PostgresError) as error:
                self._leave("away", str(error) or type(error).__name__)
            except Exception:  # whatever it is: the watch must go on
                log.exception("standby_look_failed", server=self.name)
                self._leave("away", "see above")
            if before is not None and self.reason is None:
                log.info("standby_used", server=self.name)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._doubted.wait()
                    await asyncio.sleep(LOOK_EVERY_S / 10)  # so that doubts don't become a loop without a pause

    async def _look(self) -> None:
        await self._note_primary()
        async with asyncio.timeout(LOOK_LIMIT_S):
            if self._own is None or self._own.is_closed():
                self._own = await connecting.connect(
                    self._dsn, server="any", server_settings=_settings(), statement_cache_size=STATEMENT_CACHE_SIZE
                )
            self._is = await wal_repository.place(self._own.fetchrow)
        reason = self._fault_of(self._is)
        if reason is not None:
            self._leave(reason)
            return
        while self._reached and self._reached[0][2].position <= self._is.position:
            self.fresh_at, self._fresh_s, _ = self._reached.popleft()
        if self._pool is None:
            self._pool = await self._new_pool()
        self.reason = None
        self._doubted.clear()

    async def _note_primary(self) -> None:
        """Remember where the primary is now. While it does not answer, the standby only grows older."""
        at, at_s = clock.now(), clock.monotonic_s()
        try:
            async with asyncio.timeout(LOOK_LIMIT_S):
                place = await self._primary()
        except (TimeoutError, DatabaseUnavailable):
            return
        if self._primary_is is None or place.timeline != self._primary_is.timeline:
            self._reached.clear()  # places of another history
        self._primary_is = place
        self._reached.append((at, at_s, place))

    def _fault_of(self, place: Place) -> Reason | None:
        primary = self._primary_is
        if not place.is_standby:
            return "a primary"
        if primary is None:
            return "starting"
        if place.system != primary.system:
            return "of another cluster"
        if place.timeline < primary.timeline:  # what it has replayed since the promotion, the new primary may not have
            return "of another history"
        return None

    async def _new_pool(self) -> asyncpg.Pool:
        pool: asyncpg.Pool = await asyncpg.create_pool(
            self._dsn,
            min_size=0,
            max_size=self._pool_size,
            connect=self._connect,
            reset=_leave_as_it_is,
            command_timeout=waiting.WORKER_LIMIT_S,
            statement_cache_size=STATEMENT_CACHE_SIZE,
            server_settings=_settings(),
        )
        return pool

    async def _connect(self, dsn: str, **options: Any) -> asyncpg.Connection:
        """A connection to the server that was looked at: a balancer in between may have others behind it."""
        connection = await connecting.connect(dsn, server="standby", **options)
        place = await wal_repository.place(connection.fetchrow)
        if self._is is None or place.started_at != self._is.started_at:
            connection.terminate()
            raise DatabaseUnavailable("another server than the one that was looked at")
        return connection

    def _leave(self, reason: Reason, error: str = "") -> None:
        """Ask it nothing more. Statements that wait for it are asked of the primary at once."""
        if self.reason != reason:
            say = log.info if reason in ("a primary", "starting") else log.warning
            say("standby_left", server=self.name, reason=reason, error=error)
        self.reason = reason
        self._doubted.clear()
        if reason == "away":
            self._drop_own()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    def _drop_own(self) -> None:
        own, self._own = self._own, None
        if own is not None and not own.is_closed():
            own.terminate()


_standbys: list[Standby] = []


def open_standbys(url: str, *, pool_size: int, max_lag_s: float, primary: PlaceOfPrimary) -> None:
    """Watch each host of `url` from now on, with at most `pool_size` connections to each. Needs none of them to be
    there. `primary` says where the primary is, and raises DatabaseUnavailable."""
    for dsn in sorted(connecting.hosts(url)):  # in the same order in every process
        one = Standby(dsn, pool_size=pool_size, max_lag_s=max_lag_s, primary=primary)
        _standbys.append(one)
        one.open()


async def close_standbys() -> None:
    """Watch and ask none of them any more."""
    while _standbys:
        await _standbys.pop().close()


def standbys() -> Sequence[Standby]:
    """Every standby that this process knows, usable or not."""
    return _standbys


def is_any_usable() -> bool:
    """Whether there is a standby that may be asked now."""
    return any(one.is_usable for one in _standbys)


def allow(reader: str, seen_until: datetime | None) -> Standby | None:
    """Let the current unit (core/reading.py) read from a standby, if one may be asked that shows all that was committed
    before `seen_until`. Returns it; None if the unit reads from the primary.

    A reader reads from the same standby each time, while that one is usable: two are rarely equally far.
    """
    unit = reading.current()
    if unit is None or not _standbys:
        return None
    usable = [one for one in _standbys if one.is_usable]
    able = [one for one in usable if one.can_show(seen_until)]
    if not able:
        READS.labels("primary_unseen" if usable else "primary_unusable").inc()
        return None
    chosen = able[zlib.crc32(reader.encode()) % len(able)]
    READS.labels("standby").inc()
    unit.allow(chosen)
    return chosen


@contextmanager
def may_be_read(reader: str, seen_until: datetime | None) -> Iterator[None]:
    """A unit of work that may read from a standby, where this process knows one: see `allow`. For jobs, which have no
    request. It may open no transaction."""
    with reading.unit():
        allow(reader, seen_until)
        yield


def _settings() -> dict[str, str]:
    """Parameters of each session: nothing is written there, also if it has just become a primary."""
    return {**server_settings(), "application_name": "swap-pay reading", "default_transaction_read_only": "on"}


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """Do nothing, as in core/database.py."""
