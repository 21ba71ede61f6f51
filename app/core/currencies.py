"""National currencies by their ISO 4217 codes, as Babel knows them (CLDR)."""

import re
from functools import cache

from babel import Locale
from babel.numbers import get_currency_precision

NO_MONEY = frozenset({"XAG", "XAU", "XBA", "XBB", "XBC", "XBD", "XDR", "XPD", "XPT", "XSU", "XTS", "XUA", "XXX"})
"""Codes of ISO 4217 for metals, units of account, tests and "no currency": nobody has a price in them."""

_CODE = re.compile(r"[A-Z]{3}")


@cache
def known() -> frozenset[str]:
    """Every code that may be the currency of a price, former currencies among them."""
    return frozenset(code for code in map(str, Locale("en").currencies) if _CODE.fullmatch(code)) - NO_MONEY


def is_currency(code: str) -> bool:
    """Whether this is the code of a currency, in capitals."""
    return code in known()


@cache
def places(code: str) -> int:
    """The decimal places of an amount in this currency: JPY 0, EUR 2, KWD 3. Two for a code that Babel doesn't
    know."""
    return get_currency_precision(code)
