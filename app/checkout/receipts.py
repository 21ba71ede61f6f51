"""A paid invoice's receipt: `GET /receipt/{invoice id}.{mac}`, with a link of its own that opens nothing else.

So a customer can give it to others: from it nobody comes to the payment page. Before the invoice is paid, and with any
other link, the answer is that of a wrong payment link.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, get
from msgspec.structs import replace

from app.checkout import look
from app.checkout.receipt_words import receipt_context
from app.checkout.view import CheckoutView
from app.core.errors import ApiError, Code
from app.invoices.reader import PublicInvoice
from app.web.pages import COMPRESSED, Pages, language_of
from app.web.routing import Router

PageRequest = Request[Any, Any, Any]


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the routes of the payment page share with those of the receipt."""

    pages: Pages
    count: Callable[[PageRequest], Awaitable[None]]
    """Counts a load. Raises IP_RATE_LIMITED."""
    count_part: Callable[[PageRequest], Awaitable[None]]
    """Counts a load of a style sheet or a picture. Raises IP_RATE_LIMITED."""
    find: Callable[[PageRequest, str], Awaitable[PublicInvoice]]
    """The invoice of a receipt's slug. Raises NOT_FOUND."""
    view: Callable[[PageRequest, PublicInvoice], Awaitable[CheckoutView]]


def routes(parts: Parts) -> Router:
    """The routes below `/receipt`."""

    @get("/{slug:str}", include_in_schema=False, middleware=[COMPRESSED])
    async def receipt(request: PageRequest, slug: str) -> Response[bytes]:
        await parts.count(request)
        view = await parts.view(request, await parts.find(request, slug))
        if not view.is_settled:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        language = language_of(request)
        context = receipt_context(_alone(view, slug), language)
        return parts.pages.page("checkout/receipt.html", context, language=language)

    @get("/{slug:str}/brand.css", include_in_schema=False)
    async def brand_css(request: PageRequest, slug: str) -> Response[bytes]:
        await parts.count_part(request)
        return look.brand_css((await parts.find(request, slug)).branding.accent)

    @get("/{slug:str}/logo", include_in_schema=False)
    async def logo(request: PageRequest, slug: str) -> Response[bytes]:
        await parts.count_part(request)
        return await look.logo((await parts.find(request, slug)).merchant_id)

    return Router("/receipt", route_handlers=[receipt, brand_css, logo])


def _alone(view: CheckoutView, slug: str) -> CheckoutView:
    """The same with addresses that this link opens, and none of the payment page."""

    def here(part: str, url: str | None) -> str | None:
        return url and f"/receipt/{slug}/{part}?{urlsplit(url).query}"

    return replace(
        view,
        page_url="",
        page_link="",
        status_url="",
        events_url="",
        choose_url="",
        wallet_url=None,
        frame_origins=(),
        brand_css_url=here("brand.css", view.brand_css_url),
        logo_url=here("logo", view.logo_url),
    )
