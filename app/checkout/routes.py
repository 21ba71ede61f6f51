"""The public page of an invoice: `GET /pay/{invoice id}.{mac}`, its live part, and its stream (contract, section 7).

An altered link, one of another deployment and one of an unknown invoice get the same answer after the same steps.
Everybody who has the link may see the page. There is no session, so none can be stolen.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Stream
from litestar.types import ASGIApp, Receive, Scope, Send

from app.checkout import returning
from app.checkout.live import LiveHub
from app.checkout.network_fees import network_fees
from app.checkout.returning import mistakes_in
from app.checkout.source import checkout_view
from app.checkout.view import CheckoutView
from app.checkout.wallet import Choice, CustomerWallet
from app.checkout.wording import page_context
from app.core import clock
from app.core.errors import ApiError, Code, invalid
from app.invoices.reader import PublicInvoice
from app.invoices.states import AWAITS_PAYMENT, Status
from app.merchants import branding
from app.networks.config import NetworkConfig
from app.refunds import repository as refunds
from app.web import brand
from app.web.client_address import site
from app.web.pages import COMPRESSED, Pages, language_of
from app.web.rate_limits import RateLimiter, refuse_exceeded
from app.web.routing import Router
from app.web.same_origin import require_same_origin
from app.wiring import Services

PAGE_LOADS_PER_MINUTE = 30
"""Per address (contract, section 7)."""

LIVE_READS_PER_MINUTE = 300
"""Per address, for the live part of pages that are open: several pages behind one address, each polling often."""

BRAND_MAX_AGE_S = 3600
"""Changed branding has a new address, so browsers may cache it."""

BRAND_CACHE = {"Cache-Control": f"private, max-age={BRAND_MAX_AGE_S}"}

LOGO_HEADERS = BRAND_CACHE | {
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "Content-Disposition": "inline; filename=logo",
}
"""Bytes that a merchant chose, on our origin: browsers run no script in them."""

NOTHING_SENT_YET = frozenset({*AWAITS_PAYMENT, Status.CONFIRMING, Status.EXPIRED, Status.CANCELLED})
"""States in which no refund can exist: the query for refunds is left out."""

PageRequest = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class _Found:
    public: PublicInvoice
    network: NetworkConfig | None


def routes(
    services: Services, pages: Pages, hub: LiveHub, rate_limiter: RateLimiter, wallet: CustomerWallet | None = None
) -> Router:
    """The routes below `/pay`; the button that pays is among them only if there is a `wallet`."""

    async def find(request: PageRequest, slug: str) -> _Found:
        """The invoice of a link. Raises the same NOT_FOUND for an altered link and an unknown invoice."""
        invoice_id = services.links.invoice_id(slug) if _is_exact(request) else None
        public = await services.invoice_reader.get_public(invoice_id or "")
        if public is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        pay_in, mode = public.body.pay_in, public.body.mode
        return _Found(public, None if pay_in is None else services.networks.by(pay_in.chain, mode))

    async def view_of(request: PageRequest, slug: str) -> CheckoutView:
        found = await find(request, slug)
        invoice, now = found.public.body, clock.now()
        may_pay = invoice.status in AWAITS_PAYMENT
        choices = await services.quotes.choices(invoice.id, now) if invoice.price is not None and may_pay else []
        networks = {choice.network.key for choice in choices} | ({found.network.key} if found.network else set())
        currency = invoice.price.currency if invoice.price else None
        return checkout_view(
            found.public,
            [] if invoice.status in NOTHING_SENT_YET else await refunds.sent_back(invoice.id),
            found.network,
            slug=slug,
            language=language_of(request),
            with_wallet=wallet is not None,
            now=now,
            choices=choices,
            fees=await network_fees(networks, currency, now) if may_pay else {},
            mistakes=await mistakes_in(services, invoice, slug, language_of(request)) if invoice.needs_review else (),
        )

    def render(request: PageRequest, template: str, view: CheckoutView) -> Response[bytes]:
        language = language_of(request)
        return pages.page(template, page_context(view, language), language=language)

    async def count(request: PageRequest, purpose: str, limit: int) -> None:
        state = request.scope["state"]
        address = site(state["client_address"])
        window = await rate_limiter.take(f"{purpose}:{address}", limit)
        state["rate_limit"] = window
        refuse_exceeded(window, Code.IP_RATE_LIMITED, "your address")

    @get("/{slug:str}", include_in_schema=False, middleware=[COMPRESSED])
    async def page(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        return render(request, "checkout/page.html", await view_of(request, slug))

    @get("/{slug:str}/receipt", include_in_schema=False, middleware=[COMPRESSED])
    async def receipt(request: PageRequest, slug: str) -> Response[Any]:
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        view = await view_of(request, slug)
        if not view.is_settled:
            return Redirect(view.page_url, status_code=303)
        return render(request, "checkout/receipt.html", view)

    @get("/{slug:str}/status", include_in_schema=False, middleware=[COMPRESSED])
    async def status(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        return render(request, "checkout/_status.html", await view_of(request, slug))

    def counted(app: ASGIApp) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            with hub.counted(site(scope["state"]["client_address"])):
                await app(scope, receive, send)

        return call

    @get("/{slug:str}/events", include_in_schema=False, middleware=[counted])
    async def events(request: PageRequest, slug: str) -> Stream:
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        invoice_id = (await find(request, slug)).public.body.id
        return Stream(
            hub.stream(invoice_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @get("/{slug:str}/brand.css", include_in_schema=False)
    async def brand_css(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        accent = (await find(request, slug)).public.branding.accent
        if accent is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return Response(brand.style_sheet(accent).encode(), media_type="text/css", headers=BRAND_CACHE)

    @get("/{slug:str}/logo", include_in_schema=False)
    async def logo(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        picture = await branding.logo((await find(request, slug)).public.merchant_id)
        if picture is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return Response(picture.data, media_type=picture.media_type, headers=LOGO_HEADERS)

    @post("/{slug:str}/choose", include_in_schema=False)
    async def choose(
        request: PageRequest,
        slug: str,
        data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Redirect:
        require_same_origin(request, services.settings.public_url)
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        invoice = (await find(request, slug)).public.body
        # Where it can't be chosen any more, or not now, the page shows how things stand.
        with suppress_codes(Code.INVOICE_NOT_QUOTABLE, Code.RATE_UNAVAILABLE):
            await services.quotes.choose(invoice.id, data.get("asset", ""), data.get("chain", ""), clock.now())
        return Redirect(f"/pay/{slug}?lang={language_of(request).code}", status_code=303)

    handlers: list[Any] = [page, receipt, status, events, brand_css, logo, choose]
    handlers += returning.handlers(services, pages, view_of, count)
    if wallet is not None:
        customer = wallet

        @post("/{slug:str}/wallet", include_in_schema=False)
        async def pay(
            request: PageRequest,
            slug: str,
            data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
        ) -> Redirect:
            require_same_origin(request, services.settings.public_url)
            await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
            found = await find(request, slug)
            try:
                choice = Choice(data.get("choice", ""))
            except ValueError:
                raise invalid("choice", f"must be one of {', '.join(Choice)}") from None
            if found.network is not None:
                await customer.pay(found.public.body, found.network, choice)
            return Redirect(f"/pay/{slug}?lang={language_of(request).code}", status_code=303)

        handlers.append(pay)
    return Router("/pay", route_handlers=handlers)


@contextmanager
def suppress_codes(*codes: Code) -> Iterator[None]:
    """Go on after an error with one of these codes."""
    try:
        yield
    except ApiError as error:
        if error.code not in codes:
            raise


def _is_exact(request: PageRequest) -> bool:
    """Whether the path is exactly the link's: additional slashes would be a second address of the same page."""
    path: str = request.scope["state"]["requested_path"]
    return not path.endswith("/") and "//" not in path
