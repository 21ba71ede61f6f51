"""Two processes write the same invoices at the same time, as when a shop sends a whole batch again through another
connection. Their statements have many rows, in opposite order: one waits for the other, and neither for both."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from app.core import clock, database
from app.core.errors import ApiError, Code
from app.invoices import creation_repository
from app.invoices.creation import NewInvoice
from app.merchants.terms import Terms
from app.web.idempotency import Made, Replay, create_once, replay_of
from app.wiring import Services, wire
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

COUNT = 12

Asked = tuple[NewInvoice, Replay]


@pytest.fixture
async def merchant(services: Services) -> Terms:
    return await terms(service_fee_bps=80)


@pytest.fixture
async def other_process(services: Services) -> Services:
    """The use cases of a second process, with batches and addresses of its own. The pool of connections is the same."""
    return wire(services.settings)


@pytest.fixture(autouse=True)
def deadlocks_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a deadlock ends is written again, which nobody would notice but by the second that it takes."""
    clashes = (asyncpg.UniqueViolationError, asyncpg.LockNotAvailableError)
    assert {*clashes, asyncpg.DeadlockDetectedError} == {*creation_repository.CLASHES}
    monkeypatch.setattr(creation_repository, "CLASHES", clashes)


async def test_the_same_idempotency_keys_in_opposite_order(
    services: Services, other_process: Services, merchant: Terms, database_url: str
) -> None:
    first = [asked(merchant, key=f"order {number}") for number in range(COUNT)]
    second = [*first[:-1], asked(merchant, key=f"order {COUNT - 1}", amount="6.00")]
    held = sorted(first, key=lambda pair: pair[1].id)[COUNT // 2][1]
    record = "INSERT INTO idempotency_records VALUES ($1, $2, '', 201, '', now())"

    answers, again = await at_once(
        (services, first), (other_process, second[::-1]), merchant, database_url, record, held.id, merchant.merchant_id
    )

    again.reverse()
    assert again.pop() == Code.IDEMPOTENCY_KEY_REUSED_DIFFERENT_BODY
    assert [made(each).is_replay for each in (*answers, *again)] == [False] * COUNT + [True] * (COUNT - 1)
    assert [made(each).body for each in again] == [made(each).body for each in answers[:-1]]
    await assert_written(answers)


async def test_the_same_order_ids_in_opposite_order(
    services: Services, other_process: Services, merchant: Terms, database_url: str
) -> None:
    names = [f"order {number:02}" for number in range(COUNT)]
    first = [asked(merchant, key=f"first {name}", order_id=name) for name in names]
    second = [asked(merchant, key=f"second {name}", order_id=name) for name in names]
    copied = await invoice(services, merchant, order_id="other")
    await services.invoices.cancel(merchant.merchant_id, "test", copied.id, clock.now())
    held = """
        INSERT INTO invoices SELECT (json_populate_record(
            invoices, json_build_object('id', 'INV-HELD', 'order_id', $2::text, 'holds_order_id', true)
        )).* FROM invoices WHERE id = $1
    """

    answers, again = await at_once(
        (services, first), (other_process, second[::-1]), merchant, database_url, held, copied.id, names[COUNT // 2]
    )

    assert Counter(again) == {Code.DUPLICATE_ORDER_ID: COUNT}
    assert not any(made(each).is_replay for each in answers)
    await assert_written(answers, but=copied.id)


def asked(merchant: Terms, *, key: str, amount: str = "5.00", order_id: str | None = None) -> Asked:
    """A request, and the record of its idempotency key."""
    new = NewInvoice(amount=amount, currency="USDT", chain="ethereum", order_id=order_id, expires_in=timedelta(hours=1))
    body = {"amount": amount, "order_id": order_id}
    return new, replay_of(key, merchant_id=merchant.merchant_id, mode="test", endpoint="invoices", body=body)


async def at_once(
    one: tuple[Services, Sequence[Asked]],
    other: tuple[Services, Sequence[Asked]],
    merchant: Terms,
    database_url: str,
    statement: str,
    *arguments: object,
) -> tuple[list[Made | Code], list[Made | Code]]:
    """The answers of two processes, each of which writes its requests in one statement. A third transaction holds one
    of their keys by `statement` until both wait: so both have begun, and neither is done."""
    for services, _ in (one, other):
        await invoice(services, merchant)  # it has addresses now
    third = await asyncpg.connect(database_url)
    try:
        holding = third.transaction()
        await holding.start()
        await third.execute(statement, *arguments)
        running = []
        for number, (services, requests) in enumerate((one, other), 1):
            running.append(asyncio.gather(*(answer(services, merchant, each) for each in requests)))
            await until_waiting(number)
        await holding.rollback()
        answers = await asyncio.gather(*running)
    finally:
        await third.close()
    return answers[0], answers[1]


async def answer(services: Services, merchant: Terms, asked: Asked) -> Made | Code:
    new, replay = asked
    try:
        return await create_once(
            replay, lambda replay: services.invoice_creation.create(merchant, new, replay, clock.now())
        )
    except ApiError as error:
        return error.code


async def until_waiting(statements: int) -> None:
    """Until so many statements wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(20):
        while await database.fetch_value(waiting) != statements:
            await asyncio.sleep(0.01)


def made(answer: Made | Code) -> Made:
    assert isinstance(answer, Made)
    return answer


async def assert_written(answers: Sequence[Made | Code], *, but: str | None = None) -> None:
    """Each has its invoice with an event, a record and an address. All others are the two of `at_once`, and `but`."""
    ids = {json.loads(made(each).body)["id"] for each in answers}
    assert len(ids) == COUNT
    others = 2 if but is None else 3
    counts = {
        "SELECT count(*) FROM invoices": COUNT + others,
        "SELECT count(*) FROM events WHERE type = 'invoice.created'": COUNT + others,
        "SELECT count(*) FROM idempotency_records": COUNT,
        "SELECT count(*) FROM deposit_addresses WHERE invoice_id IS NOT NULL": COUNT + 2,
    }
    assert {statement: await database.fetch_value(statement) for statement in counts} == counts
    assert ids <= {row["id"] for row in await database.fetch_all("SELECT id FROM invoices")}
