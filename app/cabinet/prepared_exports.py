"""The page of exports, and files that a worker prepares because they are long."""

from typing import Any

from litestar import Response, get

from app.cabinet import assets, labels, work
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.exports import TABLES, Table, file_name
from app.cabinet.guard import needs
from app.cabinet.invoices import FILTERS as INVOICE_FILTERS
from app.cabinet.invoices import filters_of as invoice_filters
from app.cabinet.labels import plural
from app.cabinet.lists import list_query
from app.cabinet.withdrawals import FILTERS as WITHDRAWAL_FILTERS
from app.cabinet.withdrawals import filters_of as withdrawal_filters
from app.cabinet.works import EXPORT, export_request
from app.core import clock
from app.core.errors import ApiError
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest, visitor_of
from app.identity.lists import ListQuery
from app.jobs import repository
from app.jobs import service as jobs
from app.ledger import repository as ledger
from app.merchants.roles import Permission
from app.web.standby_reads import FROM_STANDBY

AT_ONCE = 5_000
"""Rows that are downloaded without more ado; a longer file can be prepared, with its progress."""

COUNTED = 100_000
"""A count of rows stops there."""

FILES_SHOWN = 10


def handlers(cabinet: Cabinet) -> list[Any]:
    """`exports`, `exports/invoices`, `exports/payouts`, `exports/refunds`."""
    services = cabinet.services

    @get("/exports", opt=needs(Permission.EXPORTS_VIEW))
    async def exports(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        heads = {(head.chain.network, head.chain.asset) for head in await ledger.heads(ctx.merchant_id)}
        every = assets.every(services, ctx)
        newest = await repository.newest(ctx.merchant_id, ctx.mode, work.FILE_KINDS, FILES_SHOWN)
        context = {
            "assets": assets.options(every),
            "ledgers": [one for one in every if (one.network.key, one.asset.symbol) in heads],
            "invoice_states": list(labels.INVOICE_STATES.items()),
            "withdrawal_states": list(labels.WITHDRAWAL_STATES.items()),
            "files": [work.shown(ctx, job) for job in newest if not work.is_over(job) and work.may_see(ctx, job)],
        }
        return await cabinet.page(request, "cabinet/exports.html", context)

    return [exports, *(handler for table in TABLES.values() for handler in _of_table(cabinet, table))]


def _of_table(cabinet: Cabinet, table: Table) -> list[Any]:
    """`exports/invoices`, or the same of another table: the choice how to get a long file, and its preparation."""
    identity, path = cabinet.identity, f"/exports/{table.name}"

    def asked(request: PageRequest) -> tuple[MemberContext, ListQuery, Any]:
        """What is to be exported: the filters of the list."""
        ctx = context_of(request)
        if table.name == "invoices":
            query = list_query(request, *INVOICE_FILTERS)
            return ctx, query, invoice_filters(cabinet, ctx, query)
        query = list_query(request, *WITHDRAWAL_FILTERS)
        return ctx, query, withdrawal_filters(cabinet, ctx, query)

    @get(path, opt=needs(*table.needed) | FROM_STANDBY)
    async def choice(request: PageRequest) -> Response[Any]:
        ctx, query, filters = asked(request)
        direct_url = query.url(query.filters, ctx.path("exports", f"{table.name}.csv"))
        count = await table.count(ctx.merchant_id, ctx.mode, filters, COUNTED)
        if count <= AT_ONCE and request.query_params.get("how") != "prepare":
            return identity.redirect(request, direct_url)
        counted = plural(count, table.one, table.many)
        context = {
            "table": table,
            "count": counted if count < COUNTED else f"more than {counted}",
            "direct_url": direct_url,
            "prepare_url": query.url(query.filters),
        }
        return await cabinet.page(request, "cabinet/prepare.html", context)

    @form_post(
        path,
        does=f"Prepare a long export of {table.many}",
        step_up=NoStepUp("it reads what its role may export anyway"),
        opt=needs(*table.needed),
    )
    async def prepare(request: PageRequest) -> Response[Any]:
        ctx, _, filters = asked(request)
        zone = visitor_of(request).zone
        wanted = export_request(filters, file_name(ctx, zone, table.name), zone)
        try:
            job_id = await jobs.start(ctx.member, ctx.mode, f"{EXPORT}{table.name}", wanted, clock.now())
        except ApiError as error:
            words = f"That was not started: {error.message.partition(': ')[2]}."
            return identity.nothing_done(request, ctx.path("exports"), words)
        return identity.redirect(request, ctx.path("work", job_id))

    return [choice, prepare]
