"""Amounts without floating point.

The API gives each amount twice: `…_raw`, digits in the asset's smallest unit, and `…_decimal`, the same for people.
Both are texts here too. Compute with `int(invoice.amount_raw)`, or with `Decimal(invoice.amount_decimal)`; a `float`
is refused wherever an amount is given.
"""

from __future__ import annotations

from decimal import Context, Decimal

Amount = str | int | Decimal
"""What may be given as an amount: `"5.00"`, `5` or `Decimal("5.00")`."""

_EXACT = Context(prec=200)
"""More digits than any amount has: the API takes at most 78."""


def as_text(amount: Amount) -> str:
    """An amount as the API reads it. Raises TypeError for a float, ValueError for what is no finite number."""
    if isinstance(amount, str):
        return amount
    if isinstance(amount, bool) or not isinstance(amount, (int, Decimal)):
        raise TypeError(f'an amount is a str such as "5.00", an int or a Decimal, not {type(amount).__name__}')
    if isinstance(amount, Decimal) and not amount.is_finite():
        raise ValueError(f"{amount} is no amount")
    return format(amount, "f") if isinstance(amount, Decimal) else str(amount)


def to_decimal(raw: str | int, decimals: int) -> Decimal:
    """`to_decimal("5000000", 6)` is `Decimal("5.000000")`. Raises ValueError."""
    return Decimal(int(raw)).scaleb(-decimals, _EXACT)


def to_raw(amount: Amount, decimals: int) -> int:
    """`to_raw("5.00", 6)` is `5000000`. Raises ValueError where the asset has fewer places than the amount."""
    scaled = Decimal(as_text(amount)).scaleb(decimals, _EXACT)
    if scaled != scaled.to_integral_value(context=_EXACT):
        raise ValueError(f"{amount} has more than {decimals} places")
    return int(scaled)
