from __future__ import annotations

from enum import Enum


class InvoiceEventType(str, Enum):
    """The values that this version knows. One that a newer gateway sends is kept as it is: `is_known` is False."""

    INVOICE_CANCELLED = "invoice.cancelled"
    INVOICE_CLOSED = "invoice.closed"
    INVOICE_CONFIRMING = "invoice.confirming"
    INVOICE_CREATED = "invoice.created"
    INVOICE_EXPIRED = "invoice.expired"
    INVOICE_MANUAL_REVIEW = "invoice.manual_review"
    INVOICE_PAID = "invoice.paid"
    INVOICE_PARTIALLY_REFUNDED = "invoice.partially_refunded"
    INVOICE_QUOTED = "invoice.quoted"
    INVOICE_REFUNDED = "invoice.refunded"
    INVOICE_REVERSED = "invoice.reversed"

    @classmethod
    def _missing_(cls, value: object) -> InvoiceEventType | None:
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
