"""The states of an invoice and the only table of their transitions (contract, section 3, "States")."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from app.core.newer import Rights


class Status(StrEnum):
    """An invoice's progress. `needs_review` shows an anomaly beside it."""

    AWAITING_CHOICE = "awaiting_choice"
    """It has a price, and the customer has yet to choose what to pay it with."""
    AWAITING_DEPOSIT = "awaiting_deposit"
    CONFIRMING = "confirming"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    MANUAL_REVIEW = "manual_review"
    CLOSED = "closed"


TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    Rights(
        {
            # To confirming or a review: a deposit for an earlier quote.
            Status.AWAITING_CHOICE: frozenset(
                {
                    *(Status.AWAITING_DEPOSIT, Status.CONFIRMING, Status.MANUAL_REVIEW),
                    *(Status.EXPIRED, Status.CANCELLED),
                }
            ),
            # To the choice: the quote is over, and the invoice has time left.
            Status.AWAITING_DEPOSIT: frozenset(
                {
                    *(Status.CONFIRMING, Status.MANUAL_REVIEW, Status.AWAITING_CHOICE),
                    *(Status.EXPIRED, Status.CANCELLED),
                }
            ),
            # Back to awaiting: the deposit was reorganised away.
            Status.CONFIRMING: frozenset({Status.PAID, Status.AWAITING_DEPOSIT, Status.MANUAL_REVIEW}),
            Status.PAID: frozenset({Status.PARTIALLY_REFUNDED, Status.REFUNDED}),
            Status.PARTIALLY_REFUNDED: frozenset({Status.REFUNDED}),
            Status.REFUNDED: frozenset[Status](),
            Status.EXPIRED: frozenset({Status.MANUAL_REVIEW}),
            Status.CANCELLED: frozenset({Status.MANUAL_REVIEW}),
            # To confirming: the exact deposit was made in time after all.
            Status.MANUAL_REVIEW: frozenset({Status.CONFIRMING, Status.PAID, Status.CLOSED}),
            Status.CLOSED: frozenset[Status](),
        }
    )
)

KEEPS_ADDRESS = frozenset({Status.AWAITING_DEPOSIT, Status.CONFIRMING, Status.MANUAL_REVIEW})
"""While an invoice is in one of these, its address is not leased to another."""

AWAITS_PAYMENT = frozenset({Status.AWAITING_CHOICE, Status.AWAITING_DEPOSIT})
"""In these nothing was paid yet."""

GOES_TO_REVIEW = frozenset({*AWAITS_PAYMENT, Status.EXPIRED, Status.CANCELLED})
"""In these, a deposit that needs review makes the status `manual_review`; in others only `needs_review` is set."""

GIVES_UP_ORDER_ID = frozenset({Status.EXPIRED, Status.CANCELLED})
"""Entering one of these frees the order id for a new invoice."""


class IllegalTransition(Exception):
    """A program error: a transition that the table does not have."""


def check_transition(current: Status, target: Status) -> None:
    """Raise IllegalTransition unless the table has this transition."""
    if target not in TRANSITIONS[current]:
        raise IllegalTransition(f"{current} → {target}")


def can_cancel(status: Status) -> bool:
    """Whether the merchant may still cancel."""
    return Status.CANCELLED in TRANSITIONS[status]


def can_refund(status: Status) -> bool:
    """Whether the merchant may refund this invoice."""
    return status in (Status.PAID, Status.PARTIALLY_REFUNDED)


def is_final(status: Status) -> bool:
    """Whether the status changes no more by itself: the checkout page may stop listening."""
    return status not in (*AWAITS_PAYMENT, Status.CONFIRMING, Status.MANUAL_REVIEW)
