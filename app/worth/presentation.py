"""The public form of a worth."""

from typing import Annotated

import msgspec
from msgspec import Meta

from app.core import currencies
from app.core.money import format_amount


class WorthBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a movement of money was worth when it was booked."""

    amount_decimal: Annotated[
        str,
        Meta(
            description="As many places as the currency has; signed in statements alone.",
            extra_json_schema={"pattern": r"^-?[0-9.]+$"},
        ),
    ]
    currency: Annotated[str, Meta(description="ISO 4217.", extra_json_schema={"pattern": "^[A-Z]{3}$"})]


def worth_body(worth_raw: int | None, currency: str | None) -> WorthBody | None:
    """A worth in minor units of a currency; None where it is not known."""
    if worth_raw is None or currency is None:
        return None
    places = currencies.places(currency)
    return WorthBody(amount_decimal=format_amount(int(worth_raw), places, least_places=places), currency=currency)
