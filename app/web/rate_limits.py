"""Limits on requests per minute, exact at any concurrency: counted in Redis for all processes together.

A window opens with the first request and lasts a minute, or as long as the limit says. A script counts, so no two
requests can both take the last place. Requests that come together share a round trip.

While Redis is away each process counts for itself. It notices quickly, tries Redis again only now and then, and no
request waits meanwhile (core/redis.py).
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from app.core import clock, metrics, redis
from app.core.batching import Batcher
from app.core.errors import ApiError, Code

WINDOW_S = 60
"""Limits are per minute (contract, section 2), unless they say otherwise."""

MAX_BATCH = 200
"""Requests counted by one call, so that the script never blocks Redis for long."""

MAX_LOCAL_WINDOWS = 100_000
"""Open windows that a process remembers on its own: some 10 MB, more than the keys that one process serves."""

# KEYS in one slot (the braces), so that a Redis cluster can run it too. ARGV: of each key the number of requests, and
# the length of its window in milliseconds.
_COUNT = """
local counted = {}
for place, key in ipairs(KEYS) do
    local used = redis.call('INCRBY', key, ARGV[2 * place - 1])
    local left_ms = redis.call('PTTL', key)
    if left_ms < 0 then
        left_ms = tonumber(ARGV[2 * place])
        redis.call('PEXPIRE', key, left_ms)
    end
    counted[2 * place - 1] = used
    counted[2 * place] = left_ms
end
return counted
"""

_COUNT_DIGEST = hashlib.sha1(_COUNT.encode(), usedforsecurity=False).hexdigest()
"""The script's name in Redis."""

FALLBACKS = metrics.counter(
    "swap_pay_rate_limit_fallbacks", "Requests counted by one process only, because Redis was away"
)


class Window(NamedTuple):
    """A caller's state after this request: `used` of `limit`; the window ends in `reset_s` seconds."""

    limit: int
    used: int
    reset_s: int

    @property
    def remaining(self) -> int:
        """Requests that are left in this window."""
        return max(0, self.limit - self.used)

    @property
    def is_exceeded(self) -> bool:
        """Whether this request is one too many."""
        return self.used > self.limit

    def headers(self) -> list[tuple[bytes, bytes]]:
        """`RateLimit-Limit`, `-Remaining` and `-Reset` (seconds), as the contract names them."""
        return [
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset_s),
        ]


class RateLimiter:
    """Counts for one process, together with all others on the same Redis. One per event loop."""

    def __init__(self) -> None:
        self._counts = Batcher(self._count_all, max_batch=MAX_BATCH, max_in_flight=1)
        self._local: dict[str, tuple[int, float]] = {}

    async def take(self, subject: str, limit: int, *, window_s: int = WINDOW_S) -> Window:
        """Count one request of `subject` (such as `key:…`) against `limit` in a window. Refused ones count too.

        Raises ValueError for a limit below one, which would be no limit but a ban.
        """
        if limit < 1:
            raise ValueError(f"a rate limit must be at least 1, not {limit}")
        if redis.is_trusted():
            used, left_ms = await self._counts.ask((subject, window_s))
            if used:
                return Window(limit, used, max(1, math.ceil(left_ms / 1000)))
        return self._take_locally(subject, limit, window_s)

    async def _count_all(self, subjects: list[tuple[str, int]]) -> list[tuple[int, int]]:
        """Requests used and milliseconds left of each subject's window, which has so many seconds; zeros while Redis is
        away."""
        requests = Counter(subjects)
        try:
            counted = await redis.ask(partial(_counted, requests=requests))
        except redis.RedisAway:
            return [(0, 0)] * len(subjects)
        windows = dict(zip(requests, zip(counted[::2], counted[1::2], strict=True), strict=True))
        answers = []
        for one in reversed(subjects):  # the last of the requests of a subject is the one that made its count
            used, left_ms = windows[one]
            answers.append((used, left_ms))
            windows[one] = used - 1, left_ms
        return answers[::-1]

    def _take_locally(self, subject: str, limit: int, window_s: int) -> Window:
        FALLBACKS.inc()
        now_s = clock.monotonic_s()
        used, ends_s = self._local.get(subject, (0, 0.0))
        if ends_s <= now_s:
            used, ends_s = 0, now_s + window_s
            self._make_room(now_s)
        self._local[subject] = (used + 1, ends_s)
        return Window(limit, used + 1, max(1, math.ceil(ends_s - now_s)))

    def _make_room(self, now_s: float) -> None:
        if len(self._local) >= MAX_LOCAL_WINDOWS:
            self._local = {subject: window for subject, window in self._local.items() if window[1] > now_s}
        while len(self._local) >= MAX_LOCAL_WINDOWS:
            del self._local[next(iter(self._local))]


async def _counted(client: Redis, requests: Mapping[tuple[str, int], int]) -> list[int]:
    """Of each subject the requests used and the milliseconds left, one after the other."""
    keys = [f"{{rate}}:{subject}" for subject, _ in requests]
    args = [str(figure) for (_, window_s), count in requests.items() for figure in (count, window_s * 1000)]
    try:
        counted: list[int] = await client.evalsha(_COUNT_DIGEST, len(keys), *keys, *args)  # type: ignore[misc]
    except NoScriptError:  # a server that has just started
        counted = await client.eval(_COUNT, len(keys), *keys, *args)  # type: ignore[misc]
    return counted


def refuse_exceeded(window: Window, code: Code, who: str) -> None:
    """Raise `code` (RATE_LIMITED or IP_RATE_LIMITED) with `Retry-After` if this request is one too many."""
    if window.is_exceeded:
        raise ApiError(code, f"{who} has used up its {window.limit} requests per minute", retry_after_s=window.reset_s)
