from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class ProofLeaf:
    """The ledger's state in the checkpoint. The RFC 8785 form of these fields is the tree's leaf.

    Attributes:
        merchant_id (str): The ledger's merchant.
        asset (str): The asset's symbol.
        network (str): Chain and mode.
        seq (int): Its last entry then.
        hash_ (str): That entry's hash.
        available_raw (str): The balance then.
        locked_raw (str): What was locked then.
    """

    merchant_id: str
    asset: str
    network: str
    seq: int
    hash_: str
    available_raw: str
    locked_raw: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        merchant_id = self.merchant_id
        said["merchant_id"] = merchant_id
        asset = self.asset
        said["asset"] = asset
        network = self.network
        said["network"] = network
        seq = self.seq
        said["seq"] = seq
        hash_ = self.hash_
        said["hash"] = hash_
        available_raw = self.available_raw
        said["available_raw"] = available_raw
        locked_raw = self.locked_raw
        said["locked_raw"] = locked_raw
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> ProofLeaf:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        merchant_id = left.pop("merchant_id")
        asset = left.pop("asset")
        network = left.pop("network")
        seq = left.pop("seq")
        hash_ = left.pop("hash")
        available_raw = left.pop("available_raw")
        locked_raw = left.pop("locked_raw")
        made = cls(
            merchant_id=merchant_id,
            asset=asset,
            network=network,
            seq=seq,
            hash_=hash_,
            available_raw=available_raw,
            locked_raw=locked_raw,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
