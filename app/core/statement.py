"""Statements on tables: built by Piccolo's query builder, run by `core.database`, read into types of our own.

A repository keeps its statements at the level of its module. They are compiled at their first use, and each call gives
the values of the parameters:

    BY_ID = Statement(select(Invoice, InvoiceRow).where(Invoice.id == Param("id")), InvoiceRow)

    async def get(invoice_id: str) -> InvoiceRow | None:
        return await BY_ID.first(id=invoice_id)

Building a query costs 50 to 200 µs of CPU, more than Postgres takes to answer it, so it is done once. A statement
whose shape depends on the call can also be made inside a function, off the paths of requests and workers.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

import msgspec
from piccolo.columns import BigSerial, Column, Serial
from piccolo.columns.combination import Where, WhereRaw
from piccolo.query.base import Query
from piccolo.query.methods.insert import Insert
from piccolo.query.methods.select import Select
from piccolo.table import Table

from app.core import database
from app.core.database import Row
from app.core.keyset import MOST_COUNTED, Page, Place, Total, direction, page_of

T = TypeVar("T")

Condition = Where | WhereRaw
"""What `.where(…)` takes. What the builder can't say is a WhereRaw: a QueryString can't be combined with `&` or `|`."""


class Param:
    """A parameter of a query: each call gives its value under this name."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


_PLACEHOLDER = re.compile(r"\$([0-9]+)")
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.:-]*", re.ASCII)


class _Compiled:
    """A query's SQL with its placeholders; compiled at the first use, when every table is there."""

    def __init__(self, query: "Query[Any, Any]", *, limited: bool = False) -> None:
        self._query = query
        self._limited = limited
        self._sql = ""
        self._args: list[Any] = []

    @property
    def sql(self) -> str:
        """The text that Postgres gets, with `$1` where values go."""
        if not self._sql:
            sql, given = self._query.querystrings[0].compile_string()
            if self._limited:  # the builder writes a limit as text, and each number would be a statement of its own
                given = [*given, Param("limit")]
                sql = f"{sql} LIMIT ${len(given)}"
            self._sql = _PLACEHOLDER.sub(lambda found: self._placed(given[int(found[1]) - 1]), sql)
        return self._sql

    def bind(self, values: Mapping[str, object]) -> tuple[str, list[object]]:
        """The SQL and its arguments. Raises KeyError for a parameter without a value."""
        sql = self.sql
        return sql, [values[arg.name] if isinstance(arg, Param) else arg for arg in self._args]

    def _placed(self, arg: object) -> str:
        """A placeholder; or a constant's text, since a partial index is of no use to `status = $1`."""
        if arg is None:
            return "NULL"
        if isinstance(arg, bool | int):
            return str(arg).lower()
        if isinstance(arg, str) and _PLAIN_WORD.fullmatch(arg):
            return f"'{arg}'"
        self._args.append(arg)
        return f"${len(self._args)}"


class Statement(Generic[T]):
    """A statement that returns rows, and the type of a row.

    `row` is a struct or dataclass whose fields are named as the columns, or the type of the one column. A `limited`
    statement takes `limit=` with each call. All that is run here raises DatabaseUnavailable, and takes part in the
    caller's transaction where there is one.
    """

    def __init__(self, query: "Query[Any, Any]", row: type[T], *, limited: bool = False) -> None:
        self._compiled = _Compiled(query, limited=limited)
        self._row = row
        self._names = _names_of(row)
        self._by_place: bool | None = None

    @property
    def sql(self) -> str:
        """The text that Postgres gets."""
        return self._compiled.sql

    async def all(self, **values: object) -> list[T]:
        """Every row."""
        return [self.made(record) for record in await self.records(values)]

    async def first(self, **values: object) -> T | None:
        """The first row. None where there is none, or where the one column is NULL."""
        sql, args = self._compiled.bind(values)
        record = await database.fetch_one(sql, *args)
        return None if record is None else self.made(record)

    async def one(self, **values: object) -> T:
        """The row of a statement that always has one: a count, or RETURNING of an insert. Raises LookupError."""
        found = await self.first(**values)
        if found is None:
            raise LookupError(f"no row: {self.sql}")
        return found

    async def records(self, values: Mapping[str, object]) -> Sequence[Row]:
        """Every row as the driver returns it."""
        sql, args = self._compiled.bind(values)
        return await database.fetch_all(sql, *args)

    def made(self, record: Row) -> T:
        """A row as the type that this statement returns."""
        if not self._names:
            return cast(T, record[0])
        if self._by_place is None:
            self._by_place = tuple(record.keys()) == self._names and _takes_places(self._row)
        return self._row(*record) if self._by_place else self._row(**record)


