"""Rotate a secret while an earlier rotation still runs: the secret before the current one ends at once.

The page says so. A hidden field repeats what the page said; if another rotation has begun since, the form is refused
and the page shows the new state first.
"""

from datetime import datetime

from app.core import clock
from app.identity.forms import Form

FIELD = "ends_with_this"
"""The hidden field with the end of the rotation that ran when the page was made."""


def ends_with(previous_until: datetime | None) -> str:
    """The field's value: until when the secret before the current one is valid; empty if there is none."""
    return "" if previous_until is None or previous_until <= clock.now() else previous_until.isoformat()


def refuse_unseen_rotation(form: Form, previous_until: datetime | None) -> None:
    """Raise FormRefused where the form's page did not say that this rotation ends a secret that is still valid."""
    shown, now = form.text(FIELD), ends_with(previous_until)
    form.values[FIELD] = now  # what the page shows next time
    if now and now != shown:
        words = "Somebody has rotated it since you opened this page. Read below which secret ends, and send it again."
        raise form.refuse("", words)
