from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..types import UNSET, Unset


@dataclass
class RefundRequest:
    """How much of the invoice's net to send back, and where.

    Attributes:
        amount (str): Decimal string, greater than zero.
        refund_address (str): With a valid checksum.
        refund_address_memo (None | str | Unset): Only for chains that have memos.
        reason (None | str | Unset): For your own records.
        customer_visible_reason (None | str | Unset): The customer sees it.
    """

    amount: str
    refund_address: str
    refund_address_memo: None | str | Unset = UNSET
    reason: None | str | Unset = UNSET
    customer_visible_reason: None | str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        amount = self.amount
        said["amount"] = amount
        refund_address = self.refund_address
        said["refund_address"] = refund_address
        refund_address_memo: None | str | Unset
        if isinstance(self.refund_address_memo, Unset):
            refund_address_memo = UNSET
        else:
            refund_address_memo = self.refund_address_memo
        if refund_address_memo is not UNSET:
            said["refund_address_memo"] = refund_address_memo
        reason: None | str | Unset
        if isinstance(self.reason, Unset):
            reason = UNSET
        else:
            reason = self.reason
        if reason is not UNSET:
            said["reason"] = reason
        customer_visible_reason: None | str | Unset
        if isinstance(self.customer_visible_reason, Unset):
            customer_visible_reason = UNSET
        else:
            customer_visible_reason = self.customer_visible_reason
        if customer_visible_reason is not UNSET:
            said["customer_visible_reason"] = customer_visible_reason
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> RefundRequest:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        amount = left.pop("amount")
        refund_address = left.pop("refund_address")

        def _parse_refund_address_memo(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        refund_address_memo = _parse_refund_address_memo(left.pop("refund_address_memo", UNSET))

        def _parse_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        reason = _parse_reason(left.pop("reason", UNSET))

        def _parse_customer_visible_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        customer_visible_reason = _parse_customer_visible_reason(left.pop("customer_visible_reason", UNSET))

        made = cls(
            amount=amount,
            refund_address=refund_address,
            refund_address_memo=refund_address_memo,
            reason=reason,
            customer_visible_reason=customer_visible_reason,
        )
        return made