class Command:
    """A statement that changes rows and returns none."""

    def __init__(self, query: "Query[Any, Any]") -> None:
        self._compiled = _Compiled(query)

    @property
    def sql(self) -> str:
        """The text that Postgres gets."""
        return self._compiled.sql

    async def run(self, **values: object) -> int:
        """Run it. Returns the number of rows that it affected. Raises DatabaseUnavailable."""
        sql, args = self._compiled.bind(values)
        return await database.execute(sql, *args)

    async def run_each(self, values: Sequence[Mapping[str, object]]) -> None:
        """Run it with each of these in one round trip: all or nothing. Raises DatabaseUnavailable."""
        bound = [self._compiled.bind(one) for one in values]
        if bound:
            await database.fetch_many(bound[0][0], [args for _, args in bound])


class InsertEach:
    """A statement that inserts any number of rows at once, with these columns; serial numbers follow their order."""

    def __init__(self, table: type[Table], *columns: Column) -> None:
        self._table = table
        self._columns = columns

    async def run(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert rows, each with a value for every column: all or nothing. Raises DatabaseUnavailable."""
        given = [one._meta.db_column_name for one in self._columns]
        names, into = ", ".join(given), self._table._meta.tablename
        types = ", ".join(f"${place}::{one.column_type}[]" for place, one in enumerate(self._columns, start=1))
        # An array for each column: the text is the same for any number of rows.
        source = f"unnest({types}) WITH ORDINALITY AS given ({names}, place)"
        await database.execute(
            f"INSERT INTO {into} ({names}) SELECT {names} FROM {source} ORDER BY place",
            *([row[name] for row in rows] for name in given),
        )


class Listing(Generic[T]):
    """A list that is read by pages (`core.keyset`), compiled once for each set of filters and each direction.

    `query` builds the query without filters, order and limit. `key` are the columns of its order, among the columns
    of `row`. A filter holds where its value is given and is not None; parameters of the query itself are given always.
    """

    def __init__(
        self,
        query: "Callable[[], Select[Any]]",
        row: type[T],
        *,
        key: Sequence[Column],
        filters: Mapping[str, Condition] | None = None,
        oldest_first: bool = False,
    ) -> None:
        self._query = query
        self._row = row
        self._key = tuple(key)
        self._filters = dict(filters or {})
        self._oldest_first = oldest_first
        self._compiled: dict[tuple[frozenset[str], str, bool], Statement[T]] = {}
        self._counted: dict[frozenset[str], _Compiled] = {}

    async def page(self, place: Place | None, limit: int, **values: object) -> Page[T]:
        """The page of at most `limit` rows at `place`, or the first one."""
        statement = self._statement(self._given(values), place)
        at = {} if place is None else {f"key_{number}": value for number, value in enumerate(place.key)}
        rows = await statement.records({**values, **at, "limit": limit + 1})
        key = [column._alias or column._meta.name for column in self._key]
        return page_of(rows, limit, place, key=key, made=statement.made)

    async def total(self, **values: object) -> Total:
        """How many rows the list has, counted up to MOST_COUNTED."""
        names = self._given(values)
        if names not in self._counted:
            self._counted[names] = _Compiled(self._filtered(names), limited=True)
        sql, args = self._counted[names].bind({**values, "limit": MOST_COUNTED + 1})
        # Postgres leaves out columns that nobody reads, and with them what would be computed for each row.
        counted = await database.fetch_value(f"SELECT count(*) FROM ({sql}) rows", *args)
        return Total(min(counted, MOST_COUNTED), counted <= MOST_COUNTED)

    def _given(self, values: Mapping[str, object]) -> frozenset[str]:
        return frozenset(name for name in self._filters if values.get(name) is not None)

    def _filtered(self, names: frozenset[str]) -> "Select[Any]":
        query = self._query()
        for name in sorted(names):
            query = query.where(self._filters[name])
        return query

    def _statement(self, names: frozenset[str], place: Place | None) -> Statement[T]:
        comparison, order = direction(place, oldest_first=self._oldest_first)
        shape = (names, order, place is not None)
        if shape not in self._compiled:
            query = self._filtered(names)
            if place is not None:
                query = query.where(_beyond(self._key, comparison))
            query = query.order_by(*self._key, ascending=order == "ASC")
            self._compiled[shape] = Statement(query, self._row, limited=True)
        return self._compiled[shape]


def select(table: type[Table], row: type[Any]) -> "Select[Any]":
    """A query of the columns that `row` has fields for."""
    return table.select(*(getattr(table, name) for name in _names_of(row)))


def insert(table: type[Table], *columns: Column) -> "Insert[Any]":
    """A query that inserts a row with a parameter for each of these columns, or for every one that Postgres does not
    number itself. Columns beside them get their default."""
    chosen = columns or [one for one in table._meta.columns if not isinstance(one, (Serial, BigSerial))]
    params: dict[Column, Any] = {one: Param(one._meta.name) for one in chosen}
    return table.insert(table(params))


def any_of(column: Column, values: Param | Sequence[object]) -> WhereRaw:
    """The condition that a column is one of these. One statement, however many there are; none where there are none."""
    return WhereRaw("{} = ANY({})", column, values)


def each_of(place: str) -> str:
    """SQL of a parameter that is an array of texts, for `id = ANY(…)` of a unique column: Postgres plans the statement
    once for all calls.

    Of a plain parameter it sees how many ids there are. A plan for two looks cheaper than one for any number, so it
    plans anew for each call, and for a statement that reads several tables that costs a multiple of running it.
    """
    return f"ARRAY(SELECT unnest({place}::varchar[]))"


def any_each_of(column: Column, values: Param) -> WhereRaw:
    """`any_of` for texts of a unique column, planned once for all calls: see `each_of`."""
    return WhereRaw(f"{{}} = ANY({each_of('{}')})", column, values)


def is_one(column: Column, query: "Select[Any]") -> WhereRaw:
    """The condition that a column is the one value of a query. For claims, whose query has LIMIT 1 and SKIP LOCKED:
    Postgres may run a query inside IN again for each row, and would lock and take another row each time."""
    return WhereRaw("{} = ({})", column, query.querystrings[0])


def _beyond(key: Sequence[Column], comparison: str) -> WhereRaw:
    """A comparison of rows. Spelled out with OR, Postgres would read everything before the page."""
    places = ", ".join("{}" for _ in key)
    params = (Param(f"key_{number}") for number in range(len(key)))
    return WhereRaw(f"({places}) {comparison} ({places})", *key, *params)


def _takes_places(row: type[Any]) -> bool:
    """Whether all fields can be given without their names, which costs a third of the time."""
    return all(one.kind is one.POSITIONAL_OR_KEYWORD for one in inspect.signature(row).parameters.values())


def _names_of(row: type[Any]) -> tuple[str, ...]:
    if issubclass(row, msgspec.Struct):
        return row.__struct_fields__
    return getattr(row, "_fields", ())
