from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from ..types import UNSET, Unset


@dataclass
class Deposit:
    """A transfer that was seen for an invoice.

    Attributes:
        id (str): `DEP-` and ten characters.
        txid (str): The transaction's id on chain.
        index (int): The transfer's place in its transaction.
        asset (str): The asset's symbol.
        amount_decimal (str): What was sent.
        amount_raw (str): What was sent, in minor units.
        from_address (None | str): Where it came from; null where the chain names no single sender.
        block_height (int | None): The block that it is in; null while it waits for one.
        confirmations (int): Blocks from that one to the chain's head, both counted.
        status (str): `orphaned`: its block was reorganised away. `replaced`: another transaction took its place
            before a block had it. `dropped`: the nodes have forgotten it. `suspended`: an operator looks into it. Where
            a deposit is. `seen`: on the chain or waiting for a block. `credited`: final and booked. `orphaned`: its
            block was reorganised away. `replaced`: another transaction took its place before a block had it. `dropped`:
            the nodes have forgotten it. `suspended`: an operator looks into it. More values may come.
        verdict (str): What it is to the invoice. `exact` pays it, alone or as a credited part. `part` waits for the
            rest. `dust` is too small to mean anything. Every other one needs a review. What a deposit is to its
            invoice. `exact` pays it, `part` waits for the rest, `dust` is too small to mean anything. Every other one
            needs a review. More values may come.
        review_reason (None | str): Why it needs a review: the verdict; null for `exact`, `part` and `dust`.
        seen_at (datetime.datetime): When it was first seen.
        replaced_by (None | str | Unset): The transaction that took its place, where that is known.
    """

    id: str
    txid: str
    index: int
    asset: str
    amount_decimal: str
    amount_raw: str
    from_address: None | str
    block_height: int | None
    confirmations: int
    status: str
    verdict: str
    review_reason: None | str
    seen_at: datetime.datetime
    replaced_by: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        id = self.id
        said["id"] = id
        txid = self.txid
        said["txid"] = txid
        index = self.index
        said["index"] = index
        asset = self.asset
        said["asset"] = asset
        amount_decimal = self.amount_decimal
        said["amount_decimal"] = amount_decimal
        amount_raw = self.amount_raw
        said["amount_raw"] = amount_raw
        from_address: None | str
        from_address = self.from_address
        said["from_address"] = from_address
        block_height: int | None
        block_height = self.block_height
        said["block_height"] = block_height
        confirmations = self.confirmations
        said["confirmations"] = confirmations
        status = self.status
        said["status"] = status
        verdict = self.verdict
        said["verdict"] = verdict
        review_reason: None | str
        review_reason = self.review_reason
        said["review_reason"] = review_reason
        seen_at = self.seen_at.isoformat()
        said["seen_at"] = seen_at
        replaced_by: None | str | Unset
        if isinstance(self.replaced_by, Unset):
            replaced_by = UNSET
        else:
            replaced_by = self.replaced_by
        if replaced_by is not UNSET:
            said["replaced_by"] = replaced_by
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Deposit:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        id = left.pop("id")
        txid = left.pop("txid")
        index = left.pop("index")
        asset = left.pop("asset")
        amount_decimal = left.pop("amount_decimal")
        amount_raw = left.pop("amount_raw")

        def _parse_from_address(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        from_address = _parse_from_address(left.pop("from_address"))

        def _parse_block_height(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        block_height = _parse_block_height(left.pop("block_height"))

        confirmations = left.pop("confirmations")
        status = left.pop("status")
        verdict = left.pop("verdict")

        def _parse_review_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        review_reason = _parse_review_reason(left.pop("review_reason"))

        seen_at = datetime.datetime.fromisoformat(left.pop("seen_at").replace("Z", "+00:00"))

        def _parse_replaced_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        replaced_by = _parse_replaced_by(left.pop("replaced_by", UNSET))

        made = cls(
            id=id,
            txid=txid,
            index=index,
            asset=asset,
            amount_decimal=amount_decimal,
            amount_raw=amount_raw,
            from_address=from_address,
            block_height=block_height,
            confirmations=confirmations,
            status=status,
            verdict=verdict,
            review_reason=review_reason,
            seen_at=seen_at,
            replaced_by=replaced_by,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
