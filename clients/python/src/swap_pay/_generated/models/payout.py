from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..models.mode import Mode
from ..models.withdrawal_status import WithdrawalStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.metadata import Metadata
    from ..models.worth import Worth


@dataclass
class Payout:
    """A payout. Nothing is sent before an operator has approved it.

    Attributes:
        id (str): `PO-` and ten characters.
        mode (Mode): `test` has test networks and test resources, `live` the real ones.
        status (WithdrawalStatus): A withdrawal's progress. Why it does not go on is in `held` and `waiting_reason`.
        asset (str): The asset's symbol.
        chain (str): The chain that it is sent on.
        amount_decimal (str): What arrives.
        amount_raw (str): What arrives, in minor units.
        fee_decimal (str): What we charge on top.
        fee_raw (str): What we charge on top, in minor units.
        destination (str): Where it goes.
        destination_memo (None | str): As given.
        description (None | str): As given.
        metadata (Metadata): A JSON object of your own, at most 4 KiB. It comes back as it was sent.
        txid (None | str): The transaction's id on chain; null until it was sent.
        held (bool): Whether an operator must release it first.
        waiting_reason (None | str): Why an approved one is not sent yet.
        status_reason (None | str): Why it was rejected or failed.
        created_at (str): When it was requested.
        approved_at (None | str): When the last approval that it needs was given.
        submitted_at (None | str): When it was first sent to the chain.
        settled_at (None | str): When it was confirmed, rejected, cancelled, or had failed.
        worth (None | Unset | Worth): What it was worth when it was confirmed, fee included, in your reporting
            currency. Null before, and where there was no rate: it is never filled in later.
    """

    id: str
    mode: Mode
    status: WithdrawalStatus
    asset: str
    chain: str
    amount_decimal: str
    amount_raw: str
    fee_decimal: str
    fee_raw: str
    destination: str
    destination_memo: None | str
    description: None | str
    metadata: Metadata
    txid: None | str
    held: bool
    waiting_reason: None | str
    status_reason: None | str
    created_at: str
    approved_at: None | str
    submitted_at: None | str
    settled_at: None | str
    worth: None | Unset | Worth = UNSET
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""
        from ..models.worth import Worth

        said: dict[str, Any] = dict(self.additional_properties)
        id = self.id
        said["id"] = id
        mode = self.mode.value
        said["mode"] = mode
        status = self.status.value
        said["status"] = status
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        amount_decimal = self.amount_decimal
        said["amount_decimal"] = amount_decimal
        amount_raw = self.amount_raw
        said["amount_raw"] = amount_raw
        fee_decimal = self.fee_decimal
        said["fee_decimal"] = fee_decimal
        fee_raw = self.fee_raw
        said["fee_raw"] = fee_raw
        destination = self.destination
        said["destination"] = destination
        destination_memo: None | str
        destination_memo = self.destination_memo
        said["destination_memo"] = destination_memo
        description: None | str
        description = self.description
        said["description"] = description
        metadata = self.metadata.to_dict()
        said["metadata"] = metadata
        txid: None | str
        txid = self.txid
        said["txid"] = txid
        held = self.held
        said["held"] = held
        waiting_reason: None | str
        waiting_reason = self.waiting_reason
        said["waiting_reason"] = waiting_reason
        status_reason: None | str
        status_reason = self.status_reason
        said["status_reason"] = status_reason
        created_at = self.created_at
        said["created_at"] = created_at
        approved_at: None | str
        approved_at = self.approved_at
        said["approved_at"] = approved_at
        submitted_at: None | str
        submitted_at = self.submitted_at
        said["submitted_at"] = submitted_at
        settled_at: None | str
        settled_at = self.settled_at
        said["settled_at"] = settled_at
        worth: dict[str, Any] | None | Unset
        if isinstance(self.worth, Unset):
            worth = UNSET
        elif isinstance(self.worth, Worth):
            worth = self.worth.to_dict()
        else:
            worth = self.worth
        if worth is not UNSET:
            said["worth"] = worth
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Payout:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.metadata import Metadata
        from ..models.worth import Worth

        left = dict(said)
        id = left.pop("id")
        mode = Mode(left.pop("mode"))

        status = WithdrawalStatus(left.pop("status"))

        asset = left.pop("asset")
        chain = left.pop("chain")
        amount_decimal = left.pop("amount_decimal")
        amount_raw = left.pop("amount_raw")
        fee_decimal = left.pop("fee_decimal")
        fee_raw = left.pop("fee_raw")
        destination = left.pop("destination")

        def _parse_destination_memo(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        destination_memo = _parse_destination_memo(left.pop("destination_memo"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(left.pop("description"))

        metadata = Metadata.from_dict(left.pop("metadata"))

        def _parse_txid(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        txid = _parse_txid(left.pop("txid"))

        held = left.pop("held")

        def _parse_waiting_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        waiting_reason = _parse_waiting_reason(left.pop("waiting_reason"))

        def _parse_status_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        status_reason = _parse_status_reason(left.pop("status_reason"))

        created_at = left.pop("created_at")

        def _parse_approved_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        approved_at = _parse_approved_at(left.pop("approved_at"))

        def _parse_submitted_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        submitted_at = _parse_submitted_at(left.pop("submitted_at"))

        def _parse_settled_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        settled_at = _parse_settled_at(left.pop("settled_at"))

        def _parse_worth(data: object) -> None | Unset | Worth:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                worth_type_0 = Worth.from_dict(data)

                return worth_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | Worth, data)

        worth = _parse_worth(left.pop("worth", UNSET))

        made = cls(
            id=id,
            mode=mode,
            status=status,
            asset=asset,
            chain=chain,
            amount_decimal=amount_decimal,
            amount_raw=amount_raw,
            fee_decimal=fee_decimal,
            fee_raw=fee_raw,
            destination=destination,
            destination_memo=destination_memo,
            description=description,
            metadata=metadata,
            txid=txid,
            held=held,
            waiting_reason=waiting_reason,
            status_reason=status_reason,
            created_at=created_at,
            approved_at=approved_at,
            submitted_at=submitted_at,
            settled_at=settled_at,
            worth=worth,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
