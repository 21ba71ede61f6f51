"""What stands in the way of a payment link. Values in, values out."""

from datetime import datetime
from enum import StrEnum


class LinkStatus(StrEnum):
    """Whether a link can be paid by, or why not."""

    OPEN = "open"
    INACTIVE = "inactive"
    """Switched off by the merchant."""
    EXPIRED = "expired"
    USED_UP = "used_up"
    """As many payments are taken as may be. It opens again where one of them is not made."""


GIVES_PAYMENT_BACK = ("expired", "cancelled", "closed")
"""States of an invoice that takes none of its link's payments: nothing was paid, or it was sent back. Every other one
takes one, from its creation on: so there are never more payments than there may be."""


def status_of(
    *, active: bool, expires_at: datetime | None, max_payments: int | None, taken: int, now: datetime
) -> LinkStatus:
    """A link's status, the first of several reasons. `taken` are the payments that its invoices take."""
    if not active:
        return LinkStatus.INACTIVE
    if expires_at is not None and expires_at <= now:
        return LinkStatus.EXPIRED
    if max_payments is not None and taken >= max_payments:
        return LinkStatus.USED_UP
    return LinkStatus.OPEN
