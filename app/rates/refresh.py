"""One refresh of all rates: every source is asked at once, and what they say is stored.

A source gets five seconds and can't delay the others. One that fails rests, longer each time; its last figures count
while they are fresh. The processes share the limit of requests to a source (in Redis) and each round (in Postgres).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from app.core import clock, database
from app.core.logging import get_logger
from app.rates import median, repository, watch
from app.rates.median import Sourced
from app.rates.rate import MIN_SOURCES
from app.rates.repository import Refreshed
from app.rates.sources import ecb
from app.rates.sources.http import OverOwnLimit
from app.rates.sources.port import Answer, Pair, Source, SourceFailed

log = get_logger(__name__)

REFRESH_S = 15
"""The time between rounds. A rate lasts a minute: two rounds may fail before one is gone."""

SOURCE_TIMEOUT_S = 5
"""A source that takes longer has failed."""

FAILURES_BEFORE_REST = 3
LONGEST_REST_S = 600

KEPT_FOR = timedelta(hours=26)
"""How long refreshes are kept whose rate nobody used: a day, for what is booked later than it happened."""

MAX_PROBLEM = 200

PIVOTS = ("USD", "EUR")
"""Currencies over which a figure is crossed: those in which most assets are traded."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Pairs = Callable[[], Awaitable[Collection[Pair]]]


class Asked(msgspec.Struct, frozen=True):
    """What became of a question to a source."""

    source: Source
    answer: Answer | None
    failure: SourceFailed | None


class Refresher:
    """Refreshes for one process. One per event loop; `aclose` it at the end."""

    def __init__(self, sources: Callable[[], Sequence[Source]], pairs: Pairs) -> None:
        """`sources` is called at the first refresh: some import much, and other processes need none of it."""
        self._make_sources = sources
        self._made: list[Source] | None = None
        self._pairs = pairs
        self._last: dict[tuple[str, Pair], Sourced] = {}

    async def run(self, now: datetime) -> int:
        """Refresh every pair. Returns how many have a rate; 0 where another process has begun this round.

        Not to be called in a transaction. Raises DatabaseUnavailable.
        """
        wanted = sorted(set(await self._pairs()))
        slot = (now - EPOCH) // timedelta(seconds=REFRESH_S)
        if not wanted or not await repository.begin_round(slot, now):
            return 0
        asked = await self._ask_all(wanted, now)
        for one in asked:
            await self._record(one, now)
        figures = self._figures(now)
        before = await repository.newest_of(wanted)
        found = [self._refreshed(pair, figures, before.get(pair), now) for pair in wanted]
        async with database.transaction():
            await repository.record(found)
            await watch.tell(before, found, now)
        await repository.finish_round(slot, clock.now())
        return sum(one.rate is not None for one in found)

    async def aclose(self) -> None:
        """Close the connections to all sources."""
        for source in self._made or ():
            await source.aclose()
        self._made = None

    def _sources(self) -> list[Source]:
        if self._made is None:
            self._made = list(self._make_sources())
        return self._made

    async def _ask_all(self, wanted: Sequence[Pair], now: datetime) -> list[Asked]:
        states = {state.name: state for state in await repository.source_states()}
        prices, exchange_rates = _with_pivots(wanted)
        due = [
            source
            for source in self._sources()
            if source.name not in states or (resting := states[source.name].rests_until) is None or resting <= now
        ]
        questions = (_ask(one, exchange_rates if one.name == ecb.NAME else prices, now) for one in due)
        return list(await asyncio.gather(*questions))

    async def _record(self, asked: Asked, now: datetime) -> None:
        """Keep the figures that may be used, and count what went wrong."""
        name = asked.source.name
        if isinstance(asked.failure, OverOwnLimit):
            return
        if asked.failure is not None:
            await self._fail(name, asked.failure, now)
            return
        assert asked.answer is not None
        objections, answered_at = [], clock.now()
        for quoted in asked.answer.quoted:
            if (problem := median.objection(quoted, answered_at)) is not None:
                objections.append(problem)
                # What it said before is refuted.
                self._last.pop((name, quoted.pair), None)
            else:
                self._last[name, quoted.pair] = median.sourced(name, quoted)
        problems = [*asked.answer.problems, *objections]
        if problems:
            log.info("rate_source_problems", source=name, problems=problems[:10], count=len(problems))
        if objections and len(objections) == len(asked.answer.quoted):
            # It answers, so it is asked again: the next price of a quiet market may be fresh.
            await self._fail(name, SourceFailed(objections[0]), now, rests=False)
        else:
            await repository.record_answer(name, now, answered_at, _one_line(problems[0]) if problems else None)

    async def _fail(self, name: str, failure: SourceFailed, now: datetime, *, rests: bool = True) -> None:
        problem = _one_line(str(failure))
        in_row = await repository.record_failure(name, now, problem)
        log.warning("rate_source_failed", source=name, problem=problem, in_row=in_row)
        rest_s = failure.retry_after_s or 0
        if rests and in_row >= FAILURES_BEFORE_REST:
            rest_s = max(rest_s, REFRESH_S * 2 ** min(in_row - FAILURES_BEFORE_REST + 1, 10))
        if rest_s:
            await repository.rest(name, now + timedelta(seconds=min(rest_s, LONGEST_REST_S)))

    def _figures(self, now: datetime) -> dict[Pair, list[Sourced]]:
        """What every source says of each pair, as far as it is still fresh."""
        self._last = {key: one for key, one in self._last.items() if now <= one.good_until}
        figures: dict[Pair, list[Sourced]] = {}
        for (_, pair), one in sorted(self._last.items()):
            figures.setdefault(pair, []).append(one)
        return figures

    def _refreshed(
        self, pair: Pair, figures: Mapping[Pair, Sequence[Sourced]], before: Refreshed | None, now: datetime
    ) -> Refreshed:
        result = median.agree(
            pair,
            figures_of(pair, figures),
            now,
            before=None if before is None else before.last_figure,
            held=None if before is None else before.held_figure,
        )
        return Refreshed(
            base=pair.base,
            quote=pair.quote,
            refreshed_at=now,
            rate=result.rate,
            held_figure=result.held_figure,
            sources=result.sources,
            problem=result.problem,
            last_figure=result.rate.figure if result.rate else None if before is None else before.last_figure,
        )


