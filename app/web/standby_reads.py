"""Which requests may read from a standby, and what each reader must find there.

A route declares it: `opt=needs(…) | FROM_STANDBY`. Only what is read in bulk does: lists, searches, reports, exports.
Never what decides about money, a write or a right. Who is signed in, which key it is and what they may do is read on
the primary before.

Two readers would notice that a standby is behind:

- A person, who has just written or seen something. Every page that was read from the primary carries its time in a
  cookie, and what is read afterwards is as new as that, on whichever host. A page that reads itself again, because it
  was told of a change, reads from the primary.
- A merchant's server, which lists what it has just created. Its writes are noted for all its keys, in this process and
  in Redis. While Redis is away its lists are read from the primary.

`StandbyReads` is only there where a standby is configured: without one a request costs what it did before.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from redis.asyncio import Redis

from app.core import clock, reading, redis, standby
from app.core.redis import RedisAway

OPT = "reads_standby"
"""Where a route's `opt` holds its declaration."""


def from_standby(*, unless: Sequence[str] = ()) -> dict[str, Any]:
    """A route's `opt`: its handler may read from a standby; not where the query has one of the parameters `unless`,
    which make of a list a question about one thing."""
    return {OPT: frozenset(unless)}


FROM_STANDBY = from_standby()
"""A route's `opt`: its handler may read from a standby."""

SEEN = "__Host-swap_pay_seen"
"""The cookie with the time until which a browser has seen what there was, in milliseconds. It gives no right."""

KEPT = timedelta(minutes=2)
"""How long it is kept until when somebody has seen or written. No standby is used that is further behind: the setting
allows a minute."""

COVERS = timedelta(seconds=1)
"""A note of a write covers the writes of the next second too, so that a merchant who writes all the time costs one
question to Redis a second and process."""

MOST_WRITERS = 10_000
"""Merchants whose last write a process remembers."""

LIVE_PARTS = b"x-live-parts"
"""The header by which an open page reads itself again (static/js/live.js)."""

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_LONGEST_TIME = 15


class StandbyReads:
    """A layer around the app: each request is a unit of reading (core/reading.py), and its answer says until when its
    reader has seen. Guards leave `principal` or `visitor` in the scope's state."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with reading.unit() as unit:

            async def send_noted(message: Any) -> None:
                if message["type"] == "http.response.start":
                    await _note(scope, unit)
                await send(message)

            await self._app(scope, receive, send_noted)


async def _note(scope: Any, unit: reading.Unit) -> None:
    """Note what the reader has written or seen by now, before they can ask for it."""
    state = scope["state"]
    principal = state.get("principal")
    if principal is not None:
        if scope["method"] not in _SAFE_METHODS:
            await writes.note(_writer(principal), clock.now())
    elif state.get("visitor") is not None and not unit.was_all_from_standby:
        cookie = f"{SEEN}={_milliseconds(clock.now())}; Path=/; Secure; HttpOnly; SameSite=Lax"
        cookie += f"; Max-Age={int(KEPT.total_seconds())}"
        state.setdefault("cookies", []).append(cookie.encode())


async def allow_key(opt: Mapping[str, Any], principal: Any, parameters: Collection[str]) -> None:
    """Let the handler of a key's request read from a standby. Its route declares it; `parameters` are in its query."""
    if reading.current() is None or not opt[OPT].isdisjoint(parameters):
        return
    writer = _writer(principal)
    with suppress(RedisAway):
        standby.allow(writer, await writes.last(writer) if standby.is_any_usable() else None)


def allow_visitor(request: Any, opt: Mapping[str, Any]) -> None:
    """Let the handler of a signed-in person's request read from a standby, if its route's `opt` declares it.

    What an open page must be told of begins with the time of the standby's data, not with that of the request.
    """
    if OPT not in opt or reading.current() is None or _is_told(request.scope["headers"]):
        return
    state = request.scope["state"]
    chosen = standby.allow(state["visitor"].session.id, _time_in(request.cookies.get(SEEN, "")))
    if chosen is not None and chosen.fresh_at is not None:
        state["read_at"] = min(state.get("read_at", 0), _milliseconds(chosen.fresh_at))


class Writes:
    """When merchants last wrote through the API: one memory of a process, and Redis for all."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, tuple[datetime, bool]] = OrderedDict()

    async def note(self, writer: str, now: datetime) -> None:
        """Note a write that was committed until now. Never raises: what Redis was not told, this process knows."""
        until, is_shared = self._last.get(writer, (now, False))
        if is_shared and now < until <= now + COVERS:
            return
        until, is_shared = now + COVERS, True
        try:
            await redis.ask(partial(_store, writer=writer, until=until))
        except RedisAway:
            is_shared = False
        self._last[writer] = until, is_shared
        self._last.move_to_end(writer)
        if len(self._last) > MOST_WRITERS:
            self._last.popitem(last=False)

    async def last(self, writer: str) -> datetime | None:
        """Until when the writer has written on any host; None if not lately. Raises RedisAway."""
        stored = await redis.ask(partial(_stored, writer=writer))
        known = self._last.get(writer)
        if known is None:
            return stored
        return known[0] if stored is None else max(stored, known[0])


writes = Writes()
"""Those of this process."""


async def _store(client: Redis, writer: str, until: datetime) -> None:
    await client.set(_key(writer), _milliseconds(until), px=int(KEPT.total_seconds() * 1000))


async def _stored(client: Redis, writer: str) -> datetime | None:
    text = await client.get(_key(writer))
    return None if text is None else _time_in(text.decode())


def _key(writer: str) -> str:
    return f"wrote:{writer}"


def _writer(principal: Any) -> str:
    return f"{principal.merchant_id}/{principal.mode}"


def _is_told(headers: Any) -> bool:
    return any(name == LIVE_PARTS for name, _ in headers)


def _milliseconds(moment: datetime) -> int:
    """Since 1970, rounded up: what is noted is never earlier than it was."""
    return -int(-moment.timestamp() * 1000 // 1)


def _time_in(text: str) -> datetime | None:
    """The time in a cookie or in Redis; None where there is none. Whoever forges it reads from the primary, or may miss
    what they wrote."""
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_TIME:
        return None
    try:
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
