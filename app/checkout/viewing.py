"""What a checkout page shows: the invoice, and all that is read beside it."""

from collections.abc import Sequence
from datetime import datetime

from app.checkout.network_fees import network_fees
from app.checkout.returning import mistakes_in
from app.checkout.source import checkout_view
from app.checkout.view import CheckoutView
from app.deposits import reviews
from app.invoices.reader import PublicInvoice
from app.invoices.states import AWAITS_PAYMENT, Status
from app.networks.config import NetworkConfig
from app.refunds import repository as refunds
from app.refunds.repository import SentBack
from app.web.languages import Language
from app.wiring import Services

NOTHING_SENT_YET = frozenset({*AWAITS_PAYMENT, Status.CONFIRMING, Status.EXPIRED, Status.CANCELLED})
"""States in which no refund can exist: the query for refunds is left out."""


class Viewing:
    """Makes the views of one process. `with_wallet` is the sandbox's button that pays."""

    def __init__(self, services: Services, *, with_wallet: bool) -> None:
        self._services = services
        self._with_wallet = with_wallet

    def network_of(self, public: PublicInvoice) -> NetworkConfig | None:
        """The network to pay on; None while nothing is chosen."""
        pay_in = public.body.pay_in
        return None if pay_in is None else self._services.networks.by(pay_in.chain, public.body.mode)

    async def sent_back(self, publics: Sequence[PublicInvoice]) -> dict[str, list[SentBack]]:
        """The refunds of these invoices, by invoice: one statement for all, and none where none can have any."""
        ids = [public.body.id for public in publics if public.body.status not in NOTHING_SENT_YET]
        return await refunds.sent_back(ids) if ids else {}

    async def view(
        self,
        public: PublicInvoice,
        sent_back: Sequence[SentBack],
        *,
        slug: str,
        language: Language,
        framed: bool,
        now: datetime,
    ) -> CheckoutView:
        """The view of the page `slug`. `framed` is whether it is asked for in a frame, `now` a time before the invoice
        was read: the page is told of every change since. Raises UNAVAILABLE for what only a newer version knows."""
        services, invoice, network = self._services, public.body, self.network_of(public)
        may_pay = invoice.status in AWAITS_PAYMENT
        choices = await services.quotes.choices(invoice.id, now) if invoice.price is not None and may_pay else []
        networks = {choice.network.key for choice in choices} | ({network.key} if network else set())
        currency = invoice.price.currency if invoice.price else None
        return checkout_view(
            public,
            sent_back,
            network,
            slug=slug,
            links=services.links,
            language=language,
            with_wallet=self._with_wallet,
            now=now,
            choices=choices,
            fees=await network_fees(networks, currency, now) if may_pay else {},
            frame_origins=public.frame_origins if framed else (),
            mistakes=await mistakes_in(services, invoice, slug, language) if invoice.needs_review else (),
            review_takes=await reviews.usual_duration(now) if invoice.needs_review else None,
        )
