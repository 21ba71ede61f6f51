"""Exports: CSV that streams, a page of rows at a time, however many there are."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from litestar import Response, get
from litestar.response import Stream

from app.cabinet import assets, labels
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
from app.invoices.presentation import InvoiceBody
from app.ledger import repository as ledger
from app.ledger import verify
from app.ledger.hashchain import ChainId
from app.merchants.roles import Permission
from app.web.csv_text import BOM, MEDIA_TYPE, line
from app.worth.presentation import WorthBody

AT_ONCE = 500
"""Rows read at a time: they bound an export's memory, whatever its length."""

Rows = tuple[list[list[Any]], Place | None]
Pages = Callable[[Place | None], Awaitable[Rows]]

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
    """`exports`, `exports/invoices.csv`, `exports/payouts.csv`, `exports/refunds.csv`, `exports/ledger/…`."""
    services = cabinet.services

    @get("/exports", opt=needs(Permission.VIEW))
    async def exports(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        heads = {(head.chain.network, head.chain.asset) for head in await ledger.heads(ctx.merchant_id)}
        every = assets.every(services, ctx)
        context = {
            "assets": assets.options(every),
            "ledgers": [one for one in every if (one.network.key, one.asset.symbol) in heads],
            "invoice_states": list(labels.INVOICE_STATES.items()),
            "withdrawal_states": list(labels.WITHDRAWAL_STATES.items()),
        }
        return await cabinet.page(request, "cabinet/exports.html", context)

    def backwards(request: PageRequest) -> Response[Any]:
        words = "Nothing was exported: the day in “From” is after the one in “To”. Change one of them."
        return cabinet.identity.redirect(request, context_of(request).path("exports"), flash=words, tone="caution")

    @get("/exports/invoices.csv", opt=needs(Permission.VIEW))
    async def invoices(request: PageRequest) -> Response[Any]:
        ctx, query = context_of(request), list_query(request, *INVOICE_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = invoice_filters(cabinet, ctx, query)

        async def rows(place: Place | None) -> Rows:
            page = await services.invoice_reader.page(ctx.merchant_id, ctx.mode, filters, place, AT_ONCE)
            return [_invoice_cells(invoice) for invoice in page], page.following

        return _csv(ctx, "invoices", _INVOICE_COLUMNS, rows)

    @get("/exports/payouts.csv", opt=needs(Permission.VIEW))
    async def payouts(request: PageRequest) -> Response[Any]:
        ctx, query = context_of(request), list_query(request, *WITHDRAWAL_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = withdrawal_filters(cabinet, ctx, query)

        async def rows(place: Place | None) -> Rows:
            page = await services.withdrawal_reader.payouts(ctx.merchant_id, ctx.mode, filters, place, AT_ONCE)
            return [[*_withdrawal_cells(one), one.destination, one.description] for one in page], page.following

        return _csv(ctx, "payouts", [*_WITHDRAWAL_COLUMNS, "destination", "description"], rows)

    @get("/exports/refunds.csv", opt=needs(Permission.VIEW))
    async def refunds(request: PageRequest) -> Response[Any]:
        ctx, query = context_of(request), list_query(request, *WITHDRAWAL_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = withdrawal_filters(cabinet, ctx, query)

        async def rows(place: Place | None) -> Rows:
            page = await services.withdrawal_reader.refunds(ctx.merchant_id, ctx.mode, filters, place, AT_ONCE)
            return [
                [*_withdrawal_cells(one), one.invoice_id, one.refund_address, one.reason] for one in page
            ], page.following

        return _csv(ctx, "refunds", [*_WITHDRAWAL_COLUMNS, "invoice_id", "refund_address", "reason"], rows)

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
            return _stream(_lines(verify.export(head)), f"ledger-{stem}.jsonl", "application/jsonl")
        return _stream(_entries(head), _file_name(ctx, f"ledger-{stem}"), MEDIA_TYPE)

    return [exports, invoices, payouts, refunds, ledger_entries]


def _csv(ctx: MemberContext, what: str, columns: Sequence[str], rows: Pages) -> Stream:
    async def body() -> AsyncIterator[bytes]:
        yield BOM + line(columns)
        following: Place | None = None
        while True:
            with budget(limit_s()):  # each part by itself: a long export is not cut off
                page, following = await rows(following)
            yield b"".join(line(cells) for cells in page)
            if following is None:
                return

    return _stream(body(), _file_name(ctx, what), MEDIA_TYPE)


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


def _stream(body: AsyncIterator[bytes], file_name: str, media_type: str) -> Stream:
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return Stream(body, media_type=media_type, headers=headers)


def _file_name(ctx: MemberContext, what: str) -> str:
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
