from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..models.pay_in import PayIn
    from ..models.rate_source import RateSource


@dataclass
class Quote:
    """What the price is in one asset, until the quote ends.

    Attributes:
        id (str): `QT-` and ten characters.
        state (str): `open`: a payment that is made before `expires_at` pays the invoice. `used`: a payment has come
            for it, and it stays the invoice's quote. `ended`: it was not paid in time. `open`: it can be paid. `used`:
            a payment has come for it. `ended`: it was not paid in time. More values may come.
        pay_in (PayIn): The one exact amount to send, and where.
        rate (str): What one whole asset is worth in the price's currency.
        rate_at (datetime.datetime): The time of the oldest of the figures that the rate is made of.
        sources (list[RateSource]): Every source's figure; the rate is their median.
        spread_bps (int): What was added to the price, in hundredths of a percent.
        created_at (datetime.datetime): When it was made.
        expires_at (datetime.datetime): The payment must be in a block, or seen in the pool, before.
    """

    id: str
    state: str
    pay_in: PayIn
    rate: str
    rate_at: datetime.datetime
    sources: list[RateSource]
    spread_bps: int
    created_at: datetime.datetime
    expires_at: datetime.datetime
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        id = self.id
        said["id"] = id
        state = self.state
        said["state"] = state
        pay_in = self.pay_in.to_dict()
        said["pay_in"] = pay_in
        rate = self.rate
        said["rate"] = rate
        rate_at = self.rate_at.isoformat()
        said["rate_at"] = rate_at
        sources = []
        for sources_item_data in self.sources:
            sources_item = sources_item_data.to_dict()
            sources.append(sources_item)

        said["sources"] = sources
        spread_bps = self.spread_bps
        said["spread_bps"] = spread_bps
        created_at = self.created_at.isoformat()
        said["created_at"] = created_at
        expires_at = self.expires_at.isoformat()
        said["expires_at"] = expires_at
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Quote:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.pay_in import PayIn
        from ..models.rate_source import RateSource

        left = dict(said)
        id = left.pop("id")
        state = left.pop("state")
        pay_in = PayIn.from_dict(left.pop("pay_in"))

        rate = left.pop("rate")
        rate_at = datetime.datetime.fromisoformat(left.pop("rate_at").replace("Z", "+00:00"))

        sources = []
        _sources = left.pop("sources")
        for sources_item_data in _sources:
            sources_item = RateSource.from_dict(sources_item_data)

            sources.append(sources_item)

        spread_bps = left.pop("spread_bps")
        created_at = datetime.datetime.fromisoformat(left.pop("created_at").replace("Z", "+00:00"))

        expires_at = datetime.datetime.fromisoformat(left.pop("expires_at").replace("Z", "+00:00"))

        made = cls(
            id=id,
            state=state,
            pay_in=pay_in,
            rate=rate,
            rate_at=rate_at,
            sources=sources,
            spread_bps=spread_bps,
            created_at=created_at,
            expires_at=expires_at,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
