"""What a database holds a version to: how its statements are understood, and what rows must be like."""

from collections.abc import Iterable

import asyncpg
import msgspec
from asyncpg.exceptions._base import PostgresError

from tests.upgrades.statements import written

Columns = tuple[tuple[str, str], ...]


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """A statement of a version, as a database understands it: types of its parameters, names and types of a row."""

    sql: str
    module: str
    parameters: tuple[str, ...]
    row: Columns


class Column(msgspec.Struct, frozen=True):
    """A column of a table. `default` is what Postgres fills in, None where it fills in nothing."""

    type: str
    is_required: bool
    default: str | None


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """What can refuse a row: columns by table; constraints, unique indexes and triggers by `table.name`."""

    columns: dict[str, dict[str, Column]]
    rules: dict[str, str]


async def understood(connection: asyncpg.Connection, sql: str, module: str) -> Understood:
    """How a database understands a statement. Raises PostgresError where it doesn't."""
    prepared = await connection.prepare(sql)
    # Only a plan shows that ON CONFLICT has its index.
    await connection.execute(f"EXPLAIN (GENERIC_PLAN, COSTS OFF) {sql}")
    return Understood(
        sql=sql,
        module=module,
        parameters=tuple(_type(one) for one in prepared.get_parameters()),
        row=tuple((one.name, _type(one.type)) for one in prepared.get_attributes()),
    )


async def schema_of(connection: asyncpg.Connection) -> Schema:
    """What a database's tables hold rows to."""
    columns: dict[str, dict[str, Column]] = {}
    for row in await connection.fetch(_COLUMNS):
        column = Column(row["type"], row["is_required"], row["default"])
        columns.setdefault(row["table"], {})[row["name"]] = column
    rules = {f"{row['table']}.{row['name']}": row["rule"] for row in await connection.fetch(_RULES)}
    return Schema(columns=columns, rules=rules)


def _type(one: asyncpg.Type) -> str:
    """Its name; texts of all kinds are sent and read alike."""
    return "text" if one.name in ("varchar", "bpchar") else str(one.name)


_COLUMNS = """
SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    a.attnotnull AS is_required,
    coalesce(pg_get_expr(d.adbin, d.adrelid), CASE WHEN a.attidentity <> '' THEN 'identity' END) AS default
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attname
"""

_RULES = """
SELECT c.relname AS table, k.conname AS name, pg_get_constraintdef(k.oid) AS rule
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND k.contype IN ('c', 'f', 'x') AND k.conparentid = 0
UNION ALL
SELECT c.relname, i.relname, regexp_replace(pg_get_indexdef(i.oid), ' INDEX \\S+ ON (ONLY )?', ' INDEX ON ')
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND x.indisunique AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.oid)
UNION ALL
SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND NOT t.tgisinternal AND t.tgparentid = 0
ORDER BY 1, 2
"""


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A version that is in use: the record that the next ones are held against."""

    version: str
    commit: str
    migration: str
    """The last one that it has."""
    statements: tuple[Understood, ...]
    schema: Schema


async def faults(connection: asyncpg.Connection, released: Released, kept: Iterable[str] = ()) -> list[str]:
    """Why the released version can't go on with this database, a sentence each; none where it can.

    `kept` names new rules for rows and changed columns, as `table.name`, that it is known to keep to.
    """
    now = await schema_of(connection)
    found: list[str] = []
    for statement in released.statements:
        try:
            again = await understood(connection, statement.sql, statement.module)
        except PostgresError as error:
            found.append(_told(statement, f"{error}. {CONTRACT}"))
            continue
        if again.parameters != statement.parameters:
            found.append(_told(statement, f"its parameters become {', '.join(again.parameters)}. {EXPAND}"))
        if again.row != statement.row:
            found.append(_told(statement, f"its row becomes {again.row}. {EXPAND}"))
        found += [_told(statement, fault) for fault in _unfilled(statement, now)]
    return found + list(_tightened(released.schema, now, set(kept)))


CONTRACT = "What the version before still reads or writes goes in a later release (contract)."
EXPAND = "The version before must go on with what a release adds or changes (expand)."
KEPT = f"{EXPAND} If it keeps to this, name it in KEPT of tests/upgrades/test_version_before.py with the reason."


def _told(statement: Understood, fault: str) -> str:
    return f"{statement.module}: {statement.sql[:160]}…: {fault}"


def _unfilled(statement: Understood, now: Schema) -> Iterable[str]:
    """Columns that an INSERT leaves out and nothing fills in."""
    for table, named in written(statement.sql):
        for name, column in now.columns.get(table, {}).items():
            if named and name not in named and column.is_required and column.default is None:
                yield f"{table}.{name} is required and has no default. {EXPAND}"


def _tightened(before: Schema, now: Schema, kept: set[str]) -> Iterable[str]:
    """What may now be refused of the rows that the version before writes."""
    for table, columns in now.columns.items():
        for name, column in columns.items():
            old = before.columns.get(table, {}).get(name)
            if old is None or f"{table}.{name}" in kept:
                continue
            if column.is_required and not old.is_required:
                yield f"{table}.{name} becomes NOT NULL: the version before may write NULL. {CONTRACT}"
            if column.type != old.type:
                yield f"{table}.{name} becomes {column.type} and was {old.type}. {KEPT}"
            if column.default != old.default:
                yield f"{table}.{name} gets the default {column.default} and had {old.default}. {KEPT}"
    old_rules = {(name.partition(".")[0], rule) for name, rule in before.rules.items()}
    for name, rule in now.rules.items():
        table = name.partition(".")[0]
        if table in before.columns and (table, rule) not in old_rules and name not in kept:
            yield f"{name} is new: {rule}. {KEPT}"
