from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..models.worth import Worth


@dataclass
class StatementMovement:
    """All entries of one kind in the month, summed.

    Attributes:
        kind (str): The kind of ledger entry.
        entries (int): How many there are.
        available_raw (str): In minor units, with a minus where it is less than nothing.
        available_decimal (str): The same for people.
        locked_raw (str): In minor units, with a minus where it is less than nothing.
        locked_decimal (str): The same for people.
        fee_raw (str): What the gateway earned by them: of credits taken before, of payouts and refunds part of what
            they moved. Negative where reversals gave it back.
        fee_decimal (str): The same for people.
        worth (list[Worth]): What they were worth, summed by currency; signed.
        worth_unknown (int): How many have no known worth, and no part in `worth`.
    """

    kind: str
    entries: int
    available_raw: str
    available_decimal: str
    locked_raw: str
    locked_decimal: str
    fee_raw: str
    fee_decimal: str
    worth: list[Worth]
    worth_unknown: int
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        kind = self.kind
        said["kind"] = kind
        entries = self.entries
        said["entries"] = entries
        available_raw = self.available_raw
        said["available_raw"] = available_raw
        available_decimal = self.available_decimal
        said["available_decimal"] = available_decimal
        locked_raw = self.locked_raw
        said["locked_raw"] = locked_raw
        locked_decimal = self.locked_decimal
        said["locked_decimal"] = locked_decimal
        fee_raw = self.fee_raw
        said["fee_raw"] = fee_raw
        fee_decimal = self.fee_decimal
        said["fee_decimal"] = fee_decimal
        worth = []
        for worth_item_data in self.worth:
            worth_item = worth_item_data.to_dict()
            worth.append(worth_item)

        said["worth"] = worth
        worth_unknown = self.worth_unknown
        said["worth_unknown"] = worth_unknown
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> StatementMovement:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.worth import Worth

        left = dict(said)
        kind = left.pop("kind")
        entries = left.pop("entries")
        available_raw = left.pop("available_raw")
        available_decimal = left.pop("available_decimal")
        locked_raw = left.pop("locked_raw")
        locked_decimal = left.pop("locked_decimal")
        fee_raw = left.pop("fee_raw")
        fee_decimal = left.pop("fee_decimal")
        worth = []
        _worth = left.pop("worth")
        for worth_item_data in _worth:
            worth_item = Worth.from_dict(worth_item_data)

            worth.append(worth_item)

        worth_unknown = left.pop("worth_unknown")
        made = cls(
            kind=kind,
            entries=entries,
            available_raw=available_raw,
            available_decimal=available_decimal,
            locked_raw=locked_raw,
            locked_decimal=locked_decimal,
            fee_raw=fee_raw,
            fee_decimal=fee_decimal,
            worth=worth,
            worth_unknown=worth_unknown,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
