"""How invoices are read: Postgres keeps the plan of a statement that each page and each API read sends."""

from app.core import database
from app.invoices import reading_repository

READS = 10
"""Postgres decides after five."""

MADE_ANEW = 5


async def test_reads_of_named_invoices_keep_their_plan(db: str) -> None:
    async with database.transaction():  # its statements have one connection
        for _ in range(READS):
            assert await reading_repository.find_public(["INV-0000000000"]) == [None]
            assert await reading_repository.find_owned([("MCH-0000000000", "test", "INV-0000000000")]) == [None]
            assert await reading_repository.find(["INV-0000000000"]) == {}
        plans = await database.fetch_all(
            "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE $1",
            "%FROM invoices i%",
        )
    assert [tuple(plan) for plan in plans] == [(MADE_ANEW, READS - MADE_ANEW)] * 3
