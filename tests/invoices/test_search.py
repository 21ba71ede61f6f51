"""How often a search looks at its places."""

from app.core import clock, database
from app.invoices.reading_repository import Filters
from app.reports.search import wanted
from app.wiring import Services
from tests.factories.invoices import invoice
from tests.factories.merchants import terms

COUNT = 300
TEXT = "abcdef"
"""It may be a part of each: an id, an order's id, an address, a transaction."""

COPY = """
    INSERT INTO invoices SELECT (json_populate_record(
        invoices,
        json_build_object('id', 'INV-' || n, 'order_id', $2 || n, 'created_at', created_at - n * interval '1 s')
    )).* FROM invoices, generate_series(1, $3::int) n WHERE id = $1
"""
SCANS = "SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_user_tables"


async def test_each_place_is_looked_at_once_in_a_table_that_was_not_analysed_yet(services: Services) -> None:
    merchant = await terms(service_fee_bps=80)
    first = await invoice(services, merchant, order_id=f"{TEXT}-0")
    await services.invoices.cancel(merchant.merchant_id, "test", first.id, clock.now())
    filters = Filters(search=wanted(f"{TEXT}-17", services.networks, "test", lambda address: address.encode()))
    async with database.transaction():
        await database.execute(COPY, first.id, f"{TEXT}-", COUNT)
        before = await database.fetch_value(SCANS)
        page = await services.invoice_reader.page(merchant.merchant_id, "test", filters, None, 20)
        total = await services.invoice_reader.total(merchant.merchant_id, "test", filters)
        assert await database.fetch_value(SCANS) - before < COUNT
    assert [each.order_id for each in page] == [f"{TEXT}-{number}" for number in (17, *range(170, 180))]
    assert total.counted == len(page)
