from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.metadata import Metadata


@dataclass
class PayoutRequest:
    """What to send, and where. The fee is taken on top of the amount.

    Attributes:
        asset (str): The asset's symbol.
        chain (str): The chain to send on.
        amount (str): Decimal string, greater than zero.
        destination (str): An address with a valid checksum.
        destination_memo (None | str | Unset): Only for chains that have memos.
        description (None | str | Unset): For your own records.
        metadata (Metadata | None | Unset): An object of your own, at most 4 KiB as JSON.
    """

    asset: str
    chain: str
    amount: str
    destination: str
    destination_memo: None | str | Unset = UNSET
    description: None | str | Unset = UNSET
    metadata: Metadata | None | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""
        from ..models.metadata import Metadata

        said: dict[str, Any] = {}
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        amount = self.amount
        said["amount"] = amount
        destination = self.destination
        said["destination"] = destination
        destination_memo: None | str | Unset
        if isinstance(self.destination_memo, Unset):
            destination_memo = UNSET
        else:
            destination_memo = self.destination_memo
        if destination_memo is not UNSET:
            said["destination_memo"] = destination_memo
        description: None | str | Unset
        if isinstance(self.description, Unset):
            description = UNSET
        else:
            description = self.description
        if description is not UNSET:
            said["description"] = description
        metadata: dict[str, Any] | None | Unset
        if isinstance(self.metadata, Unset):
            metadata = UNSET
        elif isinstance(self.metadata, Metadata):
            metadata = self.metadata.to_dict()
        else:
            metadata = self.metadata
        if metadata is not UNSET:
            said["metadata"] = metadata
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> PayoutRequest:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.metadata import Metadata

        left = dict(said)
        asset = left.pop("asset")
        chain = left.pop("chain")
        amount = left.pop("amount")
        destination = left.pop("destination")

        def _parse_destination_memo(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        destination_memo = _parse_destination_memo(left.pop("destination_memo", UNSET))

        def _parse_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        description = _parse_description(left.pop("description", UNSET))

        def _parse_metadata(data: object) -> Metadata | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                metadata_type_0 = Metadata.from_dict(data)

                return metadata_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Metadata | None | Unset, data)

        metadata = _parse_metadata(left.pop("metadata", UNSET))

        made = cls(
            asset=asset,
            chain=chain,
            amount=amount,
            destination=destination,
            destination_memo=destination_memo,
            description=description,
            metadata=metadata,
        )
        return made
