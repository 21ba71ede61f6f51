"""The desk's search, as a page and as what the command palette shows while somebody types."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from app.backoffice import queue
from app.backoffice.search import FoundPayment, search_everything
from app.core import currencies, search_text
from app.core.money import format_amount
from app.core.search_text import LEAST_START, MAX_LENGTH
from app.identity import palette
from app.identity.identity import PageRequest
from app.identity.paging import address
from app.identity.palette import Group, Hit
from app.operator.desk import Desk
from app.operator.nav import desk_nav
from app.web.standby_reads import FROM_STANDBY

IN_PALETTE = 5
ON_PAGE = 20
LOOKED_AT = "Looked at ids, addresses and transactions of all merchants, at their names and members, and at alerts."


def routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers of `/desk/search` and `/desk/search/found`."""

    @get("/search", opt=FROM_STANDBY)
    async def page(request: PageRequest) -> Response[Any]:
        return await desk.page(request, "search", await found(request, ON_PAGE))

    @get("/search/found", opt=FROM_STANDBY)
    async def while_typing(request: PageRequest) -> Response[Any]:
        return desk.identity.page(request, "components/palette_found.html", await found(request, IN_PALETTE))

    async def found(request: PageRequest, limit: int) -> dict[str, Any]:
        text = " ".join(request.query_params.get("q", "").split())[:MAX_LENGTH]
        text = text if text.isprintable() else ""
        nav = desk_nav(request.scope["path"], await queue.counts())
        places = palette.matching([*palette.pages_of(nav), *_OUTSIDE], text)
        things = await _things(desk, text, limit) if len(text) >= LEAST_START else []
        return {
            "text": text,
            "groups": palette.groups(Group(label="Go to", hits=places), *things),
            "elsewhere": [],
            "searched": LOOKED_AT if text else "",
            "nothing": bool(text) and not things and not places,
            "mode": "",
        }

    return [page, while_typing]


_OUTSIDE = (
    Hit(label="Merchants of your own", href="/cabinet", icon="merchant", words="cabinet"),
    Hit(label="Your account", href="/account", icon="person", words="name email profile password"),
    Hit(label="Sign-in and security", href="/account/security", icon="shield", words="two-step totp sessions"),
)


async def _things(desk: Desk, text: str, limit: int) -> list[Group]:
    networks = desk.services.networks
    everything = await search_everything(text, networks, limit=limit)

    def payment(one: FoundPayment, place: str, icon: str) -> Hit:
        amount, unit = str(one.amount_raw), one.currency or one.asset or ""
        if one.currency is not None:
            amount = format_amount(one.amount_raw, currencies.places(one.currency))
        elif one.network is not None and (asset := networks.get(one.network).asset(unit)) is not None:
            amount = format_amount(one.amount_raw, asset.decimals)
        words = "Awaiting approval" if one.status == "pending_approval" else ""
        return Hit(
            label=one.id,
            href=f"/desk/{place}/{one.id}",
            icon=icon,
            detail=f"{one.merchant_name or 'The platform'} · {one.mode} mode",
            at=one.created_at,
            amount=(amount, unit),
            state=(one.status, words),
        )

    return palette.groups(
        Group(label="Invoices", hits=[payment(one, "invoices", "invoice") for one in everything.invoices]),
        Group(label="Payouts", hits=[payment(one, "approvals", "payout") for one in everything.payouts]),
        Group(label="Refunds", hits=[payment(one, "approvals", "refund") for one in everything.refunds]),
        Group(label="On chain", hits=_on_chain(text, everything.address)),
        Group(
            label="Merchants",
            hits=[
                Hit(
                    label=one.name,
                    href=f"/desk/merchants/{one.id}",
                    icon="merchant",
                    detail=one.id,
                    state=(one.status, "Awaiting approval" if one.status == "pending" else ""),
                )
                for one in everything.merchants
            ],
        ),
        Group(
            label="Alerts",
            hits=[
                Hit(
                    label=one.message,
                    href=f"/desk/alerts/{one.id}",
                    icon="bell",
                    state=(one.severity, "") if one.is_open else ("acknowledged", ""),
                )
                for one in everything.alerts
            ],
        ),
    )


def _on_chain(text: str, known_address: str | None) -> list[Hit]:
    """The look-ups that fit: of an address of ours, and of a transaction on its networks."""
    hits = []
    if known_address is not None:
        hits.append(Hit(label=known_address, href=f"/desk/addresses/{known_address}", icon="wallet", detail="Address"))
    read = search_text.read(text)
    if read.is_txid:
        href = address("/desk/transactions", {"txid": read.text})
        hits.append(Hit(label=read.text, href=href, icon="search", detail="Look for the transaction"))
    return hits
