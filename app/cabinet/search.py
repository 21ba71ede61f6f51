"""The search over everything of a merchant, as a page and as what the command palette shows while somebody types."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from litestar import Response, get
from msgspec.structs import replace

from app.cabinet import labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import MemberContext, context_of
from app.cabinet.guard import needs
from app.cabinet.invoices import shown_amount
from app.cabinet.nav import nav_of
from app.cabinet.searching import search_of, searched
from app.core.search_text import LEAST_START, MAX_LENGTH
from app.core.searching import Search
from app.identity import palette
from app.identity.identity import PageRequest, visitor_of
from app.identity.paging import address
from app.identity.palette import Group, Hit
from app.invoices.presentation import InvoiceBody
from app.merchants.roles import Permission
from app.reports import search as reports
from app.reports.search import Findings, Scope
from app.web.standby_reads import FROM_STANDBY
from app.withdrawals.presentation import PayoutBody, RefundBody

IN_PALETTE = 5
ON_PAGE = 20
"""Hits of each kind: while somebody types, and on the page."""


def handlers(cabinet: Cabinet) -> list[Any]:
    """`search` and `search/found`."""

    @get("/search", opt=needs(Permission.VIEW) | FROM_STANDBY)
    async def page(request: PageRequest) -> Response[Any]:
        return await cabinet.page(request, "cabinet/search.html", await found(request, ON_PAGE))

    @get("/search/found", opt=needs(Permission.VIEW) | FROM_STANDBY)
    async def while_typing(request: PageRequest) -> Response[Any]:
        return cabinet.identity.page(request, "components/palette_found.html", await found(request, IN_PALETTE))

    async def found(request: PageRequest, limit: int) -> dict[str, Any]:
        ctx = context_of(request)
        text = text_of(request)
        places = palette.matching(await places_of(request, ctx), text)
        search = search_of(cabinet, ctx, text)
        things, elsewhere = [], []
        if search is not None and len(text) >= LEAST_START:
            things = _groups(ctx, await _findings(cabinet, ctx, search, limit), text)
            if not things:
                elsewhere = await _elsewhere(cabinet, ctx, text, limit)
        return {
            "ctx": ctx,
            "text": text,
            "groups": palette.groups(Group(label="Go to", hits=places), *things),
            "elsewhere": elsewhere,
            "searched": "" if search is None else searched(search, ctx.mode),
            "nothing": bool(text) and not things and not places,
            "mode": ctx.mode,
        }

    return [page, while_typing]


def text_of(request: PageRequest) -> str:
    """The text that is searched for, without surrounding space."""
    text = " ".join(request.query_params.get("q", "").split())[:MAX_LENGTH]
    return text if text.isprintable() else ""


async def places_of(request: PageRequest, ctx: MemberContext) -> list[Hit]:
    """The pages that the member may go to: those of the navigation, what can be made, and what is outside of it."""
    nav = await nav_of(ctx, request.scope["path"], visitor_of(request).zone)
    return [*palette.pages_of(nav), *_actions(ctx), *_outside(request, ctx)]


def _actions(ctx: MemberContext) -> Iterator[Hit]:
    made = (
        (Permission.INVOICES_WRITE, "New invoice", "invoices/new", "plus", "create payment page"),
        (Permission.INVOICES_WRITE, "New payment link", "payment-links/new", "plus", "create donation poster qr"),
        (Permission.PAYOUTS_WRITE, "New payout", "payouts/new", "payout", "create withdraw send"),
        (Permission.KEYS_MANAGE, "New API key", "keys/new", "key", "create secret"),
        (Permission.WEBHOOKS_MANAGE, "New webhook endpoint", "webhooks/new", "webhook", "create url"),
        (Permission.TEAM_INVITE, "Invite somebody", "team/invite", "team", "member colleague add"),
        (Permission.SETTINGS_MANAGE, "Prices and currencies", "settings/prices", "settings", "rates spread"),
        (Permission.SETTINGS_MANAGE, "Payment page", "settings/branding", "settings", "logo branding colour"),
    )
    for permission, label, place, icon, words in made:
        if ctx.may(permission):
            yield Hit(label=label, href=ctx.path(place), icon=icon, words=words)


def _outside(request: PageRequest, ctx: MemberContext) -> Iterator[Hit]:
    other = f"/cabinet/{ctx.merchant_id}/{ctx.other_mode}"
    yield Hit(label=f"Switch to {ctx.other_mode} mode", href=other, icon="switch", words="sandbox change")
    yield Hit(label="Your merchants", href="/cabinet", icon="merchant", words="change switch")
    yield Hit(label="Your account", href="/account", icon="person", words="name email profile password")
    yield Hit(label="Sign-in and security", href="/account/security", icon="shield", words="two-step totp sessions")
    yield Hit(label="Words explained", href=ctx.path("words"), icon="info", words="glossary help what is meaning")
    yield Hit(label="Documentation", href="/docs", icon="info", words="docs guides help developers webhooks errors")
    yield Hit(label="API reference", href="/docs/api", icon="list", words="documentation help developers")
    if visitor_of(request).session.is_operator:
        yield Hit(label="Operator desk", href="/desk", icon="desk")


async def _findings(cabinet: Cabinet, ctx: MemberContext, search: Search, limit: int) -> Findings:
    services = cabinet.services
    scope = Scope(
        merchant_id=ctx.merchant_id,
        mode=ctx.mode,
        payouts=ctx.may(Permission.PAYOUTS_VIEW),
        events=ctx.may(Permission.EVENTS_VIEW),
        endpoints=ctx.may(Permission.WEBHOOKS_VIEW),
        keys=ctx.may(Permission.KEYS_VIEW),
    )
    return await reports.search(services.invoice_reader, services.withdrawal_reader, scope, search, limit=limit)


async def _elsewhere(cabinet: Cabinet, ctx: MemberContext, text: str, limit: int) -> list[Group]:
    """What the other mode has, where this one has nothing."""
    other = replace(ctx, mode=ctx.other_mode)
    search = search_of(cabinet, other, text)
    assert search is not None, "there is a text"
    return _groups(other, await _findings(cabinet, other, search, limit), text)


def _groups(ctx: MemberContext, found: Findings, text: str) -> list[Group]:
    def more(place: str, shown: Any) -> str:
        return address(ctx.path(place), {"search": text}) if shown.following is not None else ""

    return palette.groups(
        Group(
            label="Invoices", hits=[_invoice(ctx, one) for one in found.invoices], more=more("invoices", found.invoices)
        ),
        Group(label="Payouts", hits=[_withdrawal(ctx, "payouts", one) for one in found.payouts]),
        Group(label="Refunds", hits=[_withdrawal(ctx, "refunds", one) for one in found.refunds]),
        Group(
            label="Events and their deliveries",
            hits=[
                Hit(
                    label=one.type,
                    href=ctx.path("events", str(one.event_id)),
                    icon="event",
                    detail=f"{one.event_id} · {one.subject_id}",
                )
                for one in found.events
            ],
        ),
        Group(
            label="Webhooks",
            hits=[Hit(label=one.url, href=ctx.path("webhooks", one.id), icon="webhook") for one in found.endpoints],
        ),
        Group(
            label="API keys",
            hits=[Hit(label=one.name, href=ctx.path("keys", one.id), icon="key", detail=one.id) for one in found.keys],
        ),
    )


def _invoice(ctx: MemberContext, invoice: InvoiceBody) -> Hit:
    title = invoice.order_id or invoice.description or invoice.id
    return Hit(
        label=title,
        href=ctx.path("invoices", invoice.id),
        icon="invoice",
        detail=invoice.id if title != invoice.id else "",
        at=datetime.fromisoformat(invoice.created_at),
        amount=shown_amount(invoice),
        state=(invoice.status.value, labels.INVOICE_STATES[invoice.status.value]),
    )


def _withdrawal(ctx: MemberContext, place: str, body: PayoutBody | RefundBody) -> Hit:
    title = body.description if isinstance(body, PayoutBody) else None
    return Hit(
        label=title or body.id,
        href=ctx.path(place, body.id),
        icon="payout" if place == "payouts" else "refund",
        detail=body.id if title else "",
        at=datetime.fromisoformat(body.created_at),
        amount=(body.amount_decimal, body.asset),
        state=(body.status.value, labels.WITHDRAWAL_STATES[body.status.value]),
    )
