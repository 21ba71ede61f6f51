"""How many API requests a process works on at once; the others wait for a place, and soon get 503.

Without a limit a thousand requests at once would share the event loop: each would take a thousand times its work, and
clients would give up before their answers, which then are made for nobody. With it those that are worked on are
answered as fast as ever. The others wait in the order of their arrival for up to LONGEST_WAIT_S, and are then told when
to come back. Waiting costs nothing, and a client that tries again at once can't do so more often.

The place is taken before the key is checked, so that a refusal is cheap. It is free while a body is read
(`beside_work`) and from the answer's beginning on, so that slow clients hold no places.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from app.core import metrics
from app.core.errors import ApiError, Code
from app.web.headers import is_api

AT_ONCE = 256
"""API requests that a process works on at once: eight full statements of new invoices (app/invoices), half a second of
work on one core. More would only make all of them slower; fewer would refuse what can be answered within a second."""

LONGEST_WAIT_S = 0.7
"""Until a request without a place is refused. Contract: an overload is answered within a second."""

MOST_WAITING = 2_000
"""Requests that wait for a place. What comes then is refused at once."""

REFUSAL_EVERY_S = 0.005
"""The least time between two refusals, after which the others wait a little longer. A refusal costs a quarter of a
creation: clients that come again at once must not make the process do nothing else."""

RETRY_AFTER_S = 1

REFUSED = metrics.counter("swap_pay_requests_refused_busy", "API requests refused because too many were there at once")

STATE = "admission"


class Admission:
    """The layer that gives places, one per process."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._working = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._next_refusal_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, one of the API once it has a place. Raises UNAVAILABLE where none is free in time."""
        if scope["type"] != "http" or not is_api(scope["path"]):
            await self._app(scope, receive, send)
            return
        await self._take_place()
        is_working = True

        async def sending(message: Any) -> None:
            nonlocal is_working
            if is_working and message["type"] == "http.response.start":
                is_working = False
                self._leave_place()
            await send(message)

        scope["state"][STATE] = self
        try:
            await self._app(scope, receive, sending)
        finally:
            if is_working:
                self._leave_place()

    @contextmanager
    def beside_work(self) -> Iterator[None]:
        """Inside, the caller has no place, since it only waits for its client. It has one again afterwards, even if
        that is one too many for a moment."""
        self._leave_place()
        try:
            yield
        finally:
            self._working += 1

    async def _take_place(self) -> None:
        if self._working < AT_ONCE and not self._waiting:
            self._working += 1
            return
        if len(self._waiting) >= MOST_WAITING:
            raise _too_busy()
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        self._waiting.append(place)
        timer = loop.call_later(LONGEST_WAIT_S, self._refuse_in_turn, place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                with suppress(ValueError):  # it is no longer there where a place was just passed over it
                    self._waiting.remove(place)
            elif place.exception() is None:  # it was given in the same step
                self._leave_place()
            raise
        finally:
            timer.cancel()

    def _refuse_in_turn(self, place: asyncio.Future[None]) -> None:
        if not place.done():
            loop = place.get_loop()
            self._next_refusal_at = max(loop.time(), self._next_refusal_at + REFUSAL_EVERY_S)
            loop.call_at(self._next_refusal_at, self._refuse, place)

    def _refuse(self, place: asyncio.Future[None]) -> None:
        if not place.done():
            self._waiting.remove(place)
            place.set_exception(_too_busy())

    def _leave_place(self) -> None:
        self._working -= 1
        while self._waiting and self._working < AT_ONCE:
            place = self._waiting.popleft()
            if not place.done():
                self._working += 1
                place.set_result(None)


def _too_busy() -> ApiError:
    REFUSED.inc()
    return ApiError(Code.UNAVAILABLE, "too many requests at once", retry_after_s=RETRY_AFTER_S)
