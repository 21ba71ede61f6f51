"""Limits hold under parallel tries, are counted in Postgres, and end with their window."""

import asyncio
from datetime import timedelta

import pytest

from app.accounts import throttle_repository
from app.accounts.throttle import Limit, Throttle
from app.core import clock, database
from app.core.errors import ApiError

FIVE = Limit("test", 5, timedelta(minutes=15))
MANY = Limit("wide", 1000, timedelta(minutes=15))

pytestmark = pytest.mark.usefixtures("db")


async def take(tries: list[tuple[Limit, str]]) -> bool:
    """Use one try. Returns whether one was left. Each call acts as another process with no memory."""
    try:
        await Throttle(b"k" * 32).take(tries, clock.now())
    except ApiError as error:
        return error.retry_after_s is None or not 0 < error.retry_after_s <= 900
    return True


async def test_of_a_hundred_tries_at_once_five_are_allowed() -> None:
    assert sum(await asyncio.gather(*(take([(FIVE, "mara")]) for _ in range(100)))) == 5


async def test_the_window_opens_again() -> None:
    assert sum([await take([(FIVE, "mara")]) for _ in range(6)]) == 5
    assert await take([(FIVE, "somebody else")])
    clock.shift(timedelta(minutes=15))
    assert await take([(FIVE, "mara")])


async def test_a_client_throttled_by_address_uses_up_no_tries_of_accounts() -> None:
    for _ in range(20):
        await take([(FIVE, "192.0.2.1"), (MANY, "mara")])
    assert await database.fetch_value("SELECT max(used) FROM throttles") == 5


async def test_tries_that_did_not_fail_are_given_back() -> None:
    counted = Throttle(b"k" * 32)
    for _ in range(50):
        await counted.take([(FIVE, "mara")], clock.now())
        await counted.release([(FIVE, "mara")], clock.now())
    assert await take([(FIVE, "mara")])


async def test_subjects_are_not_stored_and_old_counts_are_purged() -> None:
    await take([(FIVE, "mara@example.test")])
    assert b"mara" not in await database.fetch_value("SELECT bucket FROM throttles")
    assert await throttle_repository.purge(clock.now()) == 0
    assert await throttle_repository.purge(clock.now() + FIVE.window) == 1
