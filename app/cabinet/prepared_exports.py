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
from app.core.errors import ApiError, Code
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.jobs import repository
from app.jobs import service as jobs
from app.ledger import repository as ledger
from app.merchants.roles import Permission

AT_ONCE = 5_000
"""Rows that are downloaded without more ado; a longer file can be prepared, with its progress."""

COUNTED = 100_000
"""A count of rows stops there."""

FILES_SHOWN = 10


def handlers(cabinet: Cabinet) -> list[Any]:
    """`exports`, `exports/prepare/{table}`."""
    services, identity = cabinet.services, cabinet.identity

    @get("/exports", opt=needs(Permission.VIEW))
    async def exports(request: PageRequest) -> Response[Any]:
        ctx = context_of(request)
        heads = {(head.chain.network, head.chain.asset) for head in await ledger.heads(ctx.merchant_id)}
        every = assets.every(services, ctx)
        newest = await repository.newest(ctx.merchant_id, ctx.mode, work.EXPORT_KINDS, FILES_SHOWN)
        context = {
            "assets": assets.options(every),
            "ledgers": [one for one in every if (one.network.key, one.asset.symbol) in heads],
            "invoice_states": list(labels.INVOICE_STATES.items()),
            "withdrawal_states": list(labels.WITHDRAWAL_STATES.items()),
            "files": [work.shown(ctx, job) for job in newest if not work.is_over(job)],
        }
        return await cabinet.page(request, "cabinet/exports.html", context)

    def asked(request: PageRequest, name: str) -> tuple[MemberContext, Table, ListQuery, Any]:
        """What is to be exported. Raises NOT_FOUND."""
        ctx, table = context_of(request), TABLES.get(name)
        if table is None:
            raise ApiError(Code.NOT_FOUND, "there is no such export")
        if name == "invoices":
            query = list_query(request, *INVOICE_FILTERS)
            return ctx, table, query, invoice_filters(cabinet, ctx, query)
        query = list_query(request, *WITHDRAWAL_FILTERS)
        return ctx, table, query, withdrawal_filters(cabinet, ctx, query)

    @get("/exports/prepare/{name:str}", opt=needs(Permission.VIEW))
    async def choice(request: PageRequest, name: str) -> Response[Any]:
        ctx, table, query, filters = asked(request, name)
        direct_url = query.url(query.filters, ctx.path("exports", f"{name}.csv"))
        count = await table.count(ctx.merchant_id, ctx.mode, filters, COUNTED)
        if count <= AT_ONCE:
            return identity.redirect(request, direct_url)
        context = {
            "table": table,
            "count": plural(count, table.one, table.many)
            if count < COUNTED
            else f"more than {plural(count, '', table.many)}",
            "direct_url": direct_url,
            "prepare_url": query.url(query.filters, ctx.path("exports", "prepare", name)),
        }
        return await cabinet.page(request, "cabinet/prepare.html", context)

    @form_post(
        "/exports/prepare/{name:str}",
        does="Prepare a long export",
        step_up=NoStepUp("whoever may see the list may export it"),
        opt=needs(Permission.VIEW),
    )
    async def prepare(request: PageRequest, name: str) -> Response[Any]:
        ctx, table, _, filters = asked(request, name)
        wanted = export_request(table, filters, file_name(ctx, table.name))
        try:
            job_id = await jobs.start(ctx.member, ctx.mode, f"{EXPORT}{table.name}", wanted, clock.now())
        except ApiError as error:
            words = f"That was not started: {error.message.partition(': ')[2]}."
            return identity.nothing_done(request, ctx.path("exports"), words)
        return identity.redirect(request, ctx.path("work", job_id))

    return [exports, choice, prepare]
