"""The public page of an invoice: `GET /pay/{invoice id}.{mac}`, its live part and its stream (contract, section 7).
Its receipt and its frame have modules of their own.

An altered link, one of another deployment and one of an unknown invoice get the same answer after the same steps.
Everybody who has the link may see the page. There is no session, so none can be stolen.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect
from litestar.types import ASGIApp, ControllerRouterHandler

from app.checkout import embedding, layout, links, look, lookup, receipts, returning, sending
from app.checkout.following import Following, Shown, read_at
from app.checkout.receipts import Parts
from app.checkout.source import query
from app.checkout.view import CheckoutView
from app.checkout.viewing import Viewing
from app.checkout.wallet import Choice, CustomerWallet
from app.core import clock
from app.core.errors import ApiError, Code, invalid
from app.invoices.reader import PublicInvoice
from app.live.hub import LiveHub
from app.live.stream import counted
from app.lookups import limits
from app.networks.config import NetworkConfig
from app.web.client_address import site
from app.web.headers import framed_by
from app.web.languages import Language
from app.web.pages import COMPRESSED, Pages, language_of
from app.web.qr import qr_image
from app.web.rate_limits import RateLimiter, refuse_exceeded
from app.web.routing import Router
from app.web.same_origin import require_same_origin
from app.web.straight import Html, straight
from app.wiring import Services

PAGE_LOADS_PER_MINUTE = 30
"""Per address (contract, section 7)."""

LIVE_READS_PER_MINUTE = 300
"""Per address, for the live part of pages that are open: several pages behind one address, each polling often."""

PageRequest = Request[Any, Any, Any]


class _Found(msgspec.Struct, frozen=True):
    public: PublicInvoice
    network: NetworkConfig | None
    read_at: datetime
    """A time before it was read."""


def routes(
    services: Services, pages: Pages, hub: LiveHub, rate_limiter: RateLimiter, wallet: CustomerWallet | None = None
) -> list[ControllerRouterHandler]:
    """The routes below `/pay`, `/receipt` and `/l`, and the script that embeds the page. The button that pays is among
    them only if there is a `wallet`."""

    viewing = Viewing(services, with_wallet=wallet is not None)

    async def public_of(invoice_id: str | None) -> PublicInvoice:
        """The invoice of a link. Raises the same NOT_FOUND for an altered link (None) and an unknown invoice."""
        public = await services.invoice_reader.get_public(invoice_id or "")
        if public is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return public

    async def find(request: PageRequest, slug: str) -> _Found:
        """The invoice of a payment link. Raises NOT_FOUND."""
        now = clock.now()
        return found(await public_of(services.links.invoice_id(slug) if _is_exact(request) else None), now)

    def found(public: PublicInvoice, read_at: datetime) -> _Found:
        return _Found(public, viewing.network_of(public), read_at)

    async def view_of(request: PageRequest, slug: str, language: Language | None = None) -> CheckoutView:
        return await view_found(request, slug, await find(request, slug), language)

    async def view_found(
        request: PageRequest, slug: str, found: _Found, language: Language | None = None
    ) -> CheckoutView:
        sent_back = await viewing.sent_back([found.public])
        return await viewing.view(
            found.public,
            sent_back.get(found.public.body.id, ()),
            slug=slug,
            language=language or language_of(request),
            framed=embedding.is_asked(request),
            now=found.read_at,
        )

    def back_to_page(request: PageRequest, slug: str) -> Redirect:
        """After a form: the page again, in its language, and in its frame."""
        framed = embedding.is_asked(request)
        return Redirect(f"/pay/{slug}{query(language_of(request), framed=framed)}", status_code=303)

    async def count(request: PageRequest, purpose: str, limit: int) -> None:
        state = request.scope["state"]
        address = site(state["client_address"])
        window = await rate_limiter.take(f"{purpose}:{address}", limit)
        state["rate_limit"] = window
        refuse_exceeded(window, Code.IP_RATE_LIMITED, "your address")

    @get("/{slug:str}", include_in_schema=False, middleware=[straight])
    async def page(request: PageRequest, slug: str) -> ASGIApp:
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        language = language_of(request)
        view = await view_of(request, slug, language)
        headers = framed_by(view.frame_origins) if view.is_framed else None
        return Html(layout.page(pages, view, language), language, headers)

    @get("/{slug:str}/receipt", include_in_schema=False)
    async def receipt(request: PageRequest, slug: str) -> Redirect:
        """Where the receipt was before it had a link of its own."""
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        view = await view_of(request, slug)
        return Redirect(view.receipt_url if view.is_settled else view.page_url, status_code=303)

    @get("/{slug:str}/transaction", include_in_schema=False, middleware=[COMPRESSED])
    async def transaction(request: PageRequest, slug: str) -> Response[Any]:
        text = request.query_params.get("txid", "")
        if text:
            await limits.count(rate_limiter, request.scope["state"])
        else:
            await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        asked, language = await find(request, slug), language_of(request)
        view = await view_found(request, slug, asked)
        network = lookup.network_of(asked.public.body, services.networks)
        if network is None:
            return Redirect(view.page_url, status_code=303)
        context = await lookup.context(text, view, network, services, language)
        return pages.page("checkout/transaction.html", context, language=language)

    @get("/{slug:str}/status", include_in_schema=False, middleware=[straight])
    async def status(request: PageRequest, slug: str) -> ASGIApp:
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        language = language_of(request)
        view = await view_of(request, slug, language)
        return Html(layout.live_part(pages, view, language), language)

    following = Following(hub, services.invoice_reader, services.links, viewing, partial(layout.live_part, pages))

    @get("/{slug:str}/events", include_in_schema=False, middleware=[counted, straight])
    async def events(request: PageRequest, slug: str) -> ASGIApp:
        hub.take_place(request.scope, site(request.scope["state"]["client_address"]))
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        invoice_id = (await find(request, slug)).public.body.id
        shown = Shown(invoice_id, language_of(request), framed=embedding.is_asked(request))
        return following.stream(shown, read_at(request.query_params.get("since", "")))

    @get("/{slug:str}/brand.css", include_in_schema=False)
    async def brand_css(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        return look.brand_css((await find(request, slug)).public.branding.accent)

    @get("/{slug:str}/logo", include_in_schema=False)
    async def logo(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        return await look.logo((await find(request, slug)).public.merchant_id)

    @get("/{slug:str}/link.svg", include_in_schema=False)
    async def link_code(request: PageRequest, slug: str) -> Response[bytes]:
        """The payment link as a QR code, which few wallets read: the page shows it only where it is asked for. Nothing
        once nothing is to be paid: a page that was made a moment before may ask for it."""
        await count(request, "checkout-live", LIVE_READS_PER_MINUTE)
        view = await view_of(request, slug)
        if not (view.is_payable or view.may_still_be_paid):
            return Response(b"", status_code=204)
        return Response(qr_image(view.payment_uri), media_type="image/svg+xml")

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
        return back_to_page(request, slug)

    handlers: list[Any] = [page, receipt, transaction, status, events, brand_css, logo, link_code, choose]
    handlers += returning.handlers(services, pages, view_of, count)
    handlers += sending.handlers(services, find, view_of, count)
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
            return back_to_page(request, slug)

        handlers.append(pay)

    async def find_receipt(request: PageRequest, slug: str) -> PublicInvoice:
        return await public_of(services.links.receipt_invoice_id(slug) if _is_exact(request) else None)

    async def view_receipt(request: PageRequest, public: PublicInvoice) -> CheckoutView:
        return await view_found(request, services.links.slug(public.body.id), found(public, clock.now()))

    of_receipts = Parts(
        pages=pages,
        count=lambda request: count(request, "checkout", PAGE_LOADS_PER_MINUTE),
        count_part=lambda request: count(request, "checkout-live", LIVE_READS_PER_MINUTE),
        find=find_receipt,
        view=view_receipt,
    )
    return [
        Router("/pay", route_handlers=handlers),
        receipts.routes(of_receipts),
        links.routes(services, pages, rate_limiter, count),
        embedding.script(),
    ]


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
