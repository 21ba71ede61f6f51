"""Kinds of columns for all tables: no silent defaults, no cascades.

Piccolo gives a NOT NULL column the default of its type ('' or 0) and a foreign key ON DELETE CASCADE. Here
Postgres refuses a row with a missing value, and a row that others refer to can't be deleted.
"""

from decimal import Decimal
from typing import Any

from piccolo.columns import (
    UUID,
    Array,
    BigInt,
    Boolean,
    Bytea,
    Column,
    ForeignKey,
    Integer,
    OnDelete,
    OnUpdate,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.columns.column_types import Numeric
from piccolo.columns.reference import LazyTableReference
from piccolo.constraints import Check

from app.core.money import MAX_DIGITS


def public_id() -> Varchar:
    """The primary key of a resource that the API names, such as `INV-0123456789`."""
    return Varchar(length=20, primary_key=True, default=None)


def words(length: int, *, null: bool = False, primary_key: bool = False) -> Varchar:
    """Text of at most `length` characters."""
    return Varchar(length=length, default=None, null=null, primary_key=primary_key)


def text(*, null: bool = False) -> Text:
    """Text without a limit of its own: JSON, ciphertexts, reasons."""
    return Text(default=None, null=null)


def raw_amount(*, null: bool = False) -> Numeric:
    """An amount in minor units: `numeric(78,0)`, an `int` in Python."""
    return Numeric(digits=(MAX_DIGITS, 0), default=None, null=null)


def raw_total() -> Numeric:
    """An amount in minor units that starts at zero."""
    return Numeric(digits=(MAX_DIGITS, 0), default=Decimal(0))


def number(*, null: bool = False) -> Integer:
    """A small whole number."""
    return Integer(default=None, null=null)


def big_number(*, null: bool = False) -> BigInt:
    """A whole number that grows for years: heights, sequences."""
    return BigInt(default=None, null=null)


def flag() -> Boolean:
    """Yes or no, never unknown."""
    return Boolean(default=None)


def switch() -> Boolean:
    """Yes or no; no by default."""
    return Boolean(default=False)


def moment(*, null: bool = False) -> Timestamptz:
    """A point in time, from `core.clock`."""
    return Timestamptz(default=None, null=null)


def digest(*, null: bool = False, primary_key: bool = False) -> Bytea:
    """Raw bytes of a hash."""
    return Bytea(default=None, null=null, primary_key=primary_key)


def uuid() -> UUID:
    """A UUID made by `core.ids`."""
    return UUID(default=None)


def word_list(length: int) -> Array:
    """A list of short words: scopes, event types."""
    return Array(base_column=Varchar(length=length), default=None)


def reference(table: type[Any] | str, *, null: bool = False) -> "ForeignKey[Any]":
    """A foreign key; a row that is referred to can't be deleted.

    Piccolo puts a copy of each column of `table` on it, for joins: by a lazy reference only when one is used.
    """
    lazily = table if isinstance(table, str) else LazyTableReference(table.__name__, module_path=table.__module__)
    return ForeignKey(
        references=lazily, default=None, null=null, on_delete=OnDelete.restrict, on_update=OnUpdate.restrict
    )


def one_of(column: Column | str, *allowed: str) -> Check:
    """A CHECK that a word is one of a few."""
    name = column if isinstance(column, str) else column._meta.name
    return Check(f'"{name}" IN ({", ".join(repr(word) for word in allowed)})')
