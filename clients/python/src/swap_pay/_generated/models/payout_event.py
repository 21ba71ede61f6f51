from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..models.mode import Mode
from ..models.payout_event_type import PayoutEventType

if TYPE_CHECKING:
    from ..models.payout import Payout


@dataclass
class PayoutEvent:
    """Something happened to a payout.

    Attributes:
        event_id (str): The same in all attempts and endpoints: ignore repeated ids.
        seq (int): Counts your events in a mode, without gaps.
        type_ (PayoutEventType): What happened to a payout.
        created_at (str): When it happened.
        merchant_id (str): Your merchant id.
        mode (Mode): `test` has test networks and test resources, `live` the real ones.
        data (Payout): A payout. Nothing is sent before an operator has approved it.
    """

    event_id: str
    seq: int
    type_: PayoutEventType
    created_at: str
    merchant_id: str
    mode: Mode
    data: Payout
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        event_id = self.event_id
        said["event_id"] = event_id
        seq = self.seq
        said["seq"] = seq
        type_ = self.type_.value
        said["type"] = type_
        created_at = self.created_at
        said["created_at"] = created_at
        merchant_id = self.merchant_id
        said["merchant_id"] = merchant_id
        mode = self.mode.value
        said["mode"] = mode
        data = self.data.to_dict()
        said["data"] = data
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> PayoutEvent:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.payout import Payout

        left = dict(said)
        event_id = left.pop("event_id")
        seq = left.pop("seq")
        type_ = PayoutEventType(left.pop("type"))

        created_at = left.pop("created_at")
        merchant_id = left.pop("merchant_id")
        mode = Mode(left.pop("mode"))

        data = Payout.from_dict(left.pop("data"))

        made = cls(
            event_id=event_id,
            seq=seq,
            type_=type_,
            created_at=created_at,
            merchant_id=merchant_id,
            mode=mode,
            data=data,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
