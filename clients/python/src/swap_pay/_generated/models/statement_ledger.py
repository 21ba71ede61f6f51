from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..models.statement_balance import StatementBalance
    from ..models.statement_movement import StatementMovement


@dataclass
class StatementLedger:
    """One ledger's month: `opening` and all movements give `closing`.

    Attributes:
        asset (str): The asset's symbol.
        chain (str): The chain that it is on.
        opening (StatementBalance): A ledger's state after an entry.
        movements (list[StatementMovement]):
        closing (StatementBalance): A ledger's state after an entry.
    """

    asset: str
    chain: str
    opening: StatementBalance
    movements: list[StatementMovement]
    closing: StatementBalance
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        opening = self.opening.to_dict()
        said["opening"] = opening
        movements = []
        for movements_item_data in self.movements:
            movements_item = movements_item_data.to_dict()
            movements.append(movements_item)

        said["movements"] = movements
        closing = self.closing.to_dict()
        said["closing"] = closing
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> StatementLedger:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.statement_balance import StatementBalance
        from ..models.statement_movement import StatementMovement

        left = dict(said)
        asset = left.pop("asset")
        chain = left.pop("chain")
        opening = StatementBalance.from_dict(left.pop("opening"))

        movements = []
        _movements = left.pop("movements")
        for movements_item_data in _movements:
            movements_item = StatementMovement.from_dict(movements_item_data)

            movements.append(movements_item)

        closing = StatementBalance.from_dict(left.pop("closing"))

        made = cls(
            asset=asset,
            chain=chain,
            opening=opening,
            movements=movements,
            closing=closing,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
