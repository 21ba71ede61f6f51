"""The page that asks where a transfer in review should be sent back to: `/pay/{slug}/return/{deposit id}.{mac}`.

The link is signed for one deposit of one invoice, so that nobody can see or set an address with another invoice's link.
What was given before is shown shortened: others may have the link to the payment.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect

from app.checkout.mistakes import explain, mistake_of, mistakes_of
from app.checkout.view import CheckoutView, Mistake, ReturnState
from app.core import clock
from app.core.errors import ApiError, Code
from app.core.text import without_direction_controls
from app.invoices.presentation import InvoiceBody
from app.networks.recognition import recognise
from app.refunds import return_addresses
from app.refunds.return_addresses import MAX_ADDRESS_CHARS, Refusal, ReturnAddressRefused
from app.web.client_address import site
from app.web.languages import Language
from app.web.pages import COMPRESSED, Pages, language_of
from app.web.same_origin import require_same_origin
from app.wiring import Services
from app.withdrawals.destinations import DestinationRefused, Problem

GIVEN_PER_MINUTE = 10
"""Addresses that one client may send in a minute."""

PAGE_LOADS_PER_MINUTE = 30

PageRequest = Request[Any, Any, Any]


class _Asked(msgspec.Struct, frozen=True):
    """What a request is about. `mistake` is None, and `network` empty, once the review has come to an end."""

    view: CheckoutView
    deposit_id: str
    url: str
    mistake: Mistake | None
    network: str


async def mistakes_in(services: Services, invoice: InvoiceBody, slug: str, language: Language) -> tuple[Mistake, ...]:
    """The open cases of an invoice, with the links to the pages that ask for return addresses."""
    found = await return_addresses.cases(invoice.id)
    return mistakes_of(
        found,
        services.networks,
        services.return_addresses.is_asked,
        lambda deposit_id: _url(services, invoice.id, slug, deposit_id, language),
    )


def handlers(
    services: Services,
    pages: Pages,
    view_of: Callable[[PageRequest, str], Awaitable[CheckoutView]],
    count: Callable[[PageRequest, str, int], Awaitable[None]],
) -> list[Any]:
    """The routes of the page. `view_of` finds the invoice of a payment link, or raises NOT_FOUND; `count` limits
    requests by purpose and minute."""

    async def asked(request: PageRequest, slug: str, return_slug: str) -> _Asked:
        view = await view_of(request, slug)
        deposit_id = services.links.deposit_id(view.invoice_id, return_slug)
        if deposit_id is None:
            raise ApiError(Code.NOT_FOUND, "there is nothing here")
        url = _url(services, view.invoice_id, slug, deposit_id, language_of(request))
        case = await return_addresses.case_of(deposit_id)
        if case is None:
            return _Asked(view, deposit_id, url, None, "")
        network = services.networks.get(case.network)
        is_asked = services.return_addresses.is_asked(case)
        return _Asked(view, deposit_id, url, mistake_of(case, network, is_asked, lambda _: url), network.display_name)

    def render(
        request: PageRequest, found: _Asked, *, entered: str = "", error: str = "", status: int = 200
    ) -> Response[bytes]:
        language = language_of(request)
        context = page_context(
            found.view, found.mistake, found.network, found.url, language, entered=entered, error=error
        )
        return pages.page("checkout/return.html", context, language=language, status=status)

    @get("/{slug:str}/return/{return_slug:str}", include_in_schema=False, middleware=[COMPRESSED])
    async def return_page(request: PageRequest, slug: str, return_slug: str) -> Response[bytes]:
        await count(request, "checkout", PAGE_LOADS_PER_MINUTE)
        return render(request, await asked(request, slug, return_slug))

    @post("/{slug:str}/return/{return_slug:str}", include_in_schema=False)
    async def give(
        request: PageRequest,
        slug: str,
        return_slug: str,
        data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[Any]:
        require_same_origin(request, services.settings.public_url)
        await count(request, "return-address", GIVEN_PER_MINUTE)
        found = await asked(request, slug, return_slug)
        language = language_of(request)
        entered = without_direction_controls(data.get("address", "")).strip()
        try:
            await services.return_addresses.give(
                found.deposit_id,
                entered,
                data.get("memo", "").strip() or None,
                given_from=site(request.scope["state"]["client_address"]),
                now=clock.now(),
            )
        except DestinationRefused as refused:
            error = say_problem(refused.problem, entered, found.network, language)
        except ReturnAddressRefused as refused:
            error = say_refusal(refused.refusal, found.view.merchant_name, language)
        else:
            return Redirect(found.url, status_code=303)
        return render(request, found, entered=entered[:MAX_ADDRESS_CHARS], error=error, status=422)

    return [return_page, give]


def page_context(
    view: CheckoutView,
    mistake: Mistake | None,
    network: str,
    url: str,
    language: Language,
    *,
    entered: str = "",
    error: str = "",
) -> dict[str, Any]:
    """Everything that `checkout/return.html` needs. `mistake` is None once the review has come to an end; `network` is
    the name of the transfer's network; `entered` and `error` are those of a form that was refused."""
    state = mistake.return_state if mistake else ReturnState.NOT_ASKED
    return {
        "view": view,
        "mistake": mistake,
        "told": explain(mistake, view, language) if mistake else None,
        "may_give": state in (ReturnState.ASKED, ReturnState.GIVEN, ReturnState.REJECTED),
        "state": state.value,
        "network": network,
        "url": url,
        "entered": entered,
        "error": error,
        "max_chars": MAX_ADDRESS_CHARS,
    }


