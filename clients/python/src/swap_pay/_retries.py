"""When a request is sent again, and after how long. Pure: no network, no clock."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

REPEATABLE = frozenset({"GET", "PATCH", "DELETE"})
"""Methods that do the same when they come twice. A POST does so only with an idempotency key."""

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""502 and 504 come from a proxy whose gateway is being restarted."""


@dataclass(frozen=True)
class Retries:
    """How often and how long a call is tried.

    `attempts` counts the first one: 1 means that nothing is repeated. No attempt begins later than `total_s` after the
    first. Where the gateway says how long to wait (`Retry-After`), that is obeyed, or the error is raised at once if it
    takes too long; else the pause doubles from `first_pause_s` to `longest_pause_s`, a random part off.
    """

    attempts: int = 4
    total_s: float = 60.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 10.0

    def pause_s(self, attempt: int, elapsed_s: float, retry_after_s: float | None) -> float | None:
        """How long to wait before another attempt; None: there is none. `attempt` of them were made, 1 or more."""
        if attempt >= self.attempts:
            return None
        backoff_s = min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1)) * random.uniform(0.5, 1)  # noqa: S311
        pause_s = backoff_s if retry_after_s is None else retry_after_s
        return None if elapsed_s + pause_s > self.total_s else pause_s


def may_repeat(request: Mapping[str, object]) -> bool:
    """Whether sending a request twice does no more than sending it once."""
    headers = request.get("headers")
    has_key = isinstance(headers, Mapping) and "Idempotency-Key" in headers
    return request["method"] in REPEATABLE or has_key


def is_passing(status: int, code: str | None) -> bool:
    """Whether an error may be gone when the request comes again."""
    return status in RETRIED_STATUSES or code == "IDEMPOTENCY_IN_PROGRESS"


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """The seconds of a `Retry-After` header, which has seconds or a date; None where it has neither."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)
    return max(0.0, (at - (now or datetime.now(timezone.utc))).total_seconds())
