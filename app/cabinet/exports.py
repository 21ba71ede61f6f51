"""Exports: CSV that streams, a page of rows at a time, however many there are."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import tzinfo
from typing import Any

from litestar import Response, get
from litestar.response import Stream

from app.cabinet import assets, labels
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
from app.ledger import repository as ledger
from app.ledger import verify
from app.ledger.hashchain import ChainId
from app.merchants.roles import Permission
from app.web.csv_text import BOM, MEDIA_TYPE, line

AT_ONCE = 500
"""Rows read at a time: they bound an export's memory, whatever its length."""

Rows = tuple[list[list[Any]], Place | None]
Pages = Callable[[Place | None], Awaitable[Rows]]


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
        ctx, zone = context_of(request), visitor_of(request).zone
        query = list_query(request, *INVOICE_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = invoice_filters(cabinet, ctx, query)

        async def rows(place: Place | None) -> Rows:
            page = await services.invoice_reader.page(ctx.merchant_id, ctx.mode, filters, place, AT_ONCE)
            return [invoice_cells(invoice, services.networks, zone) for invoice in page], page.following

        return _csv(ctx, zone, "invoices", INVOICE_COLUMNS, rows)

    @get("/exports/payouts.csv", opt=needs(Permission.VIEW))
    async def payouts(request: PageRequest) -> Response[Any]:
        ctx, zone = context_of(request), visitor_of(request).zone
        query = list_query(request, *WITHDRAWAL_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = withdrawal_filters(cabinet, ctx, query)

        async def rows(place: Place | None) -> Rows:
            page = await services.withdrawal_reader.payouts(ctx.merchant_id, ctx.mode, filters, place, AT_ONCE)
            return [[*withdrawal_cells(one, zone), one.destination, one.description] for one in page], page.following

        return _csv(ctx, zone, "payouts", [*WITHDRAWAL_COLUMNS, "destination", "description"], rows)

    @get("/exports/refunds.csv", opt=needs(Permission.VIEW))
    async def refunds(request: PageRequest) -> Response[Any]:
        ctx, zone = context_of(request), visitor_of(request).zone
        query = list_query(request, *WITHDRAWAL_FILTERS)
        if query.is_backwards:
            return backwards(request)
        filters = withdrawal_filters(cabinet, ctx, query)

        async def rows(place: Place | None) -> Rows:
            page = await services.withdrawal_reader.refunds(ctx.merchant_id, ctx.mode, filters, place, AT_ONCE)
            return [
                [*withdrawal_cells(one, zone), one.invoice_id, one.refund_address, one.reason] for one in page
            ], page.following

        return _csv(ctx, zone, "refunds", [*WITHDRAWAL_COLUMNS, "invoice_id", "refund_address", "reason"], rows)

    @get("/exports/ledger/{name:str}", opt=needs(Permission.VIEW))
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
            return _stream(_lines(verify.export(head)), f"ledger-{stem}.jsonl", "application/jsonl")
        zone = visitor_of(request).zone
        return _stream(_entries(head, choice.asset.decimals, zone), _file_name(ctx, zone, f"ledger-{stem}"), MEDIA_TYPE)

    return [exports, invoices, payouts, refunds, ledger_entries]


def _csv(ctx: MemberContext, zone: tzinfo, what: str, columns: Sequence[str], rows: Pages) -> Stream:
    async def body() -> AsyncIterator[bytes]:
        yield BOM + line(columns)
        following: Place | None = None
        while True:
            with budget(limit_s()):  # each part by itself: a long export is not cut off
                page, following = await rows(following)
            yield b"".join(line(cells) for cells in page)
            if following is None:
                return

    return _stream(body(), _file_name(ctx, zone, what), MEDIA_TYPE)


async def _entries(head: ledger.Head, decimals: int, zone: tzinfo) -> AsyncIterator[bytes]:
    yield BOM + line(ENTRY_COLUMNS)
    async for entry in ledger.entries(head.ledger):
        if entry.seq > head.state.seq:
            return
        yield line(entry_cells(entry, decimals, zone))


async def _lines(texts: AsyncIterator[str]) -> AsyncIterator[bytes]:
    async for text in texts:
        yield f"{text}\n".encode()


def _stream(body: AsyncIterator[bytes], file_name: str, media_type: str) -> Stream:
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "Cache-Control": "no-store"}
    return Stream(body, media_type=media_type, headers=headers)


def _file_name(ctx: MemberContext, zone: tzinfo, what: str) -> str:
    """The file's name, with today's date in the zone, and the zone."""
    today, place = clock.now().astimezone(zone), name_of(zone).replace("/", "-")
    return f"{what}-{ctx.merchant_id}-{ctx.mode}-{today:%Y-%m-%d}-{place}.csv"
