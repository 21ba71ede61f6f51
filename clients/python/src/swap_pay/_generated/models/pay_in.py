from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass
class PayIn:
    """The one exact amount to send, and where.

    Attributes:
        asset (str): The asset's symbol.
        chain (str): The chain to send it on.
        address (str): The address to send it to.
        memo (None | str): To be given along with the transfer, on chains that have memos.
        amount_decimal (str): The exact amount, service fee and tail included.
        amount_raw (str): The exact amount in minor units.
        cent_tail (int): Steps of the last decimals that identify the payment; 0 if the address is fresh.
        confirmations_required (int): Blocks until the payment counts as final.
        payment_uri (str): For wallets and QR codes: EIP-681, BIP-21 or `tron:`.
    """

    asset: str
    chain: str
    address: str
    memo: None | str
    amount_decimal: str
    amount_raw: str
    cent_tail: int
    confirmations_required: int
    payment_uri: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        address = self.address
        said["address"] = address
        memo: None | str
        memo = self.memo
        said["memo"] = memo
        amount_decimal = self.amount_decimal
        said["amount_decimal"] = amount_decimal
        amount_raw = self.amount_raw
        said["amount_raw"] = amount_raw
        cent_tail = self.cent_tail
        said["cent_tail"] = cent_tail
        confirmations_required = self.confirmations_required
        said["confirmations_required"] = confirmations_required
        payment_uri = self.payment_uri
        said["payment_uri"] = payment_uri
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> PayIn:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        asset = left.pop("asset")
        chain = left.pop("chain")
        address = left.pop("address")

        def _parse_memo(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        memo = _parse_memo(left.pop("memo"))

        amount_decimal = left.pop("amount_decimal")
        amount_raw = left.pop("amount_raw")
        cent_tail = left.pop("cent_tail")
        confirmations_required = left.pop("confirmations_required")
        payment_uri = left.pop("payment_uri")
        made = cls(
            asset=asset,
            chain=chain,
            address=address,
            memo=memo,
            amount_decimal=amount_decimal,
            amount_raw=amount_raw,
            cent_tail=cent_tail,
            confirmations_required=confirmations_required,
            payment_uri=payment_uri,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
