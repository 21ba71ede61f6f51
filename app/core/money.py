"""Amounts: integers of minor units inside, strings of digits outside, never a float.

A raw amount is an `int` of the asset's minor unit (sat, wei, 10^-6 USDT). `Decimal` is not needed even to
parse: the decimal point of a string is moved as text, which neither rounds nor loses a digit.
"""

import re

from app.core.errors import invalid

MAX_DIGITS = 78
"""Digits that `numeric(78,0)` holds: enough for any uint256."""

MIN_SHOWN_PLACES = 2
"""Decimal amounts show at least cents: `5.00`, not `5`."""

TAIL_UNIT_DECIMALS = 6
"""The tail sits in the sixth decimal, or the last one of an asset that has fewer (contract, section 3)."""

GROUP_GAP = "\N{NARROW NO-BREAK SPACE}"
"""Between thousands, in every language (ISO 80000-1, section 7.3)."""

_SHOWN = re.compile(r"([+\-−]?)([0-9]+)((?:\.[0-9]*)?)", re.ASCII)

_AMOUNT_IN_TEXT = re.compile(r"(?<![\w.])[0-9]{4,}\.[0-9]+(?![\w.]*\w)", re.ASCII)

_DECIMAL = re.compile(r"[0-9]+(?:\.([0-9]+))?", re.ASCII)


def parse_amount(text: str, decimals: int, field: str = "amount") -> int:
    """The raw amount that a decimal string means in an asset of `decimals` places.

    Raises INVALID_INPUT naming `field` unless it is a plain positive decimal: no sign, exponent, space or
    group mark, at most 78 digits, no more places than the asset has.
    """
    if len(text) > MAX_DIGITS + 1:
        raise invalid(field, f"must have at most {MAX_DIGITS} digits")
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise invalid(field, "must be a positive decimal such as 5.00")
    places = match.group(1) or ""
    if len(places) > decimals:
        raise invalid(field, f"must have at most {decimals} decimal places")
    raw = int(text.replace(".", "") + "0" * (decimals - len(places)))
    if raw == 0:
        raise invalid(field, "must be greater than zero")
    if raw >= 10**MAX_DIGITS:
        raise invalid(field, f"must have at most {MAX_DIGITS} digits in minor units")
    return raw


def format_amount(raw: int, decimals: int, *, least_places: int = MIN_SHOWN_PLACES) -> str:
    """The decimal form of a raw amount: exact, without needless zeros beyond the cents (`5.000073`, `5.00`), or beyond
    `least_places`."""
    sign, digits = ("-", str(-raw)) if raw < 0 else ("", str(raw))
    digits = digits.rjust(decimals + 1, "0")
    whole, places = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    places = places.rstrip("0").ljust(min(least_places, decimals), "0")
    return f"{sign}{whole}.{places}" if places else f"{sign}{whole}"


def group_digits(number: str | int) -> str:
    """A decimal amount or a count for a sentence, thousands set apart: `1\u202f250.000073`. Pages show figures by the
    filter `figure`, which looks the same."""
    sign, whole, rest = _SHOWN.fullmatch(str(number)).groups()  # type: ignore[union-attr]
    if len(whole) <= 3:
        return str(number)
    head = len(whole) % 3 or 3
    return sign + GROUP_GAP.join((whole[:head], *(whole[at : at + 3] for at in range(head, len(whole), 3)))) + rest


def group_amounts(text: str) -> str:
    """A sentence in which every decimal amount has its thousands set apart. Whole numbers stay: they may be ids."""
    return _AMOUNT_IN_TEXT.sub(lambda found: group_digits(found[0]), text)


def tail_unit_raw(decimals: int) -> int:
    """Minor units in one step of the tail: 1, or 10^(decimals-6) where an asset has more than six places."""
    return int(10 ** max(0, decimals - TAIL_UNIT_DECIMALS))
