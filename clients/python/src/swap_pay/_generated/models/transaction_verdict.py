from __future__ import annotations

from enum import Enum


class TransactionVerdict(str, Enum):
    """The values that this version knows. One that a newer gateway sends is kept as it is: `is_known` is False."""

    CONFIRMING = "confirming"
    DROPPED = "dropped"
    DUST = "dust"
    ELSEWHERE = "elsewhere"
    FAILED = "failed"
    LOOKALIKE_TOKEN = "lookalike_token"
    OTHER_ASSET = "other_asset"
    OTHER_INVOICE = "other_invoice"
    OTHER_NETWORK = "other_network"
    OTHER_TOKEN = "other_token"
    PAID = "paid"
    PAID_AFTER_CANCELLATION = "paid_after_cancellation"
    PAID_AGAIN = "paid_again"
    PAID_LATE = "paid_late"
    PAID_OVER = "paid_over"
    PAID_PART = "paid_part"
    PAID_SHORT = "paid_short"
    REORGANISED = "reorganised"
    REPLACED = "replaced"
    UNAVAILABLE = "unavailable"
    UNCLAIMED = "unclaimed"
    UNKNOWN = "unknown"
    WAITING = "waiting"

    @classmethod
    def _missing_(cls, value: object) -> TransactionVerdict | None:
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
