"""The stream of an open checkout page: after a change it brings the page's live part as it is now.

A page that was only told of the change would ask for that part in a request of its own. A block changes many invoices
at once: their pages are read together, by one statement for all invoices and at most one for all refunds.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from app.checkout.view import CheckoutView
from app.checkout.viewing import Viewing
from app.core import clock
from app.core.errors import ApiError
from app.invoices.links import PaymentLinks
from app.invoices.reader import InvoiceReader, PublicInvoice
from app.live import topics
from app.live.contents import Contents
from app.live.hub import LiveHub
from app.live.stream import EventStream
from app.refunds.repository import SentBack
from app.web.languages import Language
from app.web.pages import Part

MADE_AT_ONCE = 8
"""Parts that are made before other requests have their turn: some milliseconds."""

_MOMENT_MS = re.compile(r"[0-9]{13}", re.ASCII)


class Shown(NamedTuple):
    """What an open page shows. Pages that are equal in it get one content."""

    invoice_id: str
    language: Language
    framed: bool


class Following:
    """The streams of one process's checkout pages. `render` makes the live part of a view."""

    def __init__(
        self,
        hub: LiveHub,
        invoices: InvoiceReader,
        links: PaymentLinks,
        viewing: Viewing,
        render: Callable[[CheckoutView, Language], Part],
    ) -> None:
        self._hub = hub
        self._invoices = invoices
        self._links = links
        self._viewing = viewing
        self._render = render
        self._contents = Contents(self._make)

    def stream(self, shown: Shown, since: datetime | None) -> EventStream:
        """The stream of a page that was read at `since`. None is a page of the version before, which reads itself when
        its stream begins, and after each notice."""
        names = {topics.of_thing("invoice", shown.invoice_id): "invoice"}
        if since is None:
            return self._hub.stream(names)
        return self._hub.stream(names, since=since, contents=self._contents, shows=shown)

    async def _make(self, wanted: Sequence[Shown]) -> AsyncIterator[tuple[Shown, Part]]:
        now, ids = clock.now(), list({shown.invoice_id for shown in wanted})
        publics = {public.body.id: public for public in await self._invoices.get_public_of(ids) if public is not None}
        sent_back = await self._viewing.sent_back(list(publics.values()))
        for number, shown in enumerate(wanted, 1):
            public = publics.get(shown.invoice_id)
            if public is not None:
                with suppress(ApiError):  # only this one can't be shown; its page is told to ask, and gets the error
                    yield shown, await self._part(shown, public, sent_back.get(shown.invoice_id, ()), now)
            if number % MADE_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _part(self, shown: Shown, public: PublicInvoice, sent_back: Sequence[SentBack], now: datetime) -> Part:
        view = await self._viewing.view(
            public,
            sent_back,
            slug=self._links.slug(shown.invoice_id),
            language=shown.language,
            framed=shown.framed,
            now=now,
        )
        return self._render(view, shown.language)


def read_at(text: str) -> datetime | None:
    """When a page was read, in milliseconds since 1970; None where the text doesn't say."""
    return datetime.fromtimestamp(int(text) / 1000, UTC) if _MOMENT_MS.fullmatch(text) else None
