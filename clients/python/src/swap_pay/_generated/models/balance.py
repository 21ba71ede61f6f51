from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Balance:
    """What a merchant has of one asset. Below zero only after a deep reorganisation of the chain.

    Attributes:
        asset (str): The asset's symbol.
        chain (str): The chain that it is on.
        available_raw (str): What can be paid out, in minor units.
        available_decimal (str): The same for people.
        locked_raw (str): What payouts and refunds under way hold, in minor units.
        locked_decimal (str): The same for people.
        pending_raw (str): What was seen on chain and is not credited yet, in minor units.
        pending_decimal (str): The same for people.
    """

    asset: str
    chain: str
    available_raw: str
    available_decimal: str
    locked_raw: str
    locked_decimal: str
    pending_raw: str
    pending_decimal: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        available_raw = self.available_raw
        said["available_raw"] = available_raw
        available_decimal = self.available_decimal
        said["available_decimal"] = available_decimal
        locked_raw = self.locked_raw
        said["locked_raw"] = locked_raw
        locked_decimal = self.locked_decimal
        said["locked_decimal"] = locked_decimal
        pending_raw = self.pending_raw
        said["pending_raw"] = pending_raw
        pending_decimal = self.pending_decimal
        said["pending_decimal"] = pending_decimal
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Balance:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        asset = left.pop("asset")
        chain = left.pop("chain")
        available_raw = left.pop("available_raw")
        available_decimal = left.pop("available_decimal")
        locked_raw = left.pop("locked_raw")
        locked_decimal = left.pop("locked_decimal")
        pending_raw = left.pop("pending_raw")
        pending_decimal = left.pop("pending_decimal")
        made = cls(
            asset=asset,
            chain=chain,
            available_raw=available_raw,
            available_decimal=available_decimal,
            locked_raw=locked_raw,
            locked_decimal=locked_decimal,
            pending_raw=pending_raw,
            pending_decimal=pending_decimal,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
