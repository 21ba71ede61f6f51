"""The search of pages without a merchant: a person's merchants, and the pages of the account."""

from typing import Any

from litestar import Response, get

from app.cabinet.cabinet import Cabinet
from app.cabinet.nav import outside
from app.cabinet.search import text_of
from app.identity import palette
from app.identity.account_nav import account_nav
from app.identity.identity import PageRequest, visitor_of
from app.identity.palette import Group, Hit
from app.merchants.members import merchants_of


def handlers(cabinet: Cabinet) -> list[Any]:
    """`/cabinet/search` and `/cabinet/search/found`."""

    @get("/search")
    async def page(request: PageRequest) -> Response[Any]:
        context = {"nav": outside("Search"), "search_url": "/cabinet/search", **await found(request)}
        return cabinet.identity.page(request, "cabinet/search_outside.html", context)

    @get("/search/found")
    async def while_typing(request: PageRequest) -> Response[Any]:
        return cabinet.identity.page(request, "components/palette_found.html", await found(request))

    async def found(request: PageRequest) -> dict[str, Any]:
        text, visitor = text_of(request), visitor_of(request)
        merchants = [
            Hit(
                label=one.merchant_name,
                href=f"/cabinet/{one.merchant_id}/{mode}",
                icon="merchant",
                detail=f"{one.merchant_id}, {mode} mode",
            )
            for one in await merchants_of(visitor.account_id)
            for mode in ("live", "test")
        ]
        places = [
            Hit(label="Your merchants", href="/cabinet", icon="merchant"),
            Hit(label="Apply to take payments", href="/cabinet/apply", icon="plus", words="new merchant"),
            Hit(label="Start in test mode", href="/cabinet/try", icon="flask", words="new merchant sandbox"),
            *palette.pages_of(account_nav("")),
            Hit(label="Documentation", href="/docs", icon="info", words="docs guides help developers"),
            Hit(label="API reference", href="/docs/api", icon="list", words="documentation help"),
        ]
        if visitor.session.is_operator:
            places.append(Hit(label="Operator desk", href="/desk", icon="desk"))
        groups = palette.groups(
            Group(label="Merchants", hits=palette.matching(merchants, text)),
            Group(label="Go to", hits=palette.matching(places, text)),
        )
        return {
            "text": text,
            "groups": groups,
            "elsewhere": [],
            "searched": "Looked at your merchants and pages. Open a merchant to search its payments." if text else "",
            "nothing": bool(text) and not groups,
            "mode": "",
        }

    return [page, while_typing]
