"""The public form of a payment link, as the API shows it."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.core import metadata
from app.core.clock import rfc3339
from app.core.metadata import Metadata
from app.invoices.links import PaymentLinks
from app.invoices.presentation import AssetOnChain, Decimal, Moment, choice_of
from app.networks.registry import Networks
from app.payment_links.checking import Unit
from app.payment_links.repository import MOST_TAKEN, ShownLink
from app.payment_links.states import LinkStatus, status_of


class PaymentLinkBody(msgspec.Struct, frozen=True, kw_only=True):
    """A link that makes an invoice for everybody who opens it and wants to pay."""

    id: Annotated[
        str,
        Meta(description="`PL-` and ten characters.", extra_json_schema={"pattern": "^PL-[0-9A-HJKMNP-TV-Z]{10}$"}),
    ]
    mode: Annotated[Literal["live", "test"], Meta(title="Mode", description="The mode of the key that made it.")]
    url: Annotated[
        str, Meta(description="The link's page. Everybody who has it can pay.", extra_json_schema={"format": "uri"})
    ]
    active: Annotated[bool, Meta(description="Whether you have it switched on.")]
    status: Annotated[
        LinkStatus,
        Meta(
            description="`open`: it can be paid by. `inactive`: it is switched off. `expired`: its `expires_at` has "
            "passed. `used_up`: as many payments are taken as `max_payments` allows."
        ),
    ]
    amount: Annotated[Decimal | None, Meta(description="What is asked for. Null: the customer enters an amount.")]
    min_amount: Annotated[Decimal | None, Meta(description="The least that the customer may enter.")]
    max_amount: Annotated[Decimal | None, Meta(description="The most that the customer may enter.")]
    currency: Annotated[str, Meta(description="The asset's symbol; or, without `chain`, a national currency.")]
    chain: Annotated[str | None, Meta(description="The chain to be paid on; null for a national currency.")]
    pay_in_assets: Annotated[
        list[AssetOnChain] | None, Meta(description="What a price may be paid with. Null: all that you offer.")
    ]
    description: Annotated[str | None, Meta(description="As given. The customer sees it, and each invoice has it.")]
    max_payments: Annotated[int | None, Meta(description="How many payments it may take. Null: any number.")]
    payments_taken: Annotated[
        int,
        Meta(
            description="Its invoices that are paid or may still be, counted up to "
            f"{MOST_TAKEN}: one counts from its creation until it is expired, cancelled or closed.",
            extra_json_schema={"minimum": 0},
        ),
    ]
    expires_at: Annotated[Moment | None, Meta(description="Until when it makes invoices. Null: for good.")]
    success_url: Annotated[str | None, Meta(description="Where the customer goes after paying.")]
    metadata: Annotated[Metadata, Meta(description="As given. Each of its invoices has it.")]
    created_at: Annotated[Moment, Meta(description="When it was made.")]


def body_of(link: ShownLink, networks: Networks, links: PaymentLinks, now: datetime) -> PaymentLinkBody:
    """The public form of a link at `now`."""
    unit = Unit.of(networks, link.network, link.currency)

    def decimal(raw: int | None) -> str | None:
        return None if raw is None else unit.format(raw)

    return PaymentLinkBody(
        id=link.id,
        mode=link.mode,
        url=links.link_url(link.id),
        active=link.active,
        status=status_of(
            active=link.active,
            expires_at=link.expires_at,
            max_payments=link.max_payments,
            taken=link.taken,
            now=now,
        ),
        amount=decimal(link.amount_raw),
        min_amount=decimal(link.min_raw),
        max_amount=decimal(link.max_raw),
        currency=link.currency,
        chain=None if unit.network is None else unit.network.chain,
        pay_in_assets=choices_of(link, networks),
        description=link.description,
        max_payments=link.max_payments,
        payments_taken=link.taken,
        expires_at=None if link.expires_at is None else rfc3339(link.expires_at),
        success_url=link.success_url,
        metadata=metadata.from_json(link.metadata),
        created_at=rfc3339(link.created_at),
    )


def choices_of(link: ShownLink, networks: Networks) -> list[AssetOnChain] | None:
    """What a price may be paid with, as the API names it; None for all that is offered."""
    if link.pay_in_assets is None:
        return None
    named = [choice_of(each) for each in link.pay_in_assets]
    return [AssetOnChain(asset=symbol, chain=networks.get(key).chain) for key, symbol in named]
