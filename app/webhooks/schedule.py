"""When a failed delivery is tried again, and when it becomes dead (contract, section 6). Pure."""

from datetime import datetime, timedelta
from typing import Literal

import msgspec

DELAYS_S = (0, 30, 120, 600, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400)
"""Seconds before each attempt: at once, 30 s, 2 min, 10 min, 30 min, 1 h, 3 h, 6 h, 12 h, 24 h."""

JITTER = 0.1
"""Each delay varies by ±10 %, so that deliveries that failed together are not retried together."""

MAX_RETRY_AFTER_S = 86_400
"""The longest `Retry-After` that counts: the longest delay of the schedule."""

GONE = 410
"""The endpoint does not exist any more: by Standard Webhooks the sender stops."""

PAUSE_AFTER_FAILURES = 20
"""Failures in a row, over all events of an endpoint."""


class Verdict(msgspec.Struct, frozen=True):
    """The delivery's next state: `pending` with the time of its next attempt, `delivered` or `dead`."""

    status: Literal["pending", "delivered", "dead"]
    next_attempt_at: datetime | None


def after_attempt(
    *,
    step: int,
    status: int | None,
    retry_after_s: int | None,
    jitter: float,
    now: datetime,
) -> Verdict:
    """The delivery's state after an attempt that ended at `now`.

    `step` is how many attempts this run through the schedule has had, this one included. `status` is the HTTP
    status, None where there was no answer. `jitter` is random in [-1, 1]. The next attempt is never sooner than
    `Retry-After`, up to a day.
    """
    if status is not None and 200 <= status < 300:
        return Verdict("delivered", None)
    if status == GONE or step >= len(DELAYS_S):
        return Verdict("dead", None)
    delay_s = DELAYS_S[step] * (1 + JITTER * jitter)
    at_least_s = min(retry_after_s or 0, MAX_RETRY_AFTER_S)
    return Verdict("pending", now + timedelta(seconds=max(delay_s, at_least_s)))


def failures_in_a_row(before: int, delivered: bool) -> int:
    """The endpoint's count after one more attempt. One that is to be paused keeps its count until it is enabled."""
    if before >= PAUSE_AFTER_FAILURES:
        return before
    return 0 if delivered else before + 1
