"""Every statement on the tables of rates."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, insert, select
from app.rates.rate import Rate, SourceFigure
from app.rates.tables import RateRefresh, RateRound, RateSource, UsedRate

_sources = msgspec.json.Decoder(tuple[SourceFigure, ...])


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """What a refresh found for a pair. Either `rate` is set, or `problem` says why there is none.

    `held_figure` is set where a figure was found that is not believed before the next refresh finds it too;
    `last_figure` is the newest rate that there was, this one or an earlier one. `sources` has every source's figure,
    whether there is a rate or not.
    """

    base: str
    quote: str
    refreshed_at: datetime
    rate: Rate | None
    held_figure: Decimal | None
    last_figure: Decimal | None
    sources: tuple[SourceFigure, ...]
    problem: str | None


class _Row(msgspec.Struct, frozen=True):
    base: str
    quote: str
    refreshed_at: datetime
    figure: Decimal | None
    at: datetime | None
    good_until: datetime | None
    held_figure: Decimal | None
    last_figure: Decimal | None
    sources: str
    problem: str | None


class _UsedRow(msgspec.Struct, frozen=True):
    base: str
    quote: str
    refreshed_at: datetime
    figure: Decimal
    at: datetime
    good_until: datetime
    sources: str


class SourceState(msgspec.Struct, frozen=True):
    """How a source is doing: see `RateSource`."""

    name: str
    asked_at: datetime
    answered_at: datetime | None
    failures_in_row: int
    failures: int
    rests_until: datetime | None
    problem: str | None


async def newest(base: str, quote: str) -> Refreshed | None:
    """What the newest refresh found for a pair; None where there is none of it."""
    row = await _NEWEST.first(base=base, quote=quote)
    return None if row is None else _refreshed(row)


_NEWEST = Statement(
    select(RateRefresh, _Row)
    .where(RateRefresh.base == Param("base"), RateRefresh.quote == Param("quote"))
    .order_by(RateRefresh.minute, ascending=False)
    .limit(1),
    _Row,
)


async def newest_of(pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Refreshed]:
    """What the newest refresh found for each of these pairs; those without one are left out."""
    # SQL, since the builder knows no LATERAL: the newest row of each pair by its index.
    rows = await database.fetch_all(
        """
        SELECT r.base, r.quote, r.refreshed_at, r.figure, r.at, r.good_until, r.held_figure, r.last_figure,
            r.sources, r.problem
        FROM unnest($1::text[], $2::text[]) AS pair (base, quote)
        CROSS JOIN LATERAL (
            SELECT * FROM rate_refreshes f WHERE f.base = pair.base AND f.quote = pair.quote
            ORDER BY f.minute DESC LIMIT 1
        ) r
        """,
        [base for base, _ in pairs],
        [quote for _, quote in pairs],
    )
    found = [_refreshed(_Row(*row)) for row in rows]
    return {(one.base, one.quote): one for one in found}


async def of_minute(base: str, quote: str, minute: datetime) -> Refreshed | None:
    """What the last refresh of a minute found for a pair; None where there was none, or it is deleted."""
    row = await _OF_MINUTE.first(base=base, quote=quote, minute=minute)
    return None if row is None else _refreshed(row)


_OF_MINUTE = Statement(
    select(RateRefresh, _Row).where(
        RateRefresh.base == Param("base"),
        RateRefresh.quote == Param("quote"),
        RateRefresh.minute == Param("minute"),
    ),
    _Row,
)


async def add_used(rate: Rate) -> int:
    """Keep a rate for good, in the caller's transaction where there is one. Returns its id, the same each time."""
    # SQL: the builder can't return the row that ON CONFLICT DO NOTHING has found.
    for _ in range(2):
        kept = await _USED_ID.first(base=rate.base, quote=rate.quote, refreshed_at=rate.refreshed_at)
        if kept is not None:
            return kept
        added = await database.fetch_value(
            """
            INSERT INTO used_rates (base, quote, refreshed_at, figure, at, good_until, sources)
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (base, quote, refreshed_at) DO NOTHING RETURNING id
            """,
            rate.base,
            rate.quote,
            rate.refreshed_at,
            rate.figure,
            rate.at,
            rate.good_until,
            _json(rate.sources),
        )
        if added is not None:
            return int(added)
    raise LookupError(f"a used rate of {rate.base} in {rate.quote} was there and is gone")


_USED_ID = Statement(
    UsedRate.select(UsedRate.id).where(
        UsedRate.base == Param("base"),
        UsedRate.quote == Param("quote"),
        UsedRate.refreshed_at == Param("refreshed_at"),
    ),
    int,
)


async def used(rate_id: int) -> Rate | None:
    """A rate that was kept."""
    row = await _USED.first(id=rate_id)
    if row is None:
        return None
    return Rate(
        base=row.base,
        quote=row.quote,
        figure=plain(row.figure),
        at=row.at,
        sources=_sources.decode(row.sources),
        refreshed_at=row.refreshed_at,
        good_until=row.good_until,
    )


_USED = Statement(select(UsedRate, _UsedRow).where(UsedRate.id == Param("id")), _UsedRow)


async def record(found: Sequence[Refreshed]) -> None:
    """Store what a refresh found for these pairs: all or nothing, over what the same minute has of them."""
    await _RECORD.run_each(
        [
            {
                "base": one.base,
                "quote": one.quote,
                "minute": one.refreshed_at.replace(second=0, microsecond=0),
                "refreshed_at": one.refreshed_at,
                "figure": None if one.rate is None else one.rate.figure,
                "at": None if one.rate is None else one.rate.at,
                "good_until": None if one.rate is None else one.rate.good_until,
                "held_figure": one.held_figure,
                "last_figure": one.last_figure,
                "sources": _json(one.sources),
                "problem": one.problem,
            }
            for one in found
        ]
    )


