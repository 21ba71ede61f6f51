"""The page of a payment link: `/l/{link id}.{mac}` (contract, section 11). It asks for the amount where that is open,
makes an invoice, and leads to the invoice's own page.

The form has a key: sent twice, it makes one invoice. Altered links get the same answer as those of `/pay`.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from app.checkout import look
from app.checkout.link_words import LinkView, State, link_view, say_amount, say_bound
from app.core import clock, ids, typed_amounts
from app.core.errors import ApiError, Code
from app.core.text import without_direction_controls
from app.invoices.presentation import InvoiceBody
from app.payment_links.repository import PublicLink
from app.payment_links.service import LinkRefused, refusal
from app.web.client_address import site
from app.web.languages import Language
from app.web.pages import COMPRESSED, Pages, language_of
from app.web.rate_limits import RateLimiter
from app.web.routing import Router
from app.web.same_origin import require_same_origin
from app.wiring import Services

INVOICES_PER_HOUR = 20
"""Of one link, by one address (contract, section 11)."""

HOUR_S = 3_600

PAGE_LOADS_PER_MINUTE = 30
PARTS_PER_MINUTE = 300
"""As of the checkout page."""

KEY_BYTES = 16
MAX_ENTERED = typed_amounts.MAX_LENGTH

RETRY_AFTER_S = 60
"""What a page without a better knowledge says, where no invoice can be made now."""

_NOT_NOW = frozenset(
    {
        *(Code.POOL_EXHAUSTED, Code.INVOICES_DISABLED, Code.RATE_UNAVAILABLE, Code.NETWORK_UNAVAILABLE),
        *(Code.IDEMPOTENCY_IN_PROGRESS, Code.PAY_IN_ASSET_NOT_ALLOWED),
    }
)
"""Why no invoice can be made now; the last one until the merchant changes its assets or the link."""

_PROBLEMS = (State.TOO_SMALL, State.TOO_LARGE)
_AMOUNT = {Code.AMOUNT_TOO_SMALL: State.TOO_SMALL, Code.AMOUNT_TOO_LARGE: State.TOO_LARGE}

PageRequest = Request[Any, Any, Any]


def routes(
    services: Services,
    pages: Pages,
    rate_limiter: RateLimiter,
    count: Callable[[PageRequest, str, int], Awaitable[None]],
) -> Router:
    """The routes below `/l`. `count` limits requests by purpose and minute."""

    async def find(request: PageRequest, slug: str) -> PublicLink:
        """The link of an address. Raises the same NOT_FOUND for an altered one and an unknown link."""
        path: str = request.scope["state"]["requested_path"]
        is_exact = not path.endswith("/") and "//" not in path
        public = await services.payment_links.find_public(slug) if is_exact else None
        if public is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        return public

    def view_of(request: PageRequest, slug: str, public: PublicLink) -> LinkView:
        reason = refusal(public.link, public.standing, clock.now())
        unit = services.payment_links.unit(public.link)
        return link_view(public, unit, State.of(reason), slug, language_of(request), ids.random_bytes(KEY_BYTES).hex())

    def render(view: LinkView, language: Language, status: int = 200, **changes: Any) -> Response[bytes]:
        shown = view.shown(**changes)
        answer = pages.page("checkout/link.html", {"view": shown}, language=language, status=status)
        if status in (429, 503):
            answer.headers["Retry-After"] = str(HOUR_S if status == 429 else RETRY_AFTER_S)
        return answer

    def to_invoice(invoice: InvoiceBody, language: Language) -> Redirect:
        return Redirect(f"/pay/{services.links.slug(invoice.id)}?lang={language.code}", status_code=303)

    def asked_again(view: LinkView, entered: str, problem: State | None = None) -> Redirect:
        """The page once more, with what was entered and what is wrong with it: one may reload it, and go back to it."""
        query = {"amount": entered} | ({} if problem is None else {"problem": problem.value})
        return Redirect(f"{view.post_url}&{urlencode(query)}", status_code=303)

    @get("/{slug:str}", include_in_schema=False, middleware=[COMPRESSED])
    async def page(request: PageRequest, slug: str) -> Response[bytes]:
        """The page; with `?amount=` the field is filled in, and says what is wrong with it."""
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        public, language = await find(request, slug), language_of(request)
        view, entered = view_of(request, slug, public), _entered(request.query_params.get("amount", ""))
        if public.link.amount_raw is not None or "amount" not in request.query_params:
            return render(view, language)
        _, error = _amount(view, entered, language)
        problem = request.query_params.get("problem")
        if not error and problem in _PROBLEMS:
            error = say_bound(State(problem), "", language)
        return render(view, language, entered=entered, error=error)

    @post("/{slug:str}", include_in_schema=False)
    async def pay(
        request: PageRequest,
        slug: str,
        data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[Any]:
        require_same_origin(request, services.settings.public_url)
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        public, language = await find(request, slug), language_of(request)
        view = view_of(request, slug, public).shown(key=_key(data.get("key", "")))
        amount_raw, entered = public.link.amount_raw, ""
        if amount_raw is None:
            entered = _entered(data.get("amount", ""))
            amount_raw, _ = _amount(view, entered, language)
            if amount_raw is None and view.state is not State.OPEN:
                return render(view, language, 409)
            if amount_raw is None:
                return asked_again(view, entered)
        begun = await services.payment_links.begun(public.link, amount_raw, view.key, clock.now())
        if begun is not None:
            return to_invoice(begun, language)
        if view.state is not State.OPEN:
            return render(view, language, 409)
        address = site(request.scope["state"]["client_address"])
        window = await rate_limiter.take(f"payment-link:{public.link.id}:{address}", INVOICES_PER_HOUR, window_s=HOUR_S)
        if window.is_exceeded:
            return render(view, language, 429, state=State.LIMITED)
        try:
            invoice = await services.payment_links.pay(public.link, amount_raw, view.key, clock.now())
        except LinkRefused as refused:
            return render(view, language, 409, state=State.of(refused.reason))
        except ApiError as error:
            if error.code in _AMOUNT and public.link.amount_raw is None:
                return asked_again(view, entered, _AMOUNT[error.code])
            if error.code in _NOT_NOW or error.code in _AMOUNT:
                return render(view, language, 503, state=State.NOT_NOW)
            raise
        return to_invoice(invoice, language)

    @get("/{slug:str}/brand.css", include_in_schema=False)
    async def brand_css(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout-live", PARTS_PER_MINUTE)
        return look.brand_css((await find(request, slug)).branding.accent)

    @get("/{slug:str}/logo", include_in_schema=False)
    async def logo(request: PageRequest, slug: str) -> Response[bytes]:
        await count(request, "checkout-live", PARTS_PER_MINUTE)
        return await look.logo((await find(request, slug)).link.merchant)

    return Router("/l", route_handlers=[page, pay, brand_css, logo])


def _key(sent: str) -> str:
    """The form's key; a new one where none of ours was sent."""
    is_ours = len(sent) == 2 * KEY_BYTES and set(sent) <= set("0123456789abcdef")
    return sent if is_ours else ids.random_bytes(KEY_BYTES).hex()


def _entered(text: str) -> str:
    """What was typed, cut off where it is longer than any amount."""
    return without_direction_controls(text.replace("\0", "")).strip()[: MAX_ENTERED + 1]


def _amount(view: LinkView, entered: str, language: Language) -> tuple[int | None, str]:
    """The amount that the customer entered, in minor units; or None, and what is wrong with it."""
    typed = typed_amounts.read(entered)
    is_in_unit = typed is not None and all(unit.upper() == view.unit.currency.upper() for unit in typed.units)
    if typed is None or typed.decimal is None or not is_in_unit:
        return None, say_amount(view, typed, entered, language)
    try:
        raw = view.unit.parse(typed.decimal, "amount")
    except ApiError:
        return None, say_amount(view, typed, entered, language)
    if view.min_raw is not None and raw < view.min_raw:
        return None, say_bound(State.TOO_SMALL, view.least, language)
    if view.max_raw is not None and raw > view.max_raw:
        return None, say_bound(State.TOO_LARGE, view.most, language)
    return raw, ""
