"""Payment links for tests, made as the API makes them."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app.core import clock, ids
from app.merchants.terms import Terms
from app.payment_links.checking import LinkTerms
from app.payment_links.presentation import PaymentLinkBody
from app.web.idempotency import replay_of
from app.wiring import Services


@dataclass(frozen=True)
class By:
    """Who makes it, for the audit log."""

    actor: str = "api_key:k"
    address: str | None = None


async def payment_link(services: Services, terms: Terms, **fields: Any) -> str:
    """A link that asks for 5.00 USDT on ethereum, unless `fields` say otherwise. Returns its id."""
    asked = LinkTerms(**{"amount": "5.00", "currency": "USDT", "chain": "ethereum", "description": "Tips", **fields})
    replay = replay_of(
        ids.new_secret(), merchant_id=terms.merchant_id, mode=terms.mode, endpoint="POST /payment-links", body=None
    )
    body = await services.payment_links.create(terms, asked, replay, By(), clock.now())
    return msgspec.json.decode(body, type=PaymentLinkBody).id
