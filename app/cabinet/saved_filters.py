"""Saved filters above the lists: links to them, saving the present ones, removing one."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response

from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.lists import MAX_FILTER_LENGTH
from app.core import clock
from app.core.errors import ApiError
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest
from app.identity.lists import ListQuery
from app.merchants import saved_filters
from app.merchants.roles import Permission
from app.web.row_ids import RowId

LISTS = {
    "invoices": Permission.VIEW,
    "payouts": Permission.PAYOUTS_VIEW,
    "refunds": Permission.VIEW,
    "audit": Permission.AUDIT_OF_MONEY_VIEW,
}
"""The lists with filters, and what a member needs to see each."""

FILTERS = frozenset(("search", "status", "asset", "from", "to", "who", "area", "about"))
"""The filters of all these lists; each list ignores what is not its own."""

_OWN = NoStepUp("it changes only what this person sees")


class SavedLink(msgspec.Struct, frozen=True, kw_only=True):
    """A saved filter as a link. `is_current`: the page shows just this."""

    id: int
    name: str
    href: str
    is_current: bool


class SavedLinks(msgspec.Struct, frozen=True, kw_only=True):
    """What the part above a list needs. `query` is the query that would be saved, "" where nothing is filtered."""

    links: Sequence[SavedLink]
    query: str
    save_url: str
    most_name_length: int = saved_filters.MAX_NAME_LENGTH


async def saved_links(ctx: MemberContext, which: str, query: ListQuery) -> SavedLinks:
    """The member's saved filters of a list, whose present query is given."""
    now = urlencode(sorted(query.filters.items()))
    return SavedLinks(
        links=[
            SavedLink(id=one.id, name=one.name, href=f"{ctx.path(which)}?{one.query}", is_current=one.query == now)
            for one in await saved_filters.of_list(ctx.member, which)
        ],
        query=now,
        save_url=ctx.path("filters", which),
    )


def handlers(cabinet: Cabinet) -> list[Any]:
    """`filters/{list}` and `filters/{list}/{id}/remove`, for each list."""
    return [handler for which, permission in LISTS.items() for handler in _of_list(cabinet, which, permission)]


def _of_list(cabinet: Cabinet, which: str, permission: Permission) -> list[Any]:
    identity = cabinet.identity

    @form_post(
        f"/filters/{which}",
        does=f"Save the filters of {_TITLES[which]}",
        step_up=_OWN,
        page=f"/{which}",
        opt=needs(permission),
    )
    async def save(request: PageRequest) -> Response[Any]:
        form, ctx = await identity.read_form(request), context_of(request)
        query = _cleaned(form.text("query"))
        back = f"{ctx.path(which)}?{query}" if query else ctx.path(which)
        try:
            name = await saved_filters.save(ctx.member, which, form.text("name"), query, clock.now())
        except ApiError as error:
            return identity.nothing_done(request, back, error.message.partition(": ")[2] or error.message)
        return identity.redirect(request, back, flash=f"Saved as “{name}”. Only you see it.")

    @form_post(
        f"/filters/{which}/{{filter_id:int}}/remove",
        does=f"Remove saved filters of {_TITLES[which]}",
        step_up=_OWN,
        page=f"/{which}",
        opt=needs(permission),
    )
    async def remove(request: PageRequest, filter_id: RowId) -> Response[Any]:
        ctx = context_of(request)
        await saved_filters.remove(ctx.member, filter_id)
        return identity.redirect(request, ctx.path(which), flash="The saved filter is removed.")

    return [save, remove]


_TITLES = {"invoices": "invoices", "payouts": "payouts", "refunds": "refunds", "audit": "the audit log"}


def _cleaned(query: str) -> str:
    """The parameters of a query that are filters, printable and not empty; the place of a page is left out."""
    given = {
        name: value.strip()[:MAX_FILTER_LENGTH]
        for name, value in parse_qsl(query[: saved_filters.MAX_QUERY_LENGTH])
        if name in FILTERS and value.strip() and value.isprintable()
    }
    return urlencode(sorted(given.items()))
