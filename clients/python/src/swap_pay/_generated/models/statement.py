from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..models.statement_ledger import StatementLedger
    from ..models.worth import Worth


@dataclass
class Statement:
    """A month's statement.

    Attributes:
        month (str): Its year and month.
        begins_at (str): Its first moment.
        ends_at (str): The first moment after it.
        final (bool): Whether a signed checkpoint has closed it, so that it never changes.
        checkpoint (int | None): That checkpoint's number; null until then.
        ledgers (list[StatementLedger]):
        worth (list[Worth]): What all movements were worth, by currency; signed.
        worth_unknown (int): How many entries have no known worth.
    """

    month: str
    begins_at: str
    ends_at: str
    final: bool
    checkpoint: int | None
    ledgers: list[StatementLedger]
    worth: list[Worth]
    worth_unknown: int
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        month = self.month
        said["month"] = month
        begins_at = self.begins_at
        said["begins_at"] = begins_at
        ends_at = self.ends_at
        said["ends_at"] = ends_at
        final = self.final
        said["final"] = final
        checkpoint: int | None
        checkpoint = self.checkpoint
        said["checkpoint"] = checkpoint
        ledgers = []
        for ledgers_item_data in self.ledgers:
            ledgers_item = ledgers_item_data.to_dict()
            ledgers.append(ledgers_item)

        said["ledgers"] = ledgers
        worth = []
        for worth_item_data in self.worth:
            worth_item = worth_item_data.to_dict()
            worth.append(worth_item)

        said["worth"] = worth
        worth_unknown = self.worth_unknown
        said["worth_unknown"] = worth_unknown
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Statement:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.statement_ledger import StatementLedger
        from ..models.worth import Worth

        left = dict(said)
        month = left.pop("month")
        begins_at = left.pop("begins_at")
        ends_at = left.pop("ends_at")
        final = left.pop("final")

        def _parse_checkpoint(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        checkpoint = _parse_checkpoint(left.pop("checkpoint"))

        ledgers = []
        _ledgers = left.pop("ledgers")
        for ledgers_item_data in _ledgers:
            ledgers_item = StatementLedger.from_dict(ledgers_item_data)

            ledgers.append(ledgers_item)

        worth = []
        _worth = left.pop("worth")
        for worth_item_data in _worth:
            worth_item = Worth.from_dict(worth_item_data)

            worth.append(worth_item)

        worth_unknown = left.pop("worth_unknown")
        made = cls(
            month=month,
            begins_at=begins_at,
            ends_at=ends_at,
            final=final,
            checkpoint=checkpoint,
            ledgers=ledgers,
            worth=worth,
            worth_unknown=worth_unknown,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
