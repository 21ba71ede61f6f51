"""Payment links: the list, one link with its invoices, its poster, and switching it on and off. New ones and changes
are in payment_link_forms.py."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get

from app.cabinet import labels
from app.cabinet.cabinet import Cabinet
from app.cabinet.context import context_of
from app.cabinet.guard import needs
from app.cabinet.invoices import row_of
from app.cabinet.lists import list_query
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.keyset import page_or_first
from app.core.money import group_digits
from app.identity.form_routes import NoStepUp, form_post
from app.identity.identity import PageRequest
from app.identity.nav import Tone
from app.invoices.reading_repository import Filters
from app.merchants.roles import Permission
from app.payment_links.poster import poster_words
from app.payment_links.presentation import PaymentLinkBody
from app.payment_links.states import LinkStatus
from app.web import languages
from app.web.qr import qr
from app.web.standby_reads import FROM_STANDBY

SHOWN_INVOICES = 20
"""The newest of a link's invoices, on its page."""

STATES: dict[LinkStatus, tuple[str, Tone]] = {
    LinkStatus.OPEN: ("Open", "positive"),
    LinkStatus.INACTIVE: ("Switched off", "neutral"),
    LinkStatus.EXPIRED: ("Expired", "neutral"),
    LinkStatus.USED_UP: ("Used up", "progress"),
}


class Row(msgspec.Struct, frozen=True):
    """A link in the list."""

    id: str
    title: str
    asks: str
    unit: str
    taken: str
    words: str
    tone: Tone
    created_at: datetime


def handlers(cabinet: Cabinet) -> list[Any]:
    """`payment-links`, `payment-links/{id}`, and below it `poster`, `on` and `off`."""
    services, identity = cabinet.services, cabinet.identity

    async def found(request: PageRequest, link_id: str) -> PaymentLinkBody:
        ctx = context_of(request)
        return await services.payment_links.get(ctx.merchant_id, ctx.mode, link_id, clock.now())

    @get("/payment-links", opt=needs(Permission.VIEW) | FROM_STANDBY)
    async def payment_links(request: PageRequest) -> Response[Any]:
        ctx, query, now = context_of(request), list_query(request), clock.now()
        page = await page_or_first(
            lambda place: services.payment_links.page(ctx.merchant_id, ctx.mode, place, query.rows, now), query.place
        )
        context = {
            "query": query,
            "rows": [_row(link) for link in page],
            "pager": query.pager(page),
            "total": (await services.payment_links.total(ctx.merchant_id, ctx.mode)).beside(page),
        }
        return await cabinet.page(request, "cabinet/payment_links/list.html", context)

    @get("/payment-links/{link_id:str}", opt=needs(Permission.VIEW))
    async def payment_link(request: PageRequest, link_id: str) -> Response[Any]:
        ctx, link = context_of(request), await found(request, link_id)
        invoices = await services.invoice_reader.page(
            ctx.merchant_id, ctx.mode, Filters(payment_link=link.id), None, SHOWN_INVOICES
        )
        words, tone = STATES[link.status]
        context = {
            "link": link,
            "title": link.description or link.id,
            "asks": asks(link),
            "state_of_link": (words, tone),
            "expires_at": None if link.expires_at is None else datetime.fromisoformat(link.expires_at),
            "created_at": datetime.fromisoformat(link.created_at),
            "code": qr(link.url, label="QR code with the address of the payment link"),
            "figures": await services.payment_links.figures(ctx.merchant_id, link.id),
            "rows": [row_of(invoice, services.networks) for invoice in invoices],
            "has_more": invoices.following is not None,
            "state_words": labels.INVOICE_STATES,
            "metadata": msgspec.json.format(msgspec.json.encode(link.metadata)).decode() if link.metadata else "",
            "choices": [
                f"{one.asset} on {services.networks.by(one.chain, ctx.mode).display_name}"
                for one in link.pay_in_assets or ()
            ],
            "network_name": services.networks.by(link.chain, ctx.mode).display_name if link.chain else "",
        }
        return await cabinet.page(request, "cabinet/payment_links/detail.html", context)

    @get("/payment-links/{link_id:str}/poster", opt=needs(Permission.VIEW))
    async def poster(request: PageRequest, link_id: str) -> Response[Any]:
        """One page to print. Its words are in a language of the customers, which a select changes."""
        link = await found(request, link_id)
        public = await services.payment_links.find_public(services.links.link_slug(link.id))
        if public is None:
            raise ApiError(Code.PAYMENT_LINK_NOT_FOUND, "no such payment link")
        language = languages.choose(request.query_params.get("language"), "")
        context = {
            "link": link,
            "payee": public.merchant_name,
            "logo_url": f"/l/{services.links.link_slug(link.id)}/logo" if public.branding.logo_tag else None,
            "code": qr(link.url, label="QR code with the address of the payment link"),
            "poster_language": language.code,
            "poster_direction": language.direction,
            "languages": list(languages.NAMES.items()),
            "words": poster_words(language),
        }
        return await cabinet.page(request, "cabinet/payment_links/poster.html", context)

    async def switched(request: PageRequest, link_id: str, *, active: bool, words: str) -> Response[Any]:
        ctx = context_of(request)
        link = await services.payment_links.change_by(ctx.member, ctx.mode, link_id, {"active": active}, clock.now())
        return identity.redirect(request, ctx.path("payment-links", link.id), flash=words)

    @form_post(
        "/payment-links/{link_id:str}/off",
        does="Switch a payment link off",
        step_up=NoStepUp("it sends no money, and can be undone"),
        page="/payment-links/{link_id:str}",
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def switch_off(request: PageRequest, link_id: str) -> Response[Any]:
        words = "The link is switched off. Invoices that it has made can still be paid."
        return await switched(request, link_id, active=False, words=words)

    @form_post(
        "/payment-links/{link_id:str}/on",
        does="Switch a payment link on",
        step_up=NoStepUp("it takes money in and sends none"),
        page="/payment-links/{link_id:str}",
        opt=needs(Permission.INVOICES_WRITE),
    )
    async def switch_on(request: PageRequest, link_id: str) -> Response[Any]:
        return await switched(request, link_id, active=True, words="The link is switched on.")

    return [payment_links, payment_link, poster, switch_off, switch_on]


def asks(link: PaymentLinkBody) -> str:
    """The amount that a link asks for, or between which bounds it is open, without the unit."""
    if link.amount is not None:
        return group_digits(link.amount)
    least, most = (None if one is None else group_digits(one) for one in (link.min_amount, link.max_amount))
    if least and most:
        return f"{least} to {most}"
    return f"from {least}" if least else f"up to {most}" if most else ""


def _row(link: PaymentLinkBody) -> Row:
    words, tone = STATES[link.status]
    limit = "" if link.max_payments is None else f" of {group_digits(link.max_payments)}"
    return Row(
        id=link.id,
        title=link.description or link.id,
        asks=asks(link),
        unit=link.currency,
        taken=f"{group_digits(link.payments_taken)}{limit}",
        words=words,
        tone=tone,
        created_at=datetime.fromisoformat(link.created_at),
    )