_RECORD = Command(
    insert(RateRefresh).on_conflict(
        target=(RateRefresh.base, RateRefresh.quote, RateRefresh.minute),
        action="DO UPDATE",
        values=[
            RateRefresh.refreshed_at,
            RateRefresh.figure,
            RateRefresh.at,
            RateRefresh.good_until,
            RateRefresh.held_figure,
            RateRefresh.last_figure,
            RateRefresh.sources,
            RateRefresh.problem,
        ],
    )
)


async def begin_round(slot: int, now: datetime) -> bool:
    """Begin the round of a slot. False where a process has begun it already."""
    # SQL: the builder can't say whether ON CONFLICT DO NOTHING has inserted a row.
    return bool(
        await database.execute(
            "INSERT INTO rate_rounds (slot, started_at) VALUES ($1, $2) ON CONFLICT (slot) DO NOTHING", slot, now
        )
    )


async def finish_round(slot: int, now: datetime) -> None:
    """Record that the round of a slot has ended."""
    await _FINISH.run(slot=slot, now=now)


_FINISH = Command(RateRound.update({RateRound.finished_at: Param("now")}).where(RateRound.slot == Param("slot")))


async def last_finished_at() -> datetime | None:
    """When a round last ended; None before the first."""
    return await _LAST_FINISHED.first()


_LAST_FINISHED = Statement(
    RateRound.select(RateRound.finished_at)
    .where(RateRound.finished_at.is_not_null())
    .order_by(RateRound.slot, ascending=False)
    .limit(1),
    # None is "no row" here: the condition leaves out rounds that have not ended.
    datetime,
)


async def source_states() -> list[SourceState]:
    """How every source is doing that was ever asked, in the order of their names."""
    return await _SOURCE_STATES.all()


_SOURCE_STATES = Statement(select(RateSource, SourceState).order_by(RateSource.name), SourceState)


async def record_answer(name: str, asked_at: datetime, now: datetime, problem: str | None) -> None:
    """Record that a source gave an answer that can be used. `problem`: what is wrong with a part of it."""
    await _RECORD_ANSWER.run(
        name=name,
        asked_at=asked_at,
        answered_at=now,
        failures_in_row=0,
        failures=0,
        rests_until=None,
        problem=problem,
    )


_RECORD_ANSWER = Command(
    insert(RateSource).on_conflict(
        target=RateSource.name,
        action="DO UPDATE",
        values=[
            RateSource.asked_at,
            RateSource.answered_at,
            RateSource.failures_in_row,
            RateSource.rests_until,
            RateSource.problem,
        ],
    )
)


async def record_failure(name: str, asked_at: datetime, problem: str) -> int:
    """Count a failure of a source. Returns how many there were in a row."""
    # SQL, since the builder can't count up what ON CONFLICT has found.
    in_row = await database.fetch_value(
        """
        INSERT INTO rate_sources (name, asked_at, failures_in_row, failures, problem) VALUES ($1, $2, 1, 1, $3)
        ON CONFLICT (name) DO UPDATE SET asked_at = excluded.asked_at, problem = excluded.problem,
            failures_in_row = rate_sources.failures_in_row + 1, failures = rate_sources.failures + 1
        RETURNING failures_in_row
        """,
        name,
        asked_at,
        problem,
    )
    return int(in_row)


async def rest(name: str, until: datetime) -> None:
    """Ask a source nothing before `until`."""
    await _REST.run(name=name, until=until)


_REST = Command(RateSource.update({RateSource.rests_until: Param("until")}).where(RateSource.name == Param("name")))


async def newest_since(since: datetime) -> list[Refreshed]:
    """What the newest refresh found for every pair that had one since then."""
    # SQL, since the builder knows no DISTINCT ON.
    rows = await database.fetch_all(
        """
        SELECT DISTINCT ON (base, quote)
            base, quote, refreshed_at, figure, at, good_until, held_figure, last_figure, sources, problem
        FROM rate_refreshes WHERE minute >= $1 ORDER BY base, quote, minute DESC
        """,
        since,
    )
    return [_refreshed(_Row(*row)) for row in rows]


async def purge(before: datetime) -> int:
    """Delete refreshes and rounds from before that time. Returns how many refreshes. Rates that were used stay."""
    await _PURGE_ROUNDS.run(before=before)
    return await _PURGE.run(before=before - timedelta(minutes=1))


_PURGE = Command(RateRefresh.delete().where(RateRefresh.minute < Param("before")))
_PURGE_ROUNDS = Command(RateRound.delete().where(RateRound.started_at < Param("before")))


def plain(figure: Decimal | int) -> Decimal:
    """A figure without the zeros that `numeric(48,24)` adds."""
    return Decimal(f"{Decimal(figure):f}".rstrip("0").rstrip(".")) if "." in f"{figure}" else Decimal(figure)


def _refreshed(row: _Row) -> Refreshed:
    sources = _sources.decode(row.sources)
    rate = None
    if row.figure is not None and row.at is not None and row.good_until is not None:
        rate = Rate(
            base=row.base,
            quote=row.quote,
            figure=plain(row.figure),
            at=row.at,
            sources=sources,
            refreshed_at=row.refreshed_at,
            good_until=row.good_until,
        )
    return Refreshed(
        base=row.base,
        quote=row.quote,
        refreshed_at=row.refreshed_at,
        rate=rate,
        held_figure=None if row.held_figure is None else plain(row.held_figure),
        last_figure=None if row.last_figure is None else plain(row.last_figure),
        sources=sources,
        problem=row.problem,
    )


def _json(sources: tuple[SourceFigure, ...]) -> str:
    return msgspec.json.encode(sources).decode()
