"""What a customer can pay a price with, in words: the usual wait, the network's fee, and what it comes to."""

import msgspec

from app.checkout.view import CheckoutView, NetworkFee, WayToPay
from app.core.money import group_digits
from app.web.languages import Language

MANY_WAYS = 8
"""More than so many don't fit on a screen: the page has a search for them."""


class WayWords(msgspec.Struct, frozen=True, kw_only=True):
    """The sentences about one way to pay, translated."""

    usual_wait: str
    network_fee: str
    """Empty where it is not known."""
    worth: str
    """Empty where the amount is worth about the price."""
    found_by: str
    """What a search looks through."""


def words_of_ways(view: CheckoutView, language: Language) -> list[WayWords]:
    """The sentences about each of `view.other_ways`, in their order."""
    return [
        WayWords(
            usual_wait=usual_wait(way, language),
            network_fee=network_fee(way.network_fee, language),
            worth=worth(way, view.price_currency, language),
            found_by=" ".join((way.asset, way.asset_name, way.chain_name, way.chain)),
        )
        for way in view.other_ways
    ]


def usual_wait(way: WayToPay, language: Language) -> str:
    """How long a payment with this asset usually takes to count, rounded up."""
    _, ngettext = language.gettext, language.ngettext
    if not way.amount_decimal:
        return _("There is no exchange rate at the moment")
    wait_s = -(-way.usual_wait_ms // 1000)
    if wait_s < 60:
        return _("Usually counts within a minute")
    wait_min = -(-wait_s // 60)
    if wait_min < 90:
        words = ngettext("Usually counts after %(n)s minute", "Usually counts after %(n)s minutes", wait_min)
        return words % {"n": language.count(wait_min)}
    wait_h = -(-wait_min // 60)
    words = ngettext("Usually counts after %(n)s hour", "Usually counts after %(n)s hours", wait_h)
    return words % {"n": language.count(wait_h)}


def network_fee(fee: NetworkFee | None, language: Language) -> str:
    """What the network charges for a payment now."""
    _ = language.gettext
    if fee is None:
        return ""
    words = _("Network fee: less than %(fee)s") if fee.is_less else _("Network fee: about %(fee)s")
    return words % {"fee": language.isolate(f"{group_digits(fee.figure)} {fee.unit}")}


def worth(way: WayToPay, currency: str, language: Language) -> str:
    """What the amount is worth in the price's currency."""
    _ = language.gettext
    if not way.worth_decimal:
        return ""
    return _("about %(worth)s") % {"worth": language.isolate(f"{group_digits(way.worth_decimal)} {currency}")}
