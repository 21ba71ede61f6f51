from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class AssetOnChain:
    """An asset on one chain.

    Attributes:
        asset (str): The asset's symbol; see `GET /assets`.
        chain (str): The chain; see `GET /assets`.
    """

    asset: str
    chain: str

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = {}
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> AssetOnChain:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        asset = left.pop("asset")
        chain = left.pop("chain")
        made = cls(
            asset=asset,
            chain=chain,
        )
        return made
