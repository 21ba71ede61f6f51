"""What pages ask browsers for, and what their forms bring back."""

from typing import Any, NamedTuple

import msgspec

from app.accounts.challenges import Challenge
from app.identity.forms import Form

FIELDS = ("passkey", "passkey_challenge")


class Asked(NamedTuple):
    """The options for the browser, as JSON, and the signed challenge, for the form."""

    options: str
    signed: str

    @classmethod
    def of(cls, options: dict[str, Any], challenge: Challenge | None) -> "Asked":
        """What a page asks for. An approval has no challenge of its own: it is the digest."""
        return cls(msgspec.json.encode(options).decode(), challenge.signed if challenge else "")


class Answer(NamedTuple):
    """What a form brings back: the browser's answer, and the challenge that it is to."""

    answer: str
    signed: str


def answer_of(form: Form) -> Answer | None:
    """The answer in a form, which is taken out of it; None where it was sent without a passkey."""
    found = Answer(form.secret("passkey"), form.secret("passkey_challenge"))
    form.forget(*FIELDS)
    return found if found.answer else None
