from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..models.mode import Mode
from ..models.withdrawal_status import WithdrawalStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.worth import Worth


@dataclass
class Refund:
    """A refund of an invoice. Nothing is sent before an operator has approved it.

    Attributes:
        id (str): `RF-` and ten characters.
        mode (Mode): `test` has test networks and test resources, `live` the real ones.
        status (WithdrawalStatus): A withdrawal's progress. Why it does not go on is in `held` and `waiting_reason`.
        invoice_id (None | str): The invoice that it is for.
        deposit_id (None | str): Set where an operator returns a deposit that was in review: that money never was
            yours.
        asset (str): The asset's symbol.
        chain (str): The chain that it is sent on.
        amount_decimal (str): What arrives.
        amount_raw (str): What arrives, in minor units.
        fee_decimal (str): What we charge on top.
        fee_raw (str): What we charge on top, in minor units.
        refund_address (str): Where it goes.
        refund_address_memo (None | str): As given.
        reason (None | str): As given, for your own records.
        customer_visible_reason (None | str): As given. The customer sees it.
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
    invoice_id: None | str
    deposit_id: None | str
    asset: str
    chain: str
    amount_decimal: str
    amount_raw: str
    fee_decimal: str
    fee_raw: str
    refund_address: str
    refund_address_memo: None | str
    reason: None | str
    customer_visible_reason: None | str
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
        invoice_id: None | str
        invoice_id = self.invoice_id
        said["invoice_id"] = invoice_id
        deposit_id: None | str
        deposit_id = self.deposit_id
        said["deposit_id"] = deposit_id
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
        refund_address = self.refund_address
        said["refund_address"] = refund_address
        refund_address_memo: None | str
        refund_address_memo = self.refund_address_memo
        said["refund_address_memo"] = refund_address_memo
        reason: None | str
        reason = self.reason
        said["reason"] = reason
        customer_visible_reason: None | str
        customer_visible_reason = self.customer_visible_reason
        said["customer_visible_reason"] = customer_visible_reason
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
    def from_dict(cls, said: Mapping[str, Any]) -> Refund:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.worth import Worth

        left = dict(said)
        id = left.pop("id")
        mode = Mode(left.pop("mode"))

        status = WithdrawalStatus(left.pop("status"))

        def _parse_invoice_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        invoice_id = _parse_invoice_id(left.pop("invoice_id"))

        def _parse_deposit_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        deposit_id = _parse_deposit_id(left.pop("deposit_id"))

        asset = left.pop("asset")
        chain = left.pop("chain")
        amount_decimal = left.pop("amount_decimal")
        amount_raw = left.pop("amount_raw")
        fee_decimal = left.pop("fee_decimal")
        fee_raw = left.pop("fee_raw")
        refund_address = left.pop("refund_address")

        def _parse_refund_address_memo(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        refund_address_memo = _parse_refund_address_memo(left.pop("refund_address_memo"))

        def _parse_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        reason = _parse_reason(left.pop("reason"))

        def _parse_customer_visible_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        customer_visible_reason = _parse_customer_visible_reason(left.pop("customer_visible_reason"))

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
            invoice_id=invoice_id,
            deposit_id=deposit_id,
            asset=asset,
            chain=chain,
            amount_decimal=amount_decimal,
            amount_raw=amount_raw,
            fee_decimal=fee_decimal,
            fee_raw=fee_raw,
            refund_address=refund_address,
            refund_address_memo=refund_address_memo,
            reason=reason,
            customer_visible_reason=customer_visible_reason,
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
