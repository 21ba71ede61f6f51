"""Cancelled tasks end, also those that dropped the first cancellation."""

import asyncio

import pytest

from app.core import cancelling


async def test_a_task_that_misses_its_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "AGAIN_S", 0.01)
    missed, cleaned = 0, False

    async def misses_two() -> None:
        nonlocal missed, cleaned
        try:
            while missed < 2:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    missed += 1
            await asyncio.sleep(60)
        finally:
            cleaned = True

    async def fails() -> None:
        raise ValueError("on its own")

    tasks = [asyncio.create_task(work) for work in (misses_two(), fails(), asyncio.sleep(60))]
    await asyncio.sleep(0)
    await cancelling.end(*tasks)
    assert all(task.done() for task in tasks)
    assert (missed, cleaned) == (2, True)
    assert isinstance(tasks[1].exception(), ValueError)


async def test_work_that_has_ended_is_left_alone() -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    await task
    await cancelling.end(task)
    await cancelling.end()
    assert not task.cancelled()
