"""The stream of server-sent events of one open page (HTML, section 9.2), as an ASGI answer.

Thousands are open at once, and nearly all of them wait. So a stream is one object that waits on one future. It has no
timer of its own: the hub wakes it for its heartbeat. And it waits outside of the layers that let its request in: they
end when its headers are sent, and the edge goes on with the stream (app/web/lasting.py).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.live.contents import Contents
from app.web import lasting
from app.web.methods import is_head

if TYPE_CHECKING:
    from app.live.hub import LiveHub, Place

STREAM_LIFE_S = 1800.0
"""A stream ends after half an hour; a page that is still open connects again."""

CHECK_S = 60.0
"""A stream of a signed-in page asks about this often whether it may go on: at the first heartbeat after that time."""

MAX_CONTENT_BYTES = 256 * 1024
"""A stream that has sent this much content ends, and its page connects again: what a client doesn't read waits in
memory, and the server can't see that it does. A payment takes a tenth of it."""

RETRY_MS = (2_000, 6_000)
"""How long a page waits after its stream broke: a random time, so that not all connect at once after a restart."""

HEARTBEAT = b": still here\n\n"
"""A comment (HTML, section 9.2.6): browsers ignore it."""

FOLLOWING = b"event: following\ndata:\n\n"
"""The first event of a stream that brings contents: what changed since its page was read will be brought too."""

ENDED = b"event: ended\ndata:\n\n"
"""The last event of a stream that may not go on."""

MayGoOn = Callable[[], Awaitable[bool]]

_HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class EventStream:
    """One open page: the names that it gives to topics, and what changed since its last event.

    `LiveHub.stream` makes it. It is the answer of its route, and an async iterator over its events.
    """

    __slots__ = (
        "_changed",
        "_check_at",
        "_contents",
        "_ends_at",
        "_given",
        "_given_bytes",
        "_has_begun",
        "_has_ended",
        "_hub",
        "_is_awake",
        "_may_go_on",
        "_place",
        "_rights_changed",
        "_since",
        "_waiter",
        "names",
        "rights",
        "shows",
        "slot",
    )

    def __init__(
        self,
        hub: "LiveHub",
        names: Mapping[str, str],
        *,
        since: datetime | None,
        rights: Collection[str],
        may_go_on: MayGoOn | None,
        contents: Contents[Any] | None,
        shows: Hashable,
    ) -> None:
        self.names = names
        self.rights = rights
        self.shows = shows
        self.slot = 0
        self._hub = hub
        self._since = since
        self._may_go_on = may_go_on
        self._contents = contents
        self._place: Place | None = None
        self._changed: dict[str, None] | None = None
        self._given: bytes | None = None
        self._given_bytes = 0
        self._rights_changed = False
        self._has_begun = self._has_ended = self._is_awake = False
        self._ends_at = self._check_at = 0.0
        self._waiter: asyncio.Future[None] | None = None

    # --- What the hub says ---------------------------------------------------------------------------------

    def hear(self, topic: str) -> None:
        """Note that a topic changed."""
        if topic in self.rights:
            self._rights_changed = True
            self.wake()
        if topic in self.names:
            self._note(self.names[topic])

    def hear_all(self) -> None:
        """Note that anything may have changed."""
        if self._may_go_on is not None:
            self._rights_changed = True
        for name in self.names.values():
            self._note(name)

    def give(self, event: bytes) -> None:
        """Send this event next, in place of one that was not sent yet."""
        self._given = event
        self.wake()

    def wake(self) -> None:
        """Let it look: it sends what changed, or a heartbeat."""
        self._is_awake = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self) -> None:
        """End the stream, before anything else is sent."""
        self._has_ended = True
        self.wake()

    def _note(self, name: str) -> None:
        if self._contents is not None:
            self._contents.want(self)
            return
        if self._changed is None:
            self._changed = {}
        self._changed[name] = None
        self.wake()

    # --- Its events ----------------------------------------------------------------------------------------

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> bytes:
        if not self._has_begun:
            self._begin()
            begun = b"retry: %d\n\n" % random.randint(*RETRY_MS)  # noqa: S311 - to spread, not to hide
            return begun if self._contents is None else begun + FOLLOWING
        if not self._is_awake:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        self._is_awake = False
        now_s = asyncio.get_running_loop().time()
        if self._has_ended or now_s >= self._ends_at or self._given_bytes > MAX_CONTENT_BYTES:
            self.close()
            raise StopAsyncIteration
        if self._may_go_on is not None and (self._rights_changed or now_s >= self._check_at):
            self._rights_changed, self._check_at = False, now_s + CHECK_S  # before: they may change meanwhile
            if not await self._may_go_on():
                self.end()
                return ENDED
        return self._event()

    def _begin(self) -> None:
        self._has_begun = True
        now_s = asyncio.get_running_loop().time()
        self._ends_at, self._check_at = now_s + STREAM_LIFE_S, now_s + CHECK_S
        self._hub.add(self, self._since)

    def _event(self) -> bytes:
        """What changed, which is forgotten; a heartbeat where nothing did, or where its content is still being made."""
        if self._changed is not None:
            names, self._changed = " ".join(self._changed), None
            return f"event: changed\ndata: {names}\n\n".encode()
        if self._given is not None:
            event, self._given = self._given, None
            self._given_bytes += len(event)
            return event
        return HEARTBEAT

    def close(self) -> None:
        """Hear nothing any more. More than once is as once."""
        self._has_ended = True
        if self._has_begun:
            self._hub.forget(self)
        if self._place is not None:
            self._place.release()

    # --- As an answer --------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the headers. The stream itself goes on when the request's layers have ended."""
        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        if not is_head(scope):
            self._place = scope["state"].get(PLACE)
            scope["state"][lasting.LASTING] = self._run

    async def _run(self, receive: Any, send: Any) -> None:
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: self.end())
        try:
            async for event in self:
                await send({"type": "http.response.body", "body": event, "more_body": True})
            if not leaving.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self.close()
            leaving.cancel()


PLACE = "live_place"
"""Where the scope's state holds the place that a stream was counted at."""


def counted(app: Any) -> Any:
    """Middleware of a stream's route: the place that its handler has taken is free again when the request ends without
    a stream. A stream frees it at its own end."""

    async def call(scope: Any, receive: Any, send: Any) -> None:
        state = scope["state"]
        try:
            await app(scope, receive, send)
        finally:
            if PLACE in state and lasting.LASTING not in state:
                state[PLACE].release()

    return call


async def _left(receive: Any) -> None:
    """Until the client has disconnected, in whatever way."""
    with suppress(ConnectionError, RuntimeError):
        while (await receive())["type"] != "http.disconnect":
            pass
