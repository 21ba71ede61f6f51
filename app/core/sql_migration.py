"""A migration written in SQL, whose tables Piccolo still knows.

`piccolo migrations new --auto` compares the models with what earlier migrations declare. SQL declares nothing,
so this migration reads its own CREATE TABLE statements and gives them to Piccolo's snapshot. Of a column it reads the
name, the type, PRIMARY KEY, NOT NULL, UNIQUE, DEFAULT and REFERENCES; of a constraint its name, since Piccolo compares
nothing else. The model's name is a comment in the first line: `CREATE TABLE assets ( -- Asset`. Everything else
(indexes, triggers, keys that no model has) runs, and Piccolo doesn't see it. What the SQL changes in tables that are
there, the migration declares with Piccolo's own methods (`add_column`, `alter_column`, …): they run nothing.
"""

import asyncio
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import asyncpg
from piccolo.apps.migrations.auto.diffable_table import DiffableTable
from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.columns import (
    JSONB,
    UUID,
    Array,
    BigInt,
    BigSerial,
    Boolean,
    Bytea,
    Column,
    ForeignKey,
    Integer,
    OnDelete,
    OnUpdate,
    Serial,
    SmallInt,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.column_types import Numeric
from piccolo.constraints import Check, Constraint, Unique
from piccolo.engine import engine_finder
from piccolo.table import create_table_class

from app.core import clock

_TYPES: Mapping[str, type[Column]] = MappingProxyType(
    {
        "bigint": BigInt,
        "bigserial": BigSerial,
        "boolean": Boolean,
        "bytea": Bytea,
        "integer": Integer,
        "jsonb": JSONB,
        "numeric": Numeric,
        "serial": Serial,
        "smallint": SmallInt,
        "text": Text,
        "timestamptz": Timestamptz,
        "uuid": UUID,
        "varchar": Varchar,
    }
)
_DEFAULTS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {"bigint": int, "boolean": lambda text: text == "true", "integer": int, "numeric": Decimal}
)

_TABLE = re.compile(r"^CREATE TABLE (\w+) \( -- (\w+)\n(.*?)\n\);$", re.MULTILINE | re.DOTALL)
_COLUMN = re.compile(r"\"?(\w+)\"? (\w+)(?:\((\d+)(?:,(\d+))?\))?(\[\])?(.*)")
_CONSTRAINT = re.compile(r"CONSTRAINT (\w+) (UNIQUE|CHECK)\b")
_REFERENCES = re.compile(r"REFERENCES (\w+) \(\w+\) ON UPDATE (\w+) ON DELETE (\w+)")
_DEFAULT = re.compile(r"DEFAULT '?([^' ]+)")


LOCK_WAIT_S = 1
"""How long a migration waits for a lock: everybody who comes later to the same table waits behind it."""

PAUSE_S = 1.0
"""Until it tries again. Meanwhile those who waited go on."""

PATIENCE_S = 600.0
"""After this time of trying it fails: something holds its lock for long."""

_DROP_INVALID = """
    SELECT format('DROP INDEX CONCURRENTLY %I.%I', n.nspname, c.relname) FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND n.nspname = current_schema()
    """


class SqlMigration(MigrationManager):
    """Runs its SQL, and nothing else: tables, columns and constraints are only declared."""

    sql: str
    in_transaction: bool

    async def run(self, backwards: bool = False) -> None:
        """Run the SQL, while the gateway may be serving.

        Raises RuntimeError for a run backwards, LockNotAvailableError where a lock can't be had within PATIENCE_S.
        """
        if backwards:
            raise RuntimeError("a migration can't be taken back: restore a backup")
        engine: Any = engine_finder()
        if not self.in_transaction:
            await self._run_one_by_one(engine)
            return
        gives_up_at_s = clock.monotonic_s() + PATIENCE_S
        while True:
            try:
                async with engine.transaction() as transaction:
                    await transaction.connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S}s'")
                    await transaction.connection.execute(self.sql)
                return
            except asyncpg.LockNotAvailableError:
                if clock.monotonic_s() > gives_up_at_s:
                    raise
                await asyncio.sleep(PAUSE_S)

    async def _run_one_by_one(self, engine: Any) -> None:
        """Run each statement on its own. An index that an earlier attempt left unfinished is dropped first."""
        connection: asyncpg.Connection = await engine.get_new_connection()
        try:
            await connection.execute("SET lock_timeout = 0")  # building an index concurrently waits, and stops nobody
            for unfinished in await connection.fetch(_DROP_INVALID):
                await connection.execute(unfinished[0])
            for statement in re.split(r";[ \t]*(?:\n|$)", self.sql):
                if re.sub(r"--.*", "", statement).strip():
                    await connection.execute(statement)
        finally:
            await connection.close()


