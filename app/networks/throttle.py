"""How often a node may be asked, where its provider counts.

Providers count the requests of all processes together and stop answering whoever sends too many. So processes share
two facts about each node: when the next request may be sent, and until when none may.
"""

import asyncio
from typing import NamedTuple, Protocol

from app.core import clock, redis

MAX_REST_S = 3_600.0

ASK_AGAIN_S = 1.0
"""How often it is looked up whether another process has met a limit, where requests are not counted."""


class Turn(NamedTuple):
    """When a request may be sent: after `wait_s`. Where `rest_s` is not 0, not for so long: nothing was reserved."""

    wait_s: float
    rest_s: float = 0.0


class Throttle(Protocol):
    """Counts requests to nodes. `subject` names what is counted together: a node, and whose key it is asked with."""

    async def turn(self, subject: str, per_second: int | None) -> Turn:
        """Reserve a request: of those of a subject, at most `per_second` are sent in any second; None is no limit."""
        ...

    async def rest(self, subject: str, rest_s: float) -> None:
        """Send nothing more to a subject for so long. It never ends a longer rest."""
        ...


class LocalThrottle:
    """`Throttle` of one process alone."""

    def __init__(self) -> None:
        self._next_s: dict[str, float] = {}
        self._rests_until_s: dict[str, float] = {}

    async def turn(self, subject: str, per_second: int | None) -> Turn:
        now_s = clock.monotonic_s()
        rest_s = self._rests_until_s.get(subject, 0.0) - now_s
        if rest_s > 0:
            return Turn(0.0, rest_s)
        if per_second is None:
            return Turn(wait_s=0.0)
        at_s = max(now_s, self._next_s.get(subject, 0.0))
        self._next_s[subject] = at_s + 1 / per_second
        return Turn(at_s - now_s)

    async def rest(self, subject: str, rest_s: float) -> None:
        until_s = clock.monotonic_s() + min(rest_s, MAX_REST_S)
        self._rests_until_s[subject] = max(until_s, self._rests_until_s.get(subject, 0.0))


# Both keys of a subject are in one slot (the braces), so that a Redis cluster can run the scripts too. Times are those
# of Redis, in microseconds.
_TURN = """
local rest_ms = redis.call('PTTL', KEYS[2])
if rest_ms > 0 then
    return {0, rest_ms}
end
local step = tonumber(ARGV[1])
if step == 0 then
    return {0, 0}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or '0'))
redis.call('SET', KEYS[1], string.format('%.0f', at + step), 'PX', math.ceil((at + step - now) / 1000) + 1)
return {at - now, 0}
"""

_REST = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then
    redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
return 1
"""

_US = 1_000_000


class SharedThrottle:
    """`Throttle` of all processes on this process's Redis; while that is away, of one process alone."""

    def __init__(self) -> None:
        self._local = LocalThrottle()
        self._asked_s: dict[str, float] = {}

    async def turn(self, subject: str, per_second: int | None) -> Turn:
        now_s = clock.monotonic_s()
        if per_second is None and now_s - self._asked_s.get(subject, -ASK_AGAIN_S) < ASK_AGAIN_S:
            return await self._local.turn(subject, None)
        self._asked_s[subject] = now_s
        step_us = 0 if per_second is None else _US // per_second
        try:
            wait_us, rest_ms = await redis.ask(
                lambda client: client.register_script(_TURN)(keys=_keys(subject), args=[step_us])
            )
        except redis.RedisAway:
            return await self._local.turn(subject, per_second)
        if rest_ms:
            await self._local.rest(subject, int(rest_ms) / 1000)
        return Turn(int(wait_us) / _US, int(rest_ms) / 1000)

    async def rest(self, subject: str, rest_s: float) -> None:
        await self._local.rest(subject, rest_s)
        rest_ms = max(1, round(min(rest_s, MAX_REST_S) * 1000))
        try:
            await redis.ask(lambda client: client.register_script(_REST)(keys=_keys(subject)[1:], args=[rest_ms]))
        except redis.RedisAway:
            return


async def wait_for_turn(throttle: Throttle, subject: str, per_second: int | None) -> Turn:
    """Reserve a request and wait until it may be sent; return at once where none may be for a while (`rest_s`)."""
    turn = await throttle.turn(subject, per_second)
    if turn.wait_s:
        await asyncio.sleep(turn.wait_s)
    return turn


def _keys(subject: str) -> list[str]:
    return [f"{{throttle:{subject}}}:next", f"{{throttle:{subject}}}:rest"]
