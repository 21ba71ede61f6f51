"""Each call in a batch gets its own answer."""

import asyncio

import pytest

from app.core.batching import Batcher
from app.core.waiting import DatabaseUnavailable, budget


async def test_waiting_callers_share_a_round_trip() -> None:
    batches: list[list[int]] = []

    async def double(numbers: list[int]) -> list[int]:
        batches.append(numbers)
        await asyncio.sleep(0.01)
        return [2 * number for number in numbers]

    batcher = Batcher(double, max_batch=40, max_in_flight=1)
    assert await batcher.ask(7) == 14
    assert await batcher.ask(8) == 16
    assert await asyncio.gather(*(batcher.ask(n) for n in range(100))) == [2 * n for n in range(100)]
    assert [len(batch) for batch in batches] == [1, 1, 40, 40, 20]


async def test_a_caller_that_repeats_at_once_is_answered() -> None:
    async def echo(numbers: list[int]) -> list[int]:
        return numbers

    batcher = Batcher(echo, max_batch=10, max_in_flight=1)

    async def call_repeatedly(first: int) -> None:
        for number in range(first, first + 50):
            assert await batcher.ask(number) == number

    async with asyncio.timeout(30):
        await asyncio.gather(*(call_repeatedly(1000 * n) for n in range(20)))


async def test_a_failure_affects_its_batch_only() -> None:
    async def refuse_odd(numbers: list[int]) -> list[int]:
        if any(number % 2 for number in numbers):
            raise ConnectionError("odd")
        return numbers

    batcher = Batcher(refuse_odd, max_batch=1, max_in_flight=2)
    answers = await asyncio.gather(*(batcher.ask(n) for n in range(4)), return_exceptions=True)
    assert answers[0] == 0
    assert answers[2] == 2
    for failed in (answers[1], answers[3]):
        assert isinstance(failed, ConnectionError)


async def test_no_caller_waits_longer_for_a_batch_than_for_a_statement() -> None:
    async def slow(numbers: list[int]) -> list[int]:
        await asyncio.sleep(0.4)
        return numbers

    batcher = Batcher(slow, max_batch=1, max_in_flight=1)
    patient = asyncio.create_task(batcher.ask(1))
    await asyncio.sleep(0)
    with budget(0.2), pytest.raises(DatabaseUnavailable):
        await batcher.ask(2)
    assert await patient == 1


async def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    async def slow(numbers: list[int]) -> list[int]:
        await asyncio.sleep(0.05)
        return numbers

    batcher = Batcher(slow, max_batch=10, max_in_flight=1)
    patient = asyncio.gather(*(batcher.ask(n) for n in range(3)))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(batcher.ask(9), 0.01)
    assert await patient == [0, 1, 2]


async def test_a_batch_that_hangs_delays_the_next_one_for_a_moment_only() -> None:
    batches: list[list[int]] = []
    end = asyncio.Event()

    async def hang_at_zero(numbers: list[int]) -> list[int]:
        batches.append(numbers)
        if 0 in numbers:
            await end.wait()
        return numbers

    batcher = Batcher(hang_at_zero, max_batch=10, max_in_flight=2, patience_s=0.02)
    hung = asyncio.create_task(batcher.ask(0))
    await asyncio.sleep(0)
    assert [*await asyncio.gather(batcher.ask(1), batcher.ask(2))] == [1, 2]
    assert batches == [[0], [1, 2]]  # together: the first one had its moment
    end.set()
    assert await hung == 0
