"""What the page's script asks while a wallet in the browser pays: `POST /pay/{slug}/sent`, `…/unsigned`, `…/signed`."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Protocol

from litestar import Request, post
from litestar.enums import RequestEncodingType
from litestar.params import Body

from app.checkout import signing
from app.checkout.view import CheckoutView
from app.core import clock
from app.core.errors import ApiError, Code, invalid
from app.deposits.announcements import announce
from app.invoices.reader import PublicInvoice
from app.networks.config import NetworkConfig
from app.networks.sending import Payment
from app.web.same_origin import require_same_origin
from app.wiring import Services

SENT_PER_MINUTE = 20
"""Per address: transactions that pages announce, and those that wallets sign."""

PageRequest = Request[Any, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


class Found(Protocol):
    """The invoice of a payment link, and the network that it asks to pay on, if any."""

    @property
    def public(self) -> PublicInvoice:
        """The invoice."""
        ...

    @property
    def network(self) -> NetworkConfig | None:
        """None while nothing is chosen."""
        ...


def handlers(
    services: Services,
    find: Callable[[PageRequest, str], Awaitable[Found]],
    view_of: Callable[[PageRequest, str], Awaitable[CheckoutView]],
    count: Callable[[PageRequest, str, int], Awaitable[None]],
) -> list[Any]:
    """The routes. `find` and `view_of` take a payment link, and raise NOT_FOUND; `count` limits requests by purpose and
    minute."""

    async def admit(request: PageRequest) -> None:
        require_same_origin(request, services.settings.public_url)
        await count(request, "checkout-sent", SENT_PER_MINUTE)

    async def asked(request: PageRequest, slug: str) -> tuple[NetworkConfig, Payment, datetime]:
        """What the invoice asks for now, and until when. Raises NOT_FOUND where it asks for nothing."""
        await admit(request)
        found, view = await find(request, slug), await view_of(request, slug)
        pay_in, due = found.public.body.pay_in, found.public.due
        is_asked = view.is_payable or view.may_still_be_paid
        if found.network is None or pay_in is None or due is None or not is_asked:
            raise ApiError(Code.NOT_FOUND, "nothing is asked for now")
        return found.network, Payment(pay_in.address, pay_in.asset, due.amount_raw), found.public.pay_until

    @post("/{slug:str}/sent", include_in_schema=False, status_code=204)
    async def sent(request: PageRequest, slug: str, data: Form) -> None:
        await admit(request)
        found = await find(request, slug)
        if found.network is None:
            raise invalid("txid", "nothing is asked for yet")
        invoice = found.public.body
        try:
            await announce(invoice.id, invoice.status, found.network, data.get("txid", ""), clock.now())
        except ValueError as error:
            raise invalid("txid", str(error)) from None

    @post("/{slug:str}/unsigned", include_in_schema=False, status_code=200)
    async def unsigned(request: PageRequest, slug: str, data: Form) -> dict[str, Any]:
        network, payment, until = await asked(request, slug)
        account = data.get("account", "")
        return await signing.prepared(services.networks, network, payment, account, clock.now(), until)

    @post("/{slug:str}/signed", include_in_schema=False, status_code=200)
    async def signed(request: PageRequest, slug: str, data: Form) -> dict[str, Any]:
        network, payment, _ = await asked(request, slug)
        raw_data, signature = data.get("raw_data", ""), data.get("signature", "")
        return await signing.sent(services.networks, network, payment, raw_data, signature)

    return [sent, unsigned, signed]
