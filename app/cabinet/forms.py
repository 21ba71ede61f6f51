"""Forms of the cabinet: refusals about an amount or a destination are shown beside their field."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.core.errors import ApiError, Code
from app.identity.forms import Form

_ABOUT_A_FIELD = frozenset(
    {
        Code.AMOUNT_TOO_SMALL,
        Code.AMOUNT_TOO_LARGE,
        Code.INSUFFICIENT_BALANCE,
        Code.INVALID_DESTINATION,
        Code.MEMO_NOT_ALLOWED,
        Code.REFUND_EXCEEDS_NET,
        Code.PAY_IN_ASSET_NOT_ALLOWED,
        Code.DAILY_CAP_EXCEEDED,
        Code.DUPLICATE_ORDER_ID,
    }
)
"""Refusals whose message names a field, as INVALID_INPUT's does."""


@contextmanager
def catching(form: Form) -> Iterator[None]:
    """Like `form.catching()`, and also show refusals about an amount or a destination beside their field."""
    with form.catching():
        try:
            yield
        except ApiError as error:
            if error.code in _ABOUT_A_FIELD:
                raise ApiError(Code.INVALID_INPUT, error.message) from error
            raise


def optional(form: Form, name: str, most: int) -> str | None:
    """A field that may be left empty. Raises FormRefused if it has more than `most` characters."""
    text = form.text(name).replace("\r\n", "\n")
    if len(text) > most:
        raise form.refuse(name, f"must have at most {most} characters")
    return text or None


def required(form: Form, name: str, words: str) -> str:
    """A field that must not be empty. Raises FormRefused with `words` if it is."""
    text = form.text(name)
    if not text:
        raise form.refuse(name, words)
    return text
