from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass
class TransactionTransfer:
    """What the transaction brings to an address of your invoices.

    Attributes:
        index (int): The transfer's place in its transaction.
        to_address (str): The address that it is to.
        asset (None | str): The asset's symbol; null for a token that is not configured.
        amount_decimal (None | str): How much; null for a token that is not configured: its decimals are unknown.
        amount_raw (str): How much, in minor units.
        invoice_id (None | str): The invoice that it is for.
        verdict (str): What this transfer is to that invoice.
    """

    index: int
    to_address: str
    asset: None | str
    amount_decimal: None | str
    amount_raw: str
    invoice_id: None | str
    verdict: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        index = self.index
        said["index"] = index
        to_address = self.to_address
        said["to_address"] = to_address
        asset: None | str
        asset = self.asset
        said["asset"] = asset
        amount_decimal: None | str
        amount_decimal = self.amount_decimal
        said["amount_decimal"] = amount_decimal
        amount_raw = self.amount_raw
        said["amount_raw"] = amount_raw
        invoice_id: None | str
        invoice_id = self.invoice_id
        said["invoice_id"] = invoice_id
        verdict = self.verdict
        said["verdict"] = verdict
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> TransactionTransfer:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        index = left.pop("index")
        to_address = left.pop("to_address")

        def _parse_asset(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        asset = _parse_asset(left.pop("asset"))

        def _parse_amount_decimal(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        amount_decimal = _parse_amount_decimal(left.pop("amount_decimal"))

        amount_raw = left.pop("amount_raw")

        def _parse_invoice_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        invoice_id = _parse_invoice_id(left.pop("invoice_id"))

        verdict = left.pop("verdict")
        made = cls(
            index=index,
            to_address=to_address,
            asset=asset,
            amount_decimal=amount_decimal,
            amount_raw=amount_raw,
            invoice_id=invoice_id,
            verdict=verdict,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
