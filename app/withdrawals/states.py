"""The statuses of payouts and refunds, and the one table of transitions between them (contract, section 4)."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from app.core.newer import Rights


class Status(StrEnum):
    """A withdrawal's progress. Why it does not go on is in `held` and `waiting_reason`."""

    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    Rights(
        {
            Status.PENDING_APPROVAL: frozenset({Status.APPROVED, Status.REJECTED, Status.CANCELLED}),
            # An approved one may be rejected while nothing is signed for it; a trigger refuses it afterwards.
            Status.APPROVED: frozenset({Status.SUBMITTED, Status.REJECTED, Status.FAILED}),
            Status.SUBMITTED: frozenset({Status.CONFIRMED, Status.FAILED}),
            Status.CONFIRMED: frozenset[Status](),
            Status.REJECTED: frozenset[Status](),
            Status.FAILED: frozenset[Status](),
            Status.CANCELLED: frozenset[Status](),
        }
    )
)

LIVE = (Status.PENDING_APPROVAL, Status.APPROVED, Status.SUBMITTED, Status.CONFIRMED)
"""Statuses in which the money is locked or sent: these count against a cap and an invoice's net."""

RELEASES_FUNDS = frozenset({Status.REJECTED, Status.FAILED, Status.CANCELLED})
"""A withdrawal that enters one of these ends without a transfer, and its locked money is available again."""


class IllegalTransition(Exception):
    """A step that the table of transitions does not have."""


def check_transition(current: Status, target: Status) -> None:
    """Raise IllegalTransition unless the table has this step."""
    if target not in TRANSITIONS[current]:
        raise IllegalTransition(f"{current} → {target}")


def can_cancel(status: Status) -> bool:
    """Whether the merchant may still cancel."""
    return Status.CANCELLED in TRANSITIONS[status]


def is_final(status: Status) -> bool:
    """Whether nothing more can happen."""
    return not TRANSITIONS[status]
