"""Compiled statements of Piccolo's builder, on real rows."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
from piccolo.columns.combination import WhereRaw

from app.alerts.tables import Alert
from app.api_keys import repository as keys_repository
from app.core import database
from app.core.keyset import Place
from app.core.statement import Command, Listing, Param, Statement, any_of, insert, is_one, select
from app.invoices import reading_repository

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


class Shown(msgspec.Struct, frozen=True):
    id: int
    kind: str
    message: str


ADD = Command(
    insert(
        Alert,
        Alert.severity,
        Alert.kind,
        Alert.dedupe_key,
        Alert.message,
        Alert.details,
        Alert.occurrences,
        Alert.raised_at,
        Alert.last_at,
    )
)
BY_KIND = Statement(select(Alert, Shown).where(Alert.kind == Param("kind")).order_by(Alert.id), Shown)
LIST = Listing(
    lambda: select(Alert, Shown).where(Alert.occurrences == 1),
    Shown,
    key=(Alert.id,),
    filters={"kind": Alert.kind == Param("kind"), "said": WhereRaw("{} LIKE {}", Alert.message, Param("said"))},
)


def alert(number: int, kind: str = "drift") -> dict[str, object]:
    return {
        "severity": "info",
        "kind": kind,
        "dedupe_key": f"{kind}:{number}",
        "message": f"number {number}",
        "details": "{}",
        "occurrences": 1,
        "raised_at": NOW,
        "last_at": NOW,
    }


async def test_rows_have_the_type_that_was_given(db: str) -> None:
    await ADD.run(**alert(1))
    (found,) = await BY_KIND.all(kind="drift")
    assert (found.kind, found.message) == ("drift", "number 1")
    assert await BY_KIND.first(kind="other") is None
    with pytest.raises(LookupError):
        await BY_KIND.one(kind="other")
    assert await Statement(Alert.count(), int).one() == 1
    assert await Statement(Alert.select(Alert.last_at), datetime).all() == [NOW]


async def test_a_missing_value_is_an_error(db: str) -> None:
    with pytest.raises(KeyError, match="kind"):
        await BY_KIND.all()


async def test_a_command_counts_its_rows_and_shares_the_transaction(db: str) -> None:
    rename = Command(Alert.update({Alert.message: Param("message")}).where(Alert.kind == Param("kind")))
    await ADD.run_each([alert(1), alert(2), alert(3, kind="other")])
    await ADD.run_each([])
    assert await rename.run(message="renamed", kind="drift") == 2
    assert await rename.run(message="renamed", kind="nothing") == 0
    with pytest.raises(RuntimeError):
        async with database.transaction():
            await rename.run(message="taken back", kind="drift")
            raise RuntimeError
    assert {one.message for one in await BY_KIND.all(kind="drift")} == {"renamed"}


async def test_what_is_run_in_one_round_trip_is_all_or_nothing(db: str) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await ADD.run_each([alert(1), alert(1)])
    assert await BY_KIND.all(kind="drift") == []


def test_constants_are_in_the_text_and_values_are_not() -> None:
    """A partial index can't be used for `status = $1`. Other strings than plain words stay parameters."""
    query = Alert.select(Alert.id).where(
        (Alert.severity == "critical")
        & (Alert.occurrences > 3)
        & (Alert.message == "o'brien")
        & (Alert.kind == Param("kind"))
        & Alert.told_at.is_null()
    )
    sql = Statement(query, int, limited=True).sql
    assert "\"severity\" = 'critical'" in sql
    assert '"occurrences" > 3' in sql
    assert '"message" = $1' in sql
    assert '"kind" = $2' in sql
    assert '"told_at" IS NULL' in sql
    assert sql.endswith("LIMIT $3")


async def test_one_statement_serves_any_number_of_values(db: str) -> None:
    await ADD.run_each([alert(number) for number in range(5)])
    some = Statement(select(Alert, Shown).where(any_of(Alert.message, Param("messages"))), Shown)
    assert len(await some.all(messages=["number 1", "number 3", "nothing"])) == 2
    assert await some.all(messages=[]) == []


async def test_a_claim_takes_one_row_under_any_plan(db: str) -> None:
    """With a plan that runs the inner query for each row, IN would claim all five."""
    await ADD.run_each([alert(number) for number in range(5)])
    first = Alert.select(Alert.id).order_by(Alert.id).limit(1).lock_rows("UPDATE", skip_locked=True)
    claim = Command(Alert.update({Alert.told_at: Param("now")}).where(is_one(Alert.id, first)))
    async with database.transaction():
        for other_plan in ("hashagg", "sort", "hashjoin", "mergejoin", "material"):
            await database.execute(f"SET LOCAL enable_{other_plan} = off")
        assert await claim.run(now=NOW) == 1


async def test_a_list_is_read_by_pages_in_both_directions(db: str) -> None:
    await ADD.run_each([alert(number) for number in range(7)])
    first = await LIST.page(None, 3)
    assert [one.message for one in first] == ["number 6", "number 5", "number 4"]
    assert first.previous is None
    second = await LIST.page(first.following, 3)
    assert [one.message for one in second] == ["number 3", "number 2", "number 1"]
    assert list(await LIST.page(second.previous, 3)) == list(first)
    last = await LIST.page(second.following, 3)
    assert [one.message for one in last] == ["number 0"]
    assert last.following is None


async def test_filters_apply_if_they_are_given(db: str) -> None:
    await ADD.run_each([alert(1), alert(2), alert(2, kind="other")])
    assert len(await LIST.page(None, 10, kind=None, said=None)) == 3
    assert [one.kind for one in await LIST.page(None, 10, kind="other")] == ["other"]
    assert len(await LIST.page(None, 10, said="%2")) == 2
    assert len(await LIST.page(None, 10, kind="drift", said="%2")) == 1
    assert len(await LIST.page(Place((10**9,)), 10, kind="drift", said="%2")) == 1


async def test_rows_of_the_same_moment_are_neither_lost_nor_shown_twice(db: str) -> None:
    await ADD.run_each([{**alert(number), "raised_at": NOW + timedelta(seconds=number // 3)} for number in range(9)])

    class Timed(msgspec.Struct, frozen=True):
        raised_at: datetime
        id: int
        message: str

    by_time = Listing(lambda: select(Alert, Timed), Timed, key=(Alert.raised_at, Alert.id), oldest_first=True)
    seen: list[str] = []
    place: Place | None = None
    while True:
        page = await by_time.page(place, 2)
        seen += [one.message for one in page]
        if (place := page.following) is None:
            break
    assert seen == [f"number {number}" for number in range(9)]


async def test_what_each_request_reads_is_planned_once(db: str) -> None:
    read: dict[str, Callable[[int], Awaitable[object]]] = {
        "FROM invoices": lambda number: reading_repository.find_owned([("MCH-1", "test", f"INV-{number}")]),
        "frame_origins": lambda number: reading_repository.find_public([f"INV-{number}"]),
        '"api_keys"': lambda number: keys_repository.find_for_authentication([f"KEY{number}"]),
    }
    async with database.transaction() as connection:  # prepared statements belong to a connection
        for named, ask in read.items():
            for number in range(20):
                await ask(number)
            row = await connection.fetchrow(
                """
                SELECT generic_plans, custom_plans FROM pg_prepared_statements
                WHERE strpos(statement, $1) > 0 AND strpos(statement, 'pg_prepared') = 0
                ORDER BY prepare_time DESC LIMIT 1
                """,
                named,
            )
            assert (row["generic_plans"], row["custom_plans"]) == (15, 5), named
