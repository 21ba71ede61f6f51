from __future__ import annotations

from enum import Enum


class PaymentLinkStatus(str, Enum):
    """The values that this version knows. One that a newer gateway sends is kept as it is: `is_known` is False."""

    EXPIRED = "expired"
    INACTIVE = "inactive"
    OPEN = "open"
    USED_UP = "used_up"

    @classmethod
    def _missing_(cls, value: object) -> PaymentLinkStatus | None:
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
