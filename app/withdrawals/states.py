"""Where a payout or a refund may go from where it is (contract, section 4). The one table of transitions."""

from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """A withdrawal's progress. What keeps it from moving is `held` and `waiting_reason`."""

    PENDING_APPROVAL = "pending_approval"
    APPROVED = "approved"
    SUBMITTED = "submitted"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


TRANSITIONS = MappingProxyType(
    {
        Status.PENDING_APPROVAL: frozenset({Status.APPROVED, Status.REJECTED, Status.CANCELLED}),
        # An approval may be taken back as long as nothing is signed; a trigger refuses it afterwards.
        Status.APPROVED: frozenset({Status.SUBMITTED, Status.REJECTED, Status.FAILED}),
        Status.SUBMITTED: frozenset({Status.CONFIRMED, Status.FAILED}),
        Status.CONFIRMED: frozenset[Status](),
        Status.REJECTED: frozenset[Status](),
        Status.FAILED: frozenset[Status](),
        Status.CANCELLED: frozenset[Status](),
    }
)

LIVE = (Status.PENDING_APPROVAL, Status.APPROVED, Status.SUBMITTED, Status.CONFIRMED)
"""Those whose money is locked or gone: what counts against a cap or an invoice's net."""

GIVES_BACK = frozenset({Status.REJECTED, Status.FAILED, Status.CANCELLED})
"""Entering one of these returns the lock."""


class IllegalTransition(Exception):
    """A program error: a step that the table does not have."""


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
