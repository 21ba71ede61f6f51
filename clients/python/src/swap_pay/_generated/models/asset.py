from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass
class Asset:
    """An asset that invoices may ask for.

    Attributes:
        asset (str): The asset's symbol.
        chain (str): The chain that it is on.
        name (str): The asset's name.
        network_name (str): The chain's name.
        kind (str): `native` for the chain's own coin, else the kind of token, such as `erc20`.
        contract (None | str): The token's contract; null for a chain's own coin.
        decimals (int): Places of the decimal form.
        confirmations_required (int): Blocks until a payment counts as final.
        min_amount_raw (str): The least that an invoice may ask for.
        max_amount_raw (None | str): The most; null if there is no maximum.
    """

    asset: str
    chain: str
    name: str
    network_name: str
    kind: str
    contract: None | str
    decimals: int
    confirmations_required: int
    min_amount_raw: str
    max_amount_raw: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        name = self.name
        said["name"] = name
        network_name = self.network_name
        said["network_name"] = network_name
        kind = self.kind
        said["kind"] = kind
        contract: None | str
        contract = self.contract
        said["contract"] = contract
        decimals = self.decimals
        said["decimals"] = decimals
        confirmations_required = self.confirmations_required
        said["confirmations_required"] = confirmations_required
        min_amount_raw = self.min_amount_raw
        said["min_amount_raw"] = min_amount_raw
        max_amount_raw: None | str
        max_amount_raw = self.max_amount_raw
        said["max_amount_raw"] = max_amount_raw
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Asset:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        asset = left.pop("asset")
        chain = left.pop("chain")
        name = left.pop("name")
        network_name = left.pop("network_name")
        kind = left.pop("kind")

        def _parse_contract(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        contract = _parse_contract(left.pop("contract"))

        decimals = left.pop("decimals")
        confirmations_required = left.pop("confirmations_required")
        min_amount_raw = left.pop("min_amount_raw")

        def _parse_max_amount_raw(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        max_amount_raw = _parse_max_amount_raw(left.pop("max_amount_raw"))

        made = cls(
            asset=asset,
            chain=chain,
            name=name,
            network_name=network_name,
            kind=kind,
            contract=contract,
            decimals=decimals,
            confirmations_required=confirmations_required,
            min_amount_raw=min_amount_raw,
            max_amount_raw=max_amount_raw,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
