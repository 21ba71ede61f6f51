"""The amount in a form's field, as people type and paste it (core/typed_amounts.py).

What has one meaning is passed on as a plain decimal, which core/money.py parses and checks. Where it has two, the page
asks.
"""

from app.core import typed_amounts
from app.identity.forms import Form
from app.identity.sentences import PLAIN_AMOUNT


def amount(form: Form, name: str, unit: str = "", *, empty: str = "Enter an amount, such as 1250.00.") -> str:
    """The decimal text of an amount in `unit`, such as USDT. Records an error where it is empty, or has another meaning
    than one, or another unit; then it returns an empty text."""
    text = form.text(name)
    if not text:
        form.record(name, empty)
        return ""
    typed = typed_amounts.read(text)
    if typed is None:
        form.record(name, PLAIN_AMOUNT)
        return ""
    for each in typed.units:
        if unit and each.upper() != unit.upper():
            form.record(name, f"The amount says {each}, but {unit} is chosen. Enter an amount in {unit}.")
            return ""
    if typed.decimal is None:
        meanings = typed.meanings
        either = f"Does {typed.number} mean {meanings[0]} or {meanings[1]}? " if meanings else ""
        form.record(name, f"{either}{PLAIN_AMOUNT}")
        return ""
    return typed.decimal
