"""Exports: CSV that streams, a page of rows at a time, however many there are."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Response, get
from litestar.response import Stream

from app.cabinet import assets, statement_files
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.export_columns import (
    ENTRY_COLUMNS,
    INVOICE_COLUMNS,
    WITHDRAWAL_COLUMNS,
    entry_cells,
    invoice_cells,
    withdrawal_cells,
)
from app.cabinet.guard import needs
from app.cabinet.invoices import FILTERS as INVOICE_FILTERS
from app.cabinet.invoices import filters_of as invoice_filters
from app.cabinet.lists import list_query
from app.cabinet.withdrawals import FILTERS as WITHDRAWAL_FILTERS
from app.cabinet.withdrawals import filters_of as withdrawal_filters
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.keyset import Place
from app.core.waiting import budget, limit_s
from app.core.zones import name_of
from app.identity.identity import PageRequest, visitor_of
from app.invoices import reading_repository
from app.invoices.reading_repository import Filters as InvoiceFilters
from app.ledger import repository as ledger
from app.ledger import verify
from app.ledger.hashchain import ChainId
from app.merchants.roles import Permission
from app.statements import service as statements
from app.statements.months import parse_month
from app.web.csv_text import BOM, MEDIA_TYPE, line
from app.web.standby_reads import FROM_STANDBY
from app.wiring import Services
from app.withdrawals import presented_repository
from app.withdrawals.presented_repository import Filters as WithdrawalFilters

AT_ONCE = 500
"""Rows read at a time: they bound an export's memory, whatever its length."""

_STATEMENT = re.compile(r"([0-9-]{7})(?:-([A-Z]{3})(-quickbooks)?)?\.csv", re.ASCII)
"""The name of a statement's file: its month, a currency, and the program that it is for."""

Rows = tuple[list[list[Any]], Place | None]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A list that is exported as CSV. `rows` reads a page of its cells with times in a zone, given the merchant, the
    mode and filters of the type `filters`; `count` says how many rows there are, up to a limit where one is given."""

    name: str
    """Also the name of the list's file and its address."""
    one: str
    many: str
    needed: Sequence[Permission]
    """What a member must be allowed to do to export it, and to have a file of it."""
    filters: type[Any]
    columns: Sequence[str]
    rows: Callable[[Services, str, str, Any, Place | None, tzinfo], Awaitable[Rows]]
    count: Callable[[str, str, Any, int | None], Awaitable[int]]


