"""What networks charge for a payment, in the money that the customer thinks in.

Nothing here asks a node or a source of rates: both figures are stored already.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import ROUND_CEILING, Decimal, localcontext

from app.checkout.view import NetworkFee
from app.core import currencies
from app.core.money import format_amount
from app.networks import customer_fees
from app.networks.repository import FeeLook
from app.rates import service as rates
from app.rates.rate import Rate

SHOWN_DIGITS = 2
"""Significant digits of a fee in coins: it is about that much anyway."""


async def network_fees(
    networks: Collection[str], currency: str | None, now: datetime
) -> Mapping[tuple[str, str], NetworkFee]:
    """What a payment costs on these networks now, by network and asset, as far as it is known.

    In `currency` (ISO 4217) where there is a rate of the network's coin, otherwise in the coin itself.
    """
    looks = [look for look in (await customer_fees.current(now)).values() if look.network in networks]
    if not looks:
        return {}
    coins = {look.coin for look in looks}
    found = await rates.rates_now(coins, currency, now) if currency is not None else {}
    return {(look.network, look.asset): shown(look, found.get(look.coin)) for look in looks}


def shown(look: FeeLook, rate: Rate | None) -> NetworkFee:
    """A fee by a rate of its coin, rounded up to the currency's last place; without one, in coins. Pure."""
    if rate is None:
        return NetworkFee(figure=_in_coins(look.fee_raw, look.coin_decimals), unit=look.coin)
    places = currencies.places(rate.quote)
    with localcontext(prec=rates.EXACT_DIGITS):
        exact = rates.worth_by(rate, look.fee_raw, look.coin_decimals).scaleb(places)
        minor_units = int(exact.quantize(Decimal(1), rounding=ROUND_CEILING))
    return NetworkFee(figure=format_amount(max(minor_units, 1), places), unit=rate.quote, is_less=exact < 1)


def _in_coins(fee_raw: int, decimals: int) -> str:
    step = 10 ** max(len(str(fee_raw)) - SHOWN_DIGITS, 0)
    return format_amount(-(-fee_raw // step) * step, decimals, least_places=0)
