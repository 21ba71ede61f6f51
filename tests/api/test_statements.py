"""How many statements the hot paths cost Postgres: each is a round trip, and there must not creep in another."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.core import database
from tests.api.conftest import Integrator


@asynccontextmanager
async def statements() -> AsyncIterator[list[str]]:
    """The statements that the one open connection of the pool runs meanwhile."""
    seen: list[str] = []

    def note(record: Any) -> None:
        seen.append(" ".join(record.query.split()))

    async with database.pool().acquire() as connection:
        connection.add_query_logger(note)
        bare = connection._con
    try:
        yield seen
    finally:
        bare.remove_query_logger(note)


async def counted(ask: Callable[[], Awaitable[httpx.Response]]) -> list[str]:
    """What one request runs, one after the other, once everything is warm."""
    for _ in range(3):  # the pool may open a second connection meanwhile, and each learns a statement's types once
        await ask()
        await asyncio.sleep(0.2)  # the refill of addresses, the key's last use: beside the request, now and then
    async with statements() as seen:
        answer = await ask()
        assert answer.status_code < 300, answer.text
    return seen


async def test_a_creation_costs_the_key_and_one_statement(integrator: Integrator) -> None:
    numbers = iter(range(1_000))
    body = {"amount": "5", "currency": "USDT", "chain": "ethereum"}
    seen = await counted(lambda: integrator.post("/invoices", body, once=f"k{next(numbers)}"))
    assert len(seen) == 2, seen
    assert 'FROM "api_keys"' in seen[0]
    assert seen[1].startswith("WITH permitted AS")


async def test_a_read_costs_the_key_and_one_statement(integrator: Integrator) -> None:
    made = await integrator.invoice("k")
    seen = await counted(lambda: integrator.get(f"/invoices/{made['id']}"))
    assert len(seen) == 2, seen


async def test_a_page_of_the_list_costs_the_key_and_one_statement(integrator: Integrator) -> None:
    for n in range(5):
        await integrator.invoice(f"k{n}")
    seen = await counted(lambda: integrator.get("/invoices", limit=3))
    assert len(seen) == 2, seen


async def test_the_checkout_page_costs_one_statement(integrator: Integrator) -> None:
    made = await integrator.invoice("k")
    path = made["payment_url"].removeprefix("https://pay.example.test")
    seen = await counted(lambda: integrator.client.get(path))
    assert len(seen) == 1, seen
