"""Requests that arrive together share statements and commits, and each gets its own answer."""

import asyncio
import json
from collections import Counter

import httpx

from app.core import database
from tests.api.conftest import INVOICE, Integrator, NewIntegrator
from tests.api.test_statements import statements


def outcome(answer: httpx.Response) -> str:
    """The error's code, or the status."""
    error = answer.json().get("error")
    return str(error["code"] if error else answer.status_code)


async def test_a_clash_fails_only_those_that_clash(integrator: Integrator, new_integrator: NewIntegrator) -> None:
    other = await new_integrator()
    await database.execute("UPDATE merchant_assets SET min_raw = 6000000 WHERE merchant = $1", other.merchant_id)
    much = {"amount": "20.000000000000000001", "currency": "ETH"}  # more wei than 64 bits hold
    requests = [integrator.post("/invoices", INVOICE | much, once="much")]
    requests += [integrator.post("/invoices", INVOICE, once=f"plain {n}") for n in range(20)]
    requests += [integrator.post("/invoices", INVOICE | {"order_id": "1042"}, once=f"order {n}") for n in range(10)]
    requests += [integrator.post("/invoices", INVOICE | {"chain": "tron"}, once=f"chain {n}") for n in range(5)]
    requests += [integrator.post("/invoices", INVOICE | {"amount": "7"}, once="twin") for _ in range(5)]
    requests += [other.post("/invoices", INVOICE | {"order_id": "1042", "amount": "6"}, once="plain 0")]
    requests += [other.post("/invoices", INVOICE, once=f"little {n}") for n in range(3)]

    answers = await asyncio.gather(*requests)

    assert Counter(map(outcome, answers)) == {
        "201": 1 + 20 + 1 + 5 + 1,
        "DUPLICATE_ORDER_ID": 9,
        "PAY_IN_ASSET_NOT_ALLOWED": 5,
        "AMOUNT_TOO_SMALL": 3,
    }
    made = {answer.json()["id"]: answer for answer in answers if answer.status_code == 201}
    assert len(made) == 1 + 20 + 1 + 1 + 1
    assert answers[0].json()["amount_raw"] == "20000000000000000001"
    assert len({answer.json()["pay_in"]["address"] for answer in made.values()}) == len(made)
    for noun, key in (("invoices", "id"), ("events", "subject_id")):
        assert {row[key] for row in await database.fetch_all(f"SELECT {key} FROM {noun}")} == set(made)
    assert await database.fetch_value("SELECT count(*) FROM idempotency_records") == len(made)
    for invoice_id, answer in made.items():
        shown = await (other if answer is answers[-4] else integrator).get(f"/invoices/{invoice_id}")
        assert shown.json() == answer.json()
        stored = await database.fetch_value("SELECT data FROM events WHERE subject_id = $1", invoice_id)
        assert json.loads(stored) == {"invoice_id": invoice_id, **answer.json()}


async def test_thirty_creations_at_once_cost_few_statements(integrator: Integrator) -> None:
    async with statements() as seen:
        answers = await asyncio.gather(*(integrator.post("/invoices", INVOICE, once=str(n)) for n in range(30)))
    assert {answer.status_code for answer in answers} == {201}
    assert sum("INSERT INTO invoices" in statement for statement in seen) <= 10, seen


async def test_reads_at_once_each_get_their_own_answer(integrator: Integrator, new_integrator: NewIntegrator) -> None:
    other = await new_integrator()
    own, foreign = await integrator.invoice("k"), await other.invoice("k")
    unknown = {"INV-0000000000", "INV-%D8%00", "INV-\N{SNOWMAN}", "x" * 300}

    requests = [integrator.get(f"/invoices/{made['id']}") for made in (own, foreign) for _ in range(10)]
    requests += [other.get(f"/invoices/{made['id']}") for made in (own, foreign) for _ in range(10)]
    requests += [integrator.get(f"/invoices/{invoice_id}") for invoice_id in unknown]
    answers = await asyncio.gather(*requests)

    assert [answer.status_code for answer in answers] == [200] * 10 + [404] * 20 + [200] * 10 + [404] * len(unknown)
    assert {answer.content for answer in answers[:10]} == {(await integrator.get(f"/invoices/{own['id']}")).content}
    assert {answer.json()["id"] for answer in answers[30:40]} == {foreign["id"]}


async def test_fifty_reads_at_once_cost_far_less_than_a_statement_each(integrator: Integrator) -> None:
    made = await integrator.invoice("k")
    await integrator.get(f"/invoices/{made['id']}")
    connections = [await database.pool().acquire() for _ in range(database.pool().get_max_size() - 1)]
    try:
        async with statements() as seen:
            answers = await asyncio.gather(*(integrator.get(f"/invoices/{made['id']}") for _ in range(50)))
    finally:
        for connection in connections:
            await database.pool().release(connection)
    assert {answer.status_code for answer in answers} == {200}
    assert sum("FROM invoices" in statement for statement in seen) <= 10, seen