def sql_migration(
    migration_id: str, app_name: str, description: str, sql: str, *, earlier: str = "", in_transaction: bool = True
) -> SqlMigration:
    """The migration that runs this SQL. Raises ValueError for a column or constraint that it can't read.

    `earlier` is SQL of earlier migrations: their tables are not declared again, but columns may refer to them.
    `in_transaction=False` is for what Postgres refuses in one: `CREATE INDEX CONCURRENTLY IF NOT EXISTS`. Each
    statement ends with its line, and can be run again.
    """
    migration = SqlMigration(migration_id=migration_id, app_name=app_name, description=description)
    migration.sql, migration.in_transaction = sql, in_transaction
    classes: dict[str, type[Any]] = {}
    _declare(earlier, classes)
    migration.add_tables.extend(_declare(sql, classes))
    return migration


def _declare(sql: str, classes: dict[str, type[Any]]) -> list[DiffableTable]:
    """The tables of this SQL; their classes are added to `classes` by their names in the database."""
    tables: list[DiffableTable] = []
    for tablename, class_name, body in _TABLE.findall(sql):
        table = DiffableTable(class_name=class_name, tablename=tablename)
        for part in _parts(body):
            if part.startswith("CONSTRAINT "):
                table.constraints.append(_constraint(part))
            else:
                table.columns.append(_column(part, classes))
        keys = {column._meta.name: column for column in table.columns if column._meta.primary_key}
        classes[tablename] = create_table_class(class_name, class_kwargs={"tablename": tablename}, class_members=keys)
        tables.append(table)
    return tables


def _parts(body: str) -> Iterator[str]:
    """What stands between the commas, without those inside brackets; each on one line."""
    depth, part = 0, ""
    for character in re.sub(r"--.*", "", body):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield " ".join(part.split())
            part = ""
        else:
            part += character
    yield " ".join(part.split())


def _constraint(part: str) -> Constraint:
    found = _CONSTRAINT.match(part)
    if found is None:
        raise ValueError(f"not a constraint that can be read: {part}")
    constraint = Unique(columns=["id"]) if found[2] == "UNIQUE" else Check(condition="")
    constraint._meta._name = found[1]
    return constraint


def _column(part: str, classes: Mapping[str, type[Any]]) -> Column:
    found = _COLUMN.fullmatch(part)
    if found is None or found[2] not in _TYPES:
        raise ValueError(f"not a column that can be read: {part}")
    name, kind, length, scale, is_array, marks = found.groups()
    primary_key = "PRIMARY KEY" in marks
    params: dict[str, Any] = {
        "default": _default(kind, marks),
        "null": not primary_key and "NOT NULL" not in marks,
        "primary_key": primary_key,
        "unique": "UNIQUE" in marks,
    }
    column_class = _TYPES[kind]
    if references := _REFERENCES.search(marks):
        on_update, on_delete = references[2].lower(), references[3].lower()
        params |= {
            "references": classes[references[1]],
            "on_update": OnUpdate[on_update],
            "on_delete": OnDelete[on_delete],
        }
        column_class = ForeignKey
    elif is_array:
        params["base_column"] = Varchar(length=int(length)) if kind == "varchar" else column_class()
        column_class = Array
    elif kind == "varchar":
        params["length"] = int(length)
    elif kind == "numeric":
        params["digits"] = (int(length), int(scale))
    elif kind in ("serial", "bigserial"):
        del params["default"]
    column = column_class(**params)
    column._meta.name = name
    return column


def _default(kind: str, marks: str) -> object:
    found = _DEFAULT.search(marks)
    return None if found is None else _DEFAULTS.get(kind, str)(found[1])