def say_problem(problem: Problem, entered: str, network: str, language: Language) -> str:
    """What is wrong with an address, in the reader's language. `network` is the name of the transfer's network."""
    _ = language.gettext
    match problem:
        case Problem.MALFORMED if not entered:
            return _("Please enter an address.")
        case Problem.MALFORMED:
            words = _("This is no address on %(network)s, or it has a typing error. Please copy it from your wallet.")
        case Problem.OTHER_NETWORK:
            words = _(
                "This is an address of another network (%(other)s). The money came on %(network)s and can only go "
                "back to an address there."
            )
        case Problem.UNUSABLE:
            return _("What is sent to this address is lost. Please give one of your own wallet.")
        case Problem.OURS:
            return _(
                "This is the address that you paid to, or another one of ours. Please give one of your own wallet."
            )
        case Problem.TOO_SMALL:
            return _("The amount is too small to be sent to this address.")
        case Problem.CANNOT_SEND:
            words = _("Nothing can be sent on %(network)s at the moment.")
        case Problem.MEMO:
            words = _("%(network)s has no memos. Please give an address that needs none.")
    return words % {"network": language.isolate(network), "other": language.isolate(_kind_of(entered))}


def say_refusal(refusal: Refusal, merchant_name: str, language: Language) -> str:
    """Why no address is taken now, in the reader's language."""
    _ = language.gettext
    match refusal:
        case Refusal.CONFIRMED:
            words = _("%(merchant)s has confirmed an address already. To change it, ask %(merchant)s.")
        case Refusal.TOO_MANY:
            words = _("The address was changed too often. To change it once more, ask %(merchant)s.")
        case _:
            words = _("No address is needed any more. If you have questions, ask %(merchant)s.")
    return words % {"merchant": language.isolate(merchant_name)}


def _kind_of(address: str) -> str:
    """`Tron` of "a Tron address": names of networks are the same in every language."""
    words = recognise(address) or ""
    return words.removeprefix("an ").removeprefix("a ").removesuffix(" address")


def _url(services: Services, invoice_id: str, slug: str, deposit_id: str, language: Language) -> str:
    return f"/pay/{slug}/return/{services.links.return_slug(invoice_id, deposit_id)}?lang={language.code}"
