"""The number of SQL statements of the hot paths. Each is a round trip, so the number must not grow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from app.core import database
from tests.api.conftest import Integrator


@asynccontextmanager
async def statements() -> AsyncIterator[list[str]]:
    """Collect the statements that the pool's open connections run inside the block."""
    statements_run: list[str] = []

    def note(record: Any) -> None:
        statements_run.append(" ".join(record.query.split()))

    open_ones = [holder._con for holder in database.pool()._holders if holder._con is not None]
    for connection in open_ones:
        connection.add_query_logger(note)
    try:
        yield statements_run
    finally:
        for connection in open_ones:
            connection.remove_query_logger(note)


async def counted(request: Callable[[], Awaitable[httpx.Response]]) -> list[str]:
    """The statements of one request, in order, after some requests to warm up."""
    for _ in range(3):  # the pool may open a second connection meanwhile, and each learns a statement's types once
        await request()
        await asyncio.sleep(0.2)
    async with statements() as statements_run:
        async with asyncio.timeout(30):  # the refill of addresses, the key's last use: beside the request, now and then
            while statements_run or not await _is_quiet(statements_run):
                statements_run.clear()
        answer = await request()
        await asyncio.sleep(0)  # the driver logs in the loop's next step
        assert answer.status_code < 300, answer.text
    return statements_run


async def _is_quiet(statements_run: list[str]) -> bool:
    """Whether nothing runs for a moment."""
    await asyncio.sleep(0.2)
    return not statements_run


async def test_a_creation_costs_the_key_and_one_statement(integrator: Integrator) -> None:
    numbers = iter(range(1_000))
    body = {"amount": "5", "currency": "USDT", "chain": "ethereum"}
    statements_run = await counted(lambda: integrator.post("/invoices", body, once=f"k{next(numbers)}"))
    assert len(statements_run) == 2, statements_run
    assert 'FROM "api_keys"' in statements_run[0]
    assert statements_run[1].startswith("WITH new AS")


async def test_a_read_costs_the_key_and_one_statement(integrator: Integrator) -> None:
    made = await integrator.invoice("k")
    statements_run = await counted(lambda: integrator.get(f"/invoices/{made['id']}"))
    assert len(statements_run) == 2, statements_run


async def test_a_page_of_the_list_costs_the_key_and_one_statement(integrator: Integrator) -> None:
    for n in range(5):
        await integrator.invoice(f"k{n}")
    statements_run = await counted(lambda: integrator.get("/invoices", limit=3))
    assert len(statements_run) == 2, statements_run


async def test_the_checkout_page_costs_one_statement(integrator: Integrator) -> None:
    made = await integrator.invoice("k")
    path = made["payment_url"].removeprefix("https://pay.example.test")
    statements_run = await counted(lambda: integrator.client.get(path))
    assert len(statements_run) == 1, statements_run
