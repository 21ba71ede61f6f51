"""The pool: an address has one holder at a time and a cool-down, and the pool does not grow beyond its cap."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta

import asyncpg
import pytest

from app.addresses.service import FEWEST_AHEAD, AddressBook
from app.core import clock, database
from app.core.errors import ApiError, Code
from app.core.settings import Settings
from app.invoices.presentation import InvoiceBody
from app.merchants.terms import Terms
from app.wiring import Services, running, wire
from tests.factories.invoices import invoice
from tests.factories.merchants import terms


async def cancel(services: Services, merchant: Terms, made: InvoiceBody) -> None:
    await services.invoices.cancel(merchant.merchant_id, merchant.mode, made.id, clock.now())


async def test_open_invoices_never_share_an_address(services: Services) -> None:
    merchant = await terms(service_fee_bps=0)
    made = await asyncio.gather(*(invoice(services, merchant) for _ in range(150)))
    assert len({one.pay_in.address for one in made}) == 150


async def test_two_processes_never_reserve_the_same_address(services: Services) -> None:
    (network,) = services.networks
    before_the_fork = AddressBook()
    books = [AddressBook(), deepcopy(before_the_fork), deepcopy(before_the_fork)]
    taken = await asyncio.gather(*(book.take(network, clock.now()) for book in books for _ in range(70)))
    assert len({reservation.id for reservation in taken}) == 210
    assert len({reservation.holder for reservation in taken}) == 3


async def test_addresses_and_invoices_stay_in_the_database(services: Services) -> None:
    await invoice(services, await terms(service_fee_bps=0))
    for statement in (
        "DELETE FROM deposit_addresses WHERE invoice_id IS NULL",
        "TRUNCATE deposit_addresses CASCADE",
        "DELETE FROM invoices",
        "TRUNCATE invoices CASCADE",
        "UPDATE invoices SET id = 'INV-0000000000'",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.execute(statement)


@pytest.fixture
def small_pool(chain_settings: Callable[..., Settings], steady_clock: None) -> Settings:
    return chain_settings(pool_cap=2, cool_down_minutes=30)


async def test_a_full_pool_is_reported_and_an_address_cools_down_before_reuse(small_pool: Settings) -> None:
    async with running(wire(small_pool)) as services:
        merchant = await terms(service_fee_bps=0)
        first, second = await invoice(services, merchant), await invoice(services, merchant)
        with pytest.raises(ApiError) as refused:
            await invoice(services, merchant)
        assert refused.value.code == Code.POOL_EXHAUSTED

        await cancel(services, merchant, first)
        clock.shift(timedelta(minutes=29))
        with pytest.raises(ApiError):
            await invoice(services, merchant)
        clock.shift(timedelta(minutes=2))
        third = await invoice(services, merchant)
        assert third.pay_in.address == first.pay_in.address != second.pay_in.address
        assert (first.pay_in.cent_tail, third.pay_in.cent_tail) == (1, 2)


async def test_an_amount_at_an_address_belongs_to_one_invoice_for_a_month(small_pool: Settings) -> None:
    """There are 99 tails, so an address gets the same tail again; the same sum would then match two invoices."""
    async with running(wire(small_pool)) as services:
        merchant = await terms(service_fee_bps=0)
        first = await invoice(services, merchant)
        await cancel(services, merchant, first)
        await database.execute("UPDATE deposit_addresses SET lease_count = 99, available_at = created_at")
        others = [await invoice(services, merchant) for _ in range(1)]
        sums = {(one.pay_in.address, one.pay_in.amount_raw) for one in [first, *others]}
        assert len(sums) == 2


async def test_fresh_addresses_are_used_once_and_need_no_tail(
    chain_settings: Callable[..., Settings], steady_clock: None
) -> None:
    async with running(wire(chain_settings(address_mode="fresh"))) as services:
        merchant = await terms(service_fee_bps=0)
        first = await invoice(services, merchant)
        await cancel(services, merchant, first)
        clock.shift(timedelta(days=400))
        later = [await invoice(services, merchant) for _ in range(5)]
        assert first.pay_in.address not in {one.pay_in.address for one in later}
        assert (first.pay_in.cent_tail, first.pay_in.amount_raw) == (0, "5000000")


async def test_reservations_of_a_crashed_process_end(services: Services) -> None:
    (network,) = services.networks
    dead, alive = AddressBook(), AddressBook()
    held = {(await dead.take(network, clock.now())).id for _ in range(3)}
    assert (await alive.take(network, clock.now())).id not in held
    clock.shift(timedelta(minutes=2))
    again = {(await alive.take(network, clock.now())).id for _ in range(250)}
    assert held <= again


async def test_few_addresses_are_reserved_where_few_are_needed(
    services: Services,
) -> None:
    (network,) = services.networks
    book = AddressBook()
    for _ in range(7):  # an invoice every two minutes: what was reserved before has ended each time
        clock.shift(timedelta(minutes=2))
        first = await book.take(network, clock.now())
    held = "SELECT count(*) FROM deposit_addresses WHERE reserved_by = $1 AND reserved_until > $2"
    assert await database.fetch_value(held, first.holder, clock.now()) == FEWEST_AHEAD

    many = await asyncio.gather(*(book.take(network, clock.now()) for _ in range(300)))
    assert len({first.id, *(each.id for each in many)}) == 301
    await book.close()
