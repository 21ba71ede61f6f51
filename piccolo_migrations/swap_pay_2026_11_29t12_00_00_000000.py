"""Sweeps that take energy, loans of energy, and what operators decide on them: timed_sweeps.sql.

What the SQL adds to a table that is there is declared here once more, for Piccolo's picture of the tables.
"""

from piccolo.columns import Boolean, Numeric, Timestamptz, Varchar
from piccolo.columns.base import Column
from piccolo.constraints import Check

from app.core.resources import MIGRATIONS
from app.core.sql_migration import SqlMigration, sql_migration

ID = "2026-11-29T12:00:00:000000"
DESCRIPTION = "Sweeps that take energy"

TABLE = {"table_class_name": "SweepCandidate", "tablename": "sweep_candidates"}


async def forwards() -> SqlMigration:
    """What Piccolo runs on a database that the earlier migrations have made."""
    migration = sql_migration(
        ID,
        "swap_pay",
        DESCRIPTION,
        (MIGRATIONS / "timed_sweeps.sql").read_text(),
        earlier=(MIGRATIONS / "schema.sql").read_text(),
    )

    def added(column: str, column_class: type[Column], **params: object) -> None:
        known = {"default": None, "null": True, **params}
        migration.add_column(**TABLE, column_name=column, column_class=column_class, params=known)

    added("amount_raw", Numeric, digits=(78, 0))
    added("way", Varchar, length=8)
    added("cost_raw", Numeric, digits=(78, 0))
    added("is_dear", Boolean, default=False, null=False)
    added("looked_at", Timestamptz)
    for name in ("sweep_candidates_way_known", "sweep_candidates_look_whole"):
        migration.add_constraint(**TABLE, constraint_name=name, constraint_class=Check, params={"condition": ""})
    return migration
