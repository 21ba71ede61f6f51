from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..models.delivery_status import DeliveryStatus

if TYPE_CHECKING:
    from ..models.attempt import Attempt


@dataclass
class Delivery:
    """The delivery of one event to this endpoint.

    Attributes:
        event_id (str): The event's UUID.
        event_type (str): Such as `invoice.paid`.
        seq (int): The event's number.
        previous_seq (int): The event before it that was sent to this endpoint; 0 if none.
        status (DeliveryStatus): Where the delivery of an event is. `dead`: every attempt failed; it can be sent
            again.
        attempt_count (int): How often it was tried.
        next_attempt_at (None | str): When it is tried next.
        delivered_at (None | str): When your endpoint accepted it.
        created_at (str): When it was queued.
        attempts (list[Attempt]): All attempts, oldest first.
    """

    event_id: str
    event_type: str
    seq: int
    previous_seq: int
    status: DeliveryStatus
    attempt_count: int
    next_attempt_at: None | str
    delivered_at: None | str
    created_at: str
    attempts: list[Attempt]
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        event_id = self.event_id
        said["event_id"] = event_id
        event_type = self.event_type
        said["event_type"] = event_type
        seq = self.seq
        said["seq"] = seq
        previous_seq = self.previous_seq
        said["previous_seq"] = previous_seq
        status = self.status.value
        said["status"] = status
        attempt_count = self.attempt_count
        said["attempt_count"] = attempt_count
        next_attempt_at: None | str
        next_attempt_at = self.next_attempt_at
        said["next_attempt_at"] = next_attempt_at
        delivered_at: None | str
        delivered_at = self.delivered_at
        said["delivered_at"] = delivered_at
        created_at = self.created_at
        said["created_at"] = created_at
        attempts = []
        for attempts_item_data in self.attempts:
            attempts_item = attempts_item_data.to_dict()
            attempts.append(attempts_item)

        said["attempts"] = attempts
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Delivery:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.attempt import Attempt

        left = dict(said)
        event_id = left.pop("event_id")
        event_type = left.pop("event_type")
        seq = left.pop("seq")
        previous_seq = left.pop("previous_seq")
        status = DeliveryStatus(left.pop("status"))

        attempt_count = left.pop("attempt_count")

        def _parse_next_attempt_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_attempt_at = _parse_next_attempt_at(left.pop("next_attempt_at"))

        def _parse_delivered_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        delivered_at = _parse_delivered_at(left.pop("delivered_at"))

        created_at = left.pop("created_at")
        attempts = []
        _attempts = left.pop("attempts")
        for attempts_item_data in _attempts:
            attempts_item = Attempt.from_dict(attempts_item_data)

            attempts.append(attempts_item)

        made = cls(
            event_id=event_id,
            event_type=event_type,
            seq=seq,
            previous_seq=previous_seq,
            status=status,
            attempt_count=attempt_count,
            next_attempt_at=next_attempt_at,
            delivered_at=delivered_at,
            created_at=created_at,
            attempts=attempts,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