async def _ask(source: Source, pairs: Collection[Pair], now: datetime) -> Asked:
    try:
        async with asyncio.timeout(SOURCE_TIMEOUT_S):
            return Asked(source, await source.figures(pairs, now), None)
    except TimeoutError:
        failure = SourceFailed(f"no answer within {SOURCE_TIMEOUT_S} s")
    except SourceFailed as error:
        failure = error
    except Exception as error:
        # A fault of one adapter must not take the others down.
        log.exception("rate_source_raised", source=source.name)
        failure = SourceFailed(f"{type(error).__name__}: {error}")
    return Asked(source, None, failure)


def _one_line(problem: str) -> str:
    """Words as they can be stored and shown: a source's own may be in them, with any character that there is."""
    return "".join(character if character.isprintable() else " " for character in problem)[:MAX_PROBLEM]


def figures_of(pair: Pair, figures: Mapping[Pair, Sequence[Sourced]]) -> list[Sourced]:
    """The figures of a pair, one of each source: its own, and where fewer than two sources have one, those that are
    crossed over a currency with the European Central Bank's rate."""
    direct = [one for one in figures.get(pair, ()) if one.name != ecb.NAME]
    if len(direct) >= MIN_SOURCES:
        return direct
    named = {one.name for one in direct}
    found = list(direct)
    for pivot in PIVOTS:
        if pivot == pair.quote:
            continue
        exchange_rate = next((one for one in figures.get(Pair(pivot, pair.quote), ()) if one.name == ecb.NAME), None)
        if exchange_rate is None:
            continue
        for one in figures.get(Pair(pair.base, pivot), ()):
            if one.name not in named:
                named.add(one.name)
                found.append(median.crossed(one, exchange_rate))
    return found


def _with_pivots(wanted: Iterable[Pair]) -> tuple[list[Pair], list[Pair]]:
    """The prices to ask for: those that are wanted, and each asset in the currencies that it may be crossed over; and
    the exchange rates for that."""
    prices, exchange_rates = set(wanted), set()
    for base, quote in wanted:
        for pivot in PIVOTS:
            if pivot != quote:
                prices.add(Pair(base, pivot))
                exchange_rates.add(Pair(pivot, quote))
    return sorted(prices), sorted(exchange_rates)
