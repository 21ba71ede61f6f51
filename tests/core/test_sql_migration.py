"""The first migration is SQL, and Piccolo still finds later changes of the models."""

from decimal import Decimal

import asyncpg
import pytest
from piccolo.apps.migrations.commands.new import AutoMigrationManager
from piccolo.columns import Array, ForeignKey
from piccolo.conf.apps import Finder
from piccolo.constraints import Check

from app.core import migrations
from app.core.sql_migration import sql_migration

SQL = """
CREATE TABLE shops ( -- Shop
    id varchar(20) PRIMARY KEY,
    "full" boolean NOT NULL DEFAULT false, -- a comment, with a comma
    total_raw numeric(78,0) NOT NULL DEFAULT 0,
    height bigint NOT NULL DEFAULT -1,
    tags varchar(30)[],
    CONSTRAINT shops_full_whole CHECK ("full" IN (true, false) AND
        total_raw >= 0)
);
CREATE INDEX shops_by_total ON shops (total_raw);

CREATE TABLE sales ( -- Sale
    id bigserial PRIMARY KEY,
    shop varchar(20) REFERENCES shops (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT sales_once UNIQUE (shop)
);
"""


def test_tables_are_read_from_the_sql() -> None:
    shops, sales = sql_migration("2026-01-31T09:30:00:000000", "swap_pay", "Shops", SQL).add_tables
    assert (shops.class_name, shops.tablename) == ("Shop", "shops")
    columns = {column._meta.name: column for column in [*shops.columns, *sales.columns]}
    assert columns["full"]._meta.params["default"] is False
    assert columns["total_raw"]._meta.params["default"] == Decimal(0)
    assert columns["height"]._meta.params["default"] == -1
    assert isinstance(columns["tags"], Array)
    assert columns["tags"]._meta.null
    shop = columns["shop"]
    assert isinstance(shop, ForeignKey)
    assert shop._foreign_key_meta.resolved_references._meta.tablename == "shops"
    assert [one._meta.name for one in [*shops.constraints, *sales.constraints]] == ["shops_full_whole", "sales_once"]


@pytest.mark.parametrize("line", ["id money NOT NULL", "CONSTRAINT shops_key PRIMARY KEY (id)", "LIKE other"])
def test_sql_that_cannot_be_read_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="that can be read"):
        sql_migration("2026-01-31T09:30:00:000000", "swap_pay", "", f"CREATE TABLE shops ( -- Shop\n    {line}\n);")


async def test_a_migration_cannot_be_reversed() -> None:
    with pytest.raises(RuntimeError, match="restore a backup"):
        await sql_migration("2026-01-31T09:30:00:000000", "swap_pay", "", SQL).run(backwards=True)


async def test_piccolo_finds_no_difference_between_models_and_migrations() -> None:
    """`piccolo migrations new --auto` would write nothing: a column that differs in schema.sql is found here."""
    found = await AutoMigrationManager().get_alter_statements(Finder().get_app_config("swap_pay"))
    assert [statement for one in found for statement in one.statements] == []


async def test_every_check_is_the_one_of_its_model(db: str) -> None:
    """Piccolo compares constraints by name alone. This test lets Postgres compare both texts."""
    connection = await asyncpg.connect(db)
    try:
        for table in Finder().get_app_config("swap_pay").table_classes:
            name = table._meta.tablename
            checks = [one for one in table._meta.constraints if isinstance(one, Check)]
            await connection.execute(f"CREATE TEMP TABLE twin (LIKE {name})")
            for check in checks:
                await connection.execute(
                    f"ALTER TABLE twin ADD CONSTRAINT {check._meta.name} CHECK ({check.condition})"
                )
            assert await _checks(connection, name) == await _checks(connection, "twin"), name
            await connection.execute("DROP TABLE twin")
    finally:
        await connection.close()


async def test_a_database_that_older_migrations_have_built_is_complete(database_url: str) -> None:
    """The first migration has the id of the last older one, so it isn't run on databases that have that one."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO migration (name, app_name) VALUES ('2026-11-24T18:00:00:000000', 'swap_pay')"
        )
    finally:
        await connection.close()
    assert (await migrations.migrate(database_url)).applied == ()


async def _checks(connection: asyncpg.Connection, table: str) -> dict[str, str]:
    rows = await connection.fetch(
        "SELECT conname, pg_get_constraintdef(oid) AS said FROM pg_constraint"
        f" WHERE conrelid = '{table}'::regclass AND contype = 'c'"
    )
    return {row["conname"]: row["said"] for row in rows}
