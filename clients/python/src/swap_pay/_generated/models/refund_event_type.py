from __future__ import annotations

from enum import Enum


class RefundEventType(str, Enum):
    """The values that this version knows. One that a newer gateway sends is kept as it is: `is_known` is False."""

    REFUND_APPROVED = "refund.approved"
    REFUND_CANCELLED = "refund.cancelled"
    REFUND_CONFIRMED = "refund.confirmed"
    REFUND_FAILED = "refund.failed"
    REFUND_PENDING_APPROVAL = "refund.pending_approval"
    REFUND_REJECTED = "refund.rejected"
    REFUND_SUBMITTED = "refund.submitted"

    @classmethod
    def _missing_(cls, value: object) -> RefundEventType | None:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_, unknown._value_ = value, value
        return unknown

    @property
    def is_known(self) -> bool:
        """Whether this version of the library knows the value."""
        return self.value in type(self)._value2member_map_

    def __str__(self) -> str:
        return str(self.value)
