"""Questions that arrive at the same time are answered together, in one round trip.

With few questions each is sent at once. Under load, those that arrive during a round trip share the next one: the
larger the batches, the less each question costs here and on the server. No answer is older than its question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from app.core.waiting import run_beside, waiting

PATIENCE_S = 0.02
"""For statements that take a millisecond."""

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Answers questions in batches. Belongs to one event loop.

    `answer_all` gets up to `max_batch` questions and returns as many answers in their order; what it raises goes
    to all of the batch. At most `max_in_flight` batches are under way at once; a further one begins only after the
    one that began last has had `patience_s` to end, so that one on a dead connection delays nobody for longer.
    """

    def __init__(
        self,
        answer_all: Callable[[list[Q]], Awaitable[Sequence[A]]],
        *,
        max_batch: int,
        max_in_flight: int,
        patience_s: float = 0.0,
    ) -> None:
        self._answer_all = answer_all
        self._max_batch = max_batch
        self._max_in_flight = max_in_flight
        self._patience_s = patience_s
        self._is_patient = False
        self._begun = 0
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._in_flight = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    async def ask(self, question: Q) -> A:
        """The answer. Must not be called inside a database transaction: a batch does not run in its caller's.

        Raises DatabaseUnavailable if the caller's budget ends before the answer comes.
        """
        answered: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answered))
        if self._in_flight == 0 or self._patience_s == 0:
            self._begin()
        elif not self._is_patient:
            self._be_patient()
        with waiting():
            return await answered

    def _be_patient(self) -> None:
        self._is_patient = True
        asyncio.get_running_loop().call_later(self._patience_s, self._lose_patience, self._begun)

    def _lose_patience(self, begun: int) -> None:
        """`begun`: how many batches had begun when the patience did."""
        self._is_patient = False
        if self._waiting:
            if begun == self._begun:
                self._begin()
            else:
                self._be_patient()

    def _begin(self) -> None:
        """Answer what waits, unless enough batches are under way: one of them takes it next."""
        if self._in_flight < self._max_in_flight:
            self._in_flight += 1
            task = run_beside(self._answer_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer_waiting(self) -> None:
        try:
            while self._waiting:
                await self._answer_batch()
        finally:
            self._in_flight -= 1  # in the same step that found nothing waiting, so that no question is missed

    async def _answer_batch(self) -> None:
        self._begun += 1
        batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
        try:
            answers = await self._answer_all([question for question, _ in batch])
        except BaseException as error:
            for _, answered in batch:
                if not answered.done():
                    answered.set_exception(_for_each(error))
            if not isinstance(error, Exception):
                raise
        else:
            for (_, answered), answer in zip(batch, answers, strict=True):
                if not answered.done():  # its caller may have been cancelled meanwhile
                    answered.set_result(answer)


def _for_each(error: BaseException) -> Exception:
    """The error for the callers: the batch's own, or ConnectionError where only the batch was cancelled."""
    return error if isinstance(error, Exception) else ConnectionError("the batch was cancelled")
