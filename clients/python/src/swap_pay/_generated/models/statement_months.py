from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..models.statement_month import StatementMonth


@dataclass
class StatementMonths:
    """Every month from the first ledger entry to the present one, newest first.

    Attributes:
        data (list[StatementMonth]):
    """

    data: list[StatementMonth]
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        data = []
        for data_item_data in self.data:
            data_item = data_item_data.to_dict()
            data.append(data_item)

        said["data"] = data
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> StatementMonths:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.statement_month import StatementMonth

        left = dict(said)
        data = []
        _data = left.pop("data")
        for data_item_data in _data:
            data_item = StatementMonth.from_dict(data_item_data)

            data.append(data_item)

        made = cls(
            data=data,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
