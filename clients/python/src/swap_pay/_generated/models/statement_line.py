from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..models.ledger_entry import LedgerEntry
    from ..models.worth import Worth


@dataclass
class StatementLine:
    """One ledger entry, and what belongs to it.

    Attributes:
        entry (LedgerEntry): One entry as the API and the export show it; amounts are strings of digits, perhaps
            with a minus.
        fee_raw (str): In minor units, with a minus where it is less than nothing.
        fee_decimal (str): The same for people.
        worth (None | Worth): What it was worth, signed; null where that isn't known.
        invoice_id (None | str): The invoice of its deposit or refund.
        order_id (None | str): That invoice's `order_id`.
        txid (None | str): The transaction that moved the money.
    """

    entry: LedgerEntry
    fee_raw: str
    fee_decimal: str
    worth: None | Worth
    invoice_id: None | str
    order_id: None | str
    txid: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""
        from ..models.worth import Worth

        said: dict[str, Any] = dict(self.additional_properties)
        entry = self.entry.to_dict()
        said["entry"] = entry
        fee_raw = self.fee_raw
        said["fee_raw"] = fee_raw
        fee_decimal = self.fee_decimal
        said["fee_decimal"] = fee_decimal
        worth: dict[str, Any] | None
        if isinstance(self.worth, Worth):
            worth = self.worth.to_dict()
        else:
            worth = self.worth
        said["worth"] = worth
        invoice_id: None | str
        invoice_id = self.invoice_id
        said["invoice_id"] = invoice_id
        order_id: None | str
        order_id = self.order_id
        said["order_id"] = order_id
        txid: None | str
        txid = self.txid
        said["txid"] = txid
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> StatementLine:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.ledger_entry import LedgerEntry
        from ..models.worth import Worth

        left = dict(said)
        entry = LedgerEntry.from_dict(left.pop("entry"))

        fee_raw = left.pop("fee_raw")
        fee_decimal = left.pop("fee_decimal")

        def _parse_worth(data: object) -> None | Worth:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                worth_type_0 = Worth.from_dict(data)

                return worth_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Worth, data)

        worth = _parse_worth(left.pop("worth"))

        def _parse_invoice_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        invoice_id = _parse_invoice_id(left.pop("invoice_id"))

        def _parse_order_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        order_id = _parse_order_id(left.pop("order_id"))

        def _parse_txid(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        txid = _parse_txid(left.pop("txid"))

        made = cls(
            entry=entry,
            fee_raw=fee_raw,
            fee_decimal=fee_decimal,
            worth=worth,
            invoice_id=invoice_id,
            order_id=order_id,
            txid=txid,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
