"""Exports: CSV that streams, a page of rows at a time, however many there are."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from litestar import get
from litestar.response import Stream

from app.cabinet import assets
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
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
from app.identity.identity import PageRequest
from app.invoices import reading_repository
from app.invoices.presentation import InvoiceBody
from app.invoices.reading_repository import Filters as InvoiceFilters
from app.ledger import repository as ledger
from app.ledger import verify
from app.ledger.hashchain import ChainId
from app.merchants.roles import Permission
from app.web.csv_text import BOM, MEDIA_TYPE, line
from app.wiring import Services
from app.withdrawals import presented_repository
from app.withdrawals.presented_repository import Filters as WithdrawalFilters
from app.worth.presentation import WorthBody

AT_ONCE = 500
"""Rows read at a time: they bound an export's memory, whatever its length."""

Rows = tuple[list[list[Any]], Place | None]
Pages = Callable[[Place | None], Awaitable[Rows]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A list that is exported as CSV. `rows` reads a page of its cells, given the merchant, the mode and filters of
    the type `filters`; `count` says how many rows there are, up to a limit where one is given."""

    name: str
    """Also the name of the list's file and its address."""
    one: str
    many: str
    filters: type[Any]
    columns: Sequence[str]
    rows: Callable[[Services, str, str, Any, Place | None], Awaitable[Rows]]
    count: Callable[[str, str, Any, int | None], Awaitable[int]]


_INVOICE_COLUMNS = [
    "id",
    "status",
    "needs_review",
    "order_id",
    "customer_id",
    "description",
    "chain",
    "asset",
    "amount",
    "pay_in_amount",
    "price",
    "price_currency",
    "worth",
    "worth_currency",
    "address",
    "service_fee_raw",
    "net_raw",
    "received_raw",
    "credited_raw",
    "refunded_raw",
    "txids",
    "created_at",
    "expires_at",
    "paid_at",
]

_WITHDRAWAL_COLUMNS = [
    "id",
    "status",
    "chain",
    "asset",
    "amount",
    "fee",
    "amount_raw",
    "fee_raw",
    "txid",
    "status_reason",
    "created_at",
    "approved_at",
    "submitted_at",
    "settled_at",
    "worth",
    "worth_currency",
]

_ENTRY_COLUMNS = [
    "seq",
    "created_at",
    "kind",
    "available_delta_raw",
    "locked_delta_raw",
    "available_after_raw",
    "locked_after_raw",
    "reference_type",
    "reference_id",
    "prev_hash",
    "hash",
]


def handlers(cabinet: Cabinet) -> list[Any]:
    """`exports/invoices.csv`, `exports/payouts.csv`, `exports/refunds.csv`, `exports/ledger/…`."""
    services = cabinet.services

    @get("/exports/invoices.csv", opt=needs(Permission.VIEW))
    async def invoices(request: PageRequest) -> Stream:
        ctx = context_of(request)
        filters = invoice_filters(cabinet, ctx, list_query(request, *INVOICE_FILTERS))

        return _csv(services, ctx, TABLES["invoices"], filters)

    @get("/exports/payouts.csv", opt=needs(Permission.VIEW))
    async def payouts(request: PageRequest) -> Stream:
        ctx = context_of(request)
        filters = withdrawal_filters(cabinet, ctx, list_query(request, *WITHDRAWAL_FILTERS))

        return _csv(services, ctx, TABLES["payouts"], filters)

    @get("/exports/refunds.csv", opt=needs(Permission.VIEW))
    async def refunds(request: PageRequest) -> Stream:
        ctx = context_of(request)
        filters = withdrawal_filters(cabinet, ctx, list_query(request, *WITHDRAWAL_FILTERS))

        return _csv(services, ctx, TABLES["refunds"], filters)

    @get("/exports/ledger/{name:str}", opt=needs(Permission.VIEW))
    async def ledger_entries(request: PageRequest, name: str) -> Stream:
        """`USDT@ethereum.csv`, or `.jsonl`: the form that anybody can verify (docs/ledger.md)."""
        ctx = context_of(request)
        stem, _, kind = name.rpartition(".")
        choice = assets.find(assets.every(services, ctx), stem)
        chain = choice and ChainId(owner=ctx.merchant_id, network=choice.network.key, asset=choice.asset.symbol)
        head = await ledger.head(chain) if chain else None
        if head is None or kind not in ("csv", "jsonl"):
            raise ApiError(Code.NOT_FOUND, "no such ledger")
        if kind == "jsonl":
            return stream(_lines(verify.export(head)), f"ledger-{stem}.jsonl", "application/jsonl")
        return stream(_entries(head), file_name(ctx, f"ledger-{stem}"), MEDIA_TYPE)

    return [invoices, payouts, refunds, ledger_entries]


def _csv(services: Services, ctx: MemberContext, table: Table, filters: Any) -> Stream:
    async def body() -> AsyncIterator[bytes]:
        yield BOM + line(table.columns)
        following: Place | None = None
        while True:
            with budget(limit_s()):  # each part by itself: a long export is not cut off
                page, following = await table.rows(services, ctx.merchant_id, ctx.mode, filters, following)
            yield b"".join(line(cells) for cells in page)
            if following is None:
                return

    return stream(body(), file_name(ctx, table.name), MEDIA_TYPE)


async def _entries(head: ledger.Head) -> AsyncIterator[bytes]:
    yield BOM + line(_ENTRY_COLUMNS)
    async for entry in ledger.entries(head.ledger):
        if entry.seq > head.state.seq:
            return
        values = [getattr(entry, name) for name in _ENTRY_COLUMNS if not name.startswith("reference_")]
        yield line([*values[:7], entry.reference.type, entry.reference.id, *values[7:]])


async def _lines(texts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for text in texts:
        yield f"{text}\n".encode()


def stream(body: AsyncIterator[bytes], file_name: str, media_type: str) -> Stream:
    """A file that the browser saves."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return Stream(body, media_type=media_type, headers=headers)


def file_name(ctx: MemberContext, what: str) -> str:
    """The name of an export's file."""
    return f"{what}-{ctx.merchant_id}-{ctx.mode}-{clock.now():%Y-%m-%d}.csv"


def _invoice_cells(invoice: InvoiceBody) -> list[Any]:
    pay_in, price = invoice.pay_in, invoice.price
    return [
        invoice.id,
        invoice.status.value,
        "yes" if invoice.needs_review else "no",
        invoice.order_id,
        invoice.customer_id,
        invoice.description,
        pay_in.chain if pay_in else None,
        pay_in.asset if pay_in else None,
        invoice.amount_decimal,
        pay_in.amount_decimal if pay_in else None,
        price.amount_decimal if price else None,
        price.currency if price else None,
        *_worth_cells(invoice.worth),
        pay_in.address if pay_in else None,
        invoice.service_fee_raw,
        invoice.net_raw,
        invoice.received_raw,
        invoice.credited_raw,
        invoice.refunded_raw,
        " ".join(deposit.txid for deposit in invoice.deposits),
        invoice.created_at,
        invoice.expires_at,
        invoice.paid_at,
    ]


def _worth_cells(worth: WorthBody | None) -> list[Any]:
    """Empty where the worth is not known."""
    return [None, None] if worth is None else [worth.amount_decimal, worth.currency]


def _withdrawal_cells(one: Any) -> list[Any]:
    return [
        one.id,
        one.status.value,
        one.chain,
        one.asset,
        one.amount_decimal,
        one.fee_decimal,
        one.amount_raw,
        one.fee_raw,
        one.txid,
        one.status_reason,
        one.created_at,
        one.approved_at,
        one.submitted_at,
        one.settled_at,
        *_worth_cells(one.worth),
    ]


async def _invoice_rows(
    services: Services, merchant_id: str, mode: str, filters: InvoiceFilters, place: Place | None
) -> Rows:
    page = await services.invoice_reader.page(merchant_id, mode, filters, place, AT_ONCE)
    return [_invoice_cells(invoice) for invoice in page], page.following


async def _payout_rows(
    services: Services, merchant_id: str, mode: str, filters: WithdrawalFilters, place: Place | None
) -> Rows:
    page = await services.withdrawal_reader.payouts(merchant_id, mode, filters, place, AT_ONCE)
    return [[*_withdrawal_cells(one), one.destination, one.description] for one in page], page.following


async def _refund_rows(
    services: Services, merchant_id: str, mode: str, filters: WithdrawalFilters, place: Place | None
) -> Rows:
    page = await services.withdrawal_reader.refunds(merchant_id, mode, filters, place, AT_ONCE)
    return [[*_withdrawal_cells(one), one.invoice_id, one.refund_address, one.reason] for one in page], page.following


TABLES: Mapping[str, Table] = MappingProxyType(
    {
        table.name: table
        for table in (
            Table(
                name="invoices",
                one="invoice",
                many="invoices",
                filters=InvoiceFilters,
                columns=_INVOICE_COLUMNS,
                rows=_invoice_rows,
                count=reading_repository.count,
            ),
            Table(
                name="payouts",
                one="payout",
                many="payouts",
                filters=WithdrawalFilters,
                columns=[*_WITHDRAWAL_COLUMNS, "destination", "description"],
                rows=_payout_rows,
                count=partial(presented_repository.count, "payout"),
            ),
            Table(
                name="refunds",
                one="refund",
                many="refunds",
                filters=WithdrawalFilters,
                columns=[*_WITHDRAWAL_COLUMNS, "invoice_id", "refund_address", "reason"],
                rows=_refund_rows,
                count=partial(presented_repository.count, "refund"),
            ),
        )
    }
)
"""What can be exported, by name."""
