from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Worth:
    """What a movement of money was worth when it was booked.

    Attributes:
        amount_decimal (str): As many places as the currency has; signed in statements alone.
        currency (str): ISO 4217.
    """

    amount_decimal: str
    currency: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        amount_decimal = self.amount_decimal
        said["amount_decimal"] = amount_decimal
        currency = self.currency
        said["currency"] = currency
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Worth:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        amount_decimal = left.pop("amount_decimal")
        currency = left.pop("currency")
        made = cls(
            amount_decimal=amount_decimal,
            currency=currency,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