def handlers(cabinet: Cabinet) -> list[Any]:
    """`exports/invoices.csv`, `exports/payouts.csv`, `exports/refunds.csv`, `exports/ledger/…`,
    `exports/statements/…`."""
    services = cabinet.services

    def backwards(request: PageRequest) -> Response[Any]:
        words = "Nothing was exported: the day in “From” is after the one in “To”. Change one of them."
        return cabinet.identity.redirect(request, context_of(request).path("exports"), flash=words, tone="caution")

    @get("/exports/invoices.csv", opt=needs(*TABLES["invoices"].needed) | FROM_STANDBY)
    async def invoices(request: PageRequest) -> Response[Any]:
        ctx, zone = context_of(request), visitor_of(request).zone
        query = list_query(request, *INVOICE_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = invoice_filters(cabinet, ctx, query)

        return _csv(services, ctx, zone, TABLES["invoices"], filters)

    @get("/exports/payouts.csv", opt=needs(*TABLES["payouts"].needed) | FROM_STANDBY)
    async def payouts(request: PageRequest) -> Response[Any]:
        ctx, zone = context_of(request), visitor_of(request).zone
        query = list_query(request, *WITHDRAWAL_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = withdrawal_filters(cabinet, ctx, query)

        return _csv(services, ctx, zone, TABLES["payouts"], filters)

    @get("/exports/refunds.csv", opt=needs(*TABLES["refunds"].needed) | FROM_STANDBY)
    async def refunds(request: PageRequest) -> Response[Any]:
        ctx, zone = context_of(request), visitor_of(request).zone
        query = list_query(request, *WITHDRAWAL_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = withdrawal_filters(cabinet, ctx, query)

        return _csv(services, ctx, zone, TABLES["refunds"], filters)

    @get("/exports/ledger/{name:str}", opt=needs(Permission.EXPORTS_VIEW, Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def ledger_entries(request: PageRequest, name: str) -> Stream:
        """`USDT@ethereum.csv`, or `.jsonl`: the form that anybody can verify (docs/ledger.md)."""
        ctx = context_of(request)
        stem, _, kind = name.rpartition(".")
        choice = assets.find(assets.every(services, ctx), stem)
        chain = choice and ChainId(owner=ctx.merchant_id, network=choice.network.key, asset=choice.asset.symbol)
        head = await ledger.head(chain) if chain else None
        if choice is None or head is None or kind not in ("csv", "jsonl"):
            raise ApiError(Code.NOT_FOUND, "no such ledger")
        if kind == "jsonl":
            return stream(_lines(verify.export(head)), f"ledger-{stem}.jsonl", "application/jsonl")
        zone = visitor_of(request).zone
        return stream(_entries(head, choice.asset.decimals, zone), file_name(ctx, zone, f"ledger-{stem}"), MEDIA_TYPE)

    @get("/exports/statements/{name:str}", opt=needs(Permission.EXPORTS_VIEW, Permission.BOOKS_VIEW) | FROM_STANDBY)
    async def statement(request: PageRequest, name: str) -> Stream:
        """`2026-11.csv` has every line; `2026-11-EUR.csv` and `2026-11-EUR-quickbooks.csv` are for accounting
        (docs/statements.md)."""
        ctx = context_of(request)
        asked = _STATEMENT.fullmatch(name)
        month = asked and parse_month(asked[1])
        summed = asked is not None and asked[2] is not None
        found = month and await statements.of_month(ctx.merchant_id, ctx.mode, month, clock.now(), summed=summed)
        if not asked or not found or (asked[2] and asked[2] not in found.worths):
            raise ApiError(Code.NOT_FOUND, "there is no such statement")
        file = f"{ctx.merchant_id}-{ctx.mode}-{name}"
        if not asked[2]:
            return stream(statement_files.lines_csv(found), f"statement-{file}", MEDIA_TYPE)
        body = statement_files.bank_csv(found, asked[2], is_short=asked[3] is not None)
        return stream(body, f"bank-{file}", MEDIA_TYPE)

    return [invoices, payouts, refunds, ledger_entries, statement]


def _csv(services: Services, ctx: MemberContext, zone: tzinfo, table: Table, filters: Any) -> Stream:
    async def body() -> AsyncIterator[bytes]:
        yield BOM + line(table.columns)
        following: Place | None = None
        while True:
            with budget(limit_s()):  # each part by itself: a long export is not cut off
                page, following = await table.rows(services, ctx.merchant_id, ctx.mode, filters, following, zone)
            yield b"".join(line(cells) for cells in page)
            if following is None:
                return

    return stream(body(), file_name(ctx, zone, table.name), MEDIA_TYPE)


async def _entries(head: ledger.Head, decimals: int, zone: tzinfo) -> AsyncIterator[bytes]:
    yield BOM + line(ENTRY_COLUMNS)
    async for entry in ledger.entries(head.ledger):
        if entry.seq > head.state.seq:
            return
        yield line(entry_cells(entry, decimals, zone))


async def _lines(texts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for text in texts:
        yield f"{text}\n".encode()


def stream(body: AsyncIterator[bytes], file_name: str, media_type: str) -> Stream:
    """A file that the browser saves."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return Stream(body, media_type=media_type, headers=headers)


def file_name(ctx: MemberContext, zone: tzinfo, what: str) -> str:
    """The file's name, with today's date in the zone, and the zone."""
    today, place = clock.now().astimezone(zone), name_of(zone).replace("/", "-")
    return f"{what}-{ctx.merchant_id}-{ctx.mode}-{today:%Y-%m-%d}-{place}.csv"


async def _invoice_rows(
    services: Services, merchant_id: str, mode: str, filters: InvoiceFilters, place: Place | None, zone: tzinfo
) -> Rows:
    page = await services.invoice_reader.page(merchant_id, mode, filters, place, AT_ONCE)
    return [invoice_cells(invoice, services.networks, zone) for invoice in page], page.following


async def _payout_rows(
    services: Services, merchant_id: str, mode: str, filters: WithdrawalFilters, place: Place | None, zone: tzinfo
) -> Rows:
    page = await services.withdrawal_reader.payouts(merchant_id, mode, filters, place, AT_ONCE)
    return [[*withdrawal_cells(one, zone), one.destination, one.description] for one in page], page.following


async def _refund_rows(
    services: Services, merchant_id: str, mode: str, filters: WithdrawalFilters, place: Place | None, zone: tzinfo
) -> Rows:
    page = await services.withdrawal_reader.refunds(merchant_id, mode, filters, place, AT_ONCE)
    return [
        [*withdrawal_cells(one, zone), one.invoice_id, one.refund_address, one.reason] for one in page
    ], page.following


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table(
                name="invoices",
                one="invoice",
                many="invoices",
                needed=(Permission.EXPORTS_VIEW, Permission.VIEW),
                filters=InvoiceFilters,
                columns=INVOICE_COLUMNS,
                rows=_invoice_rows,
                count=reading_repository.count,
            ),
            Table(
                name="payouts",
                one="payout",
                many="payouts",
                needed=(Permission.EXPORTS_VIEW, Permission.PAYOUTS_VIEW),
                filters=WithdrawalFilters,
                columns=[*WITHDRAWAL_COLUMNS, "destination", "description"],
                rows=_payout_rows,
                count=partial(presented_repository.count, "payout"),
            ),
            Table(
                name="refunds",
                one="refund",
                many="refunds",
                needed=(Permission.EXPORTS_VIEW, Permission.VIEW),
                filters=WithdrawalFilters,
                columns=[*WITHDRAWAL_COLUMNS, "invoice_id", "refund_address", "reason"],
                rows=_refund_rows,
                count=partial(presented_repository.count, "refund"),
            ),
        )
    }
)
"""What can be exported, by name."""
