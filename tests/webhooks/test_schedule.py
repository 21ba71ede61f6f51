"""The retry schedule of the contract."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks import schedule

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = 3600
STEPS_S = [30, 120, 600, 1800, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR]


def delay_s(step: int, *, jitter: float = 0, retry_after_s: int | None = None, status: int | None = 500) -> float:
    verdict = schedule.after_attempt(step=step, status=status, retry_after_s=retry_after_s, jitter=jitter, now=NOW)
    assert verdict.status == "pending"
    assert verdict.next_attempt_at is not None
    return (verdict.next_attempt_at - NOW).total_seconds()


def test_nine_retries_after_the_first_attempt_then_dead() -> None:
    assert [delay_s(step) for step in range(1, 10)] == STEPS_S
    last = schedule.after_attempt(step=10, status=None, retry_after_s=None, jitter=0, now=NOW)
    assert last == schedule.Verdict("dead", None)


@given(step=st.integers(1, 9), jitter=st.floats(-1, 1))
def test_jitter_is_ten_per_cent(step: int, jitter: float) -> None:
    assert 0.9 * STEPS_S[step - 1] - 0.001 <= delay_s(step, jitter=jitter) <= 1.1 * STEPS_S[step - 1] + 0.001


@given(step=st.integers(1, 9), jitter=st.floats(-1, 1), asked_s=st.integers(0, 10**9))
def test_never_sooner_than_asked_and_never_much_later_than_a_day(step: int, jitter: float, asked_s: int) -> None:
    waited_s = delay_s(step, jitter=jitter, retry_after_s=asked_s, status=503)
    assert waited_s >= min(asked_s, 86_400)
    assert waited_s <= 86_400 * 1.1 + 1


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_delivered(status: int) -> None:
    verdict = schedule.after_attempt(step=1, status=status, retry_after_s=60, jitter=0, now=NOW)
    assert verdict == schedule.Verdict("delivered", None)


@pytest.mark.parametrize("status", [None, 199, 301, 302, 308, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again(status: int | None) -> None:
    assert delay_s(1, status=status) == 30


def test_gone_is_final() -> None:
    assert schedule.after_attempt(step=1, status=410, retry_after_s=9, jitter=0, now=NOW).status == "dead"


def test_the_whole_schedule_lasts_about_two_days() -> None:
    assert timedelta(seconds=sum(schedule.DELAYS_S)) == timedelta(hours=46, minutes=42, seconds=30)
