from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..models.payment_link import PaymentLink


@dataclass
class PaymentLinkPage:
    """A page of payment links, newest first.

    Attributes:
        data (list[PaymentLink]):
        next_cursor (None | str): The `cursor` of the next page; null on the last one.
    """

    data: list[PaymentLink]
    next_cursor: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        data = []
        for data_item_data in self.data:
            data_item = data_item_data.to_dict()
            data.append(data_item)

        said["data"] = data
        next_cursor: None | str
        next_cursor = self.next_cursor
        said["next_cursor"] = next_cursor
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> PaymentLinkPage:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.payment_link import PaymentLink

        left = dict(said)
        data = []
        _data = left.pop("data")
        for data_item_data in _data:
            data_item = PaymentLink.from_dict(data_item_data)

            data.append(data_item)

        def _parse_next_cursor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_cursor = _parse_next_cursor(left.pop("next_cursor"))

        made = cls(
            data=data,
            next_cursor=next_cursor,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
