from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..models.rate_source import RateSource


@dataclass
class AssetRate:
    """What one asset is worth now. Without a rate, `problem` says why.

    Attributes:
        asset (str): The asset's symbol: its worth is the same on every chain.
        currency (str): ISO 4217.
        rate (None | str): How much of the currency one whole asset is worth: the median of the sources that are
            used.
        rate_at (None | str): The time of the oldest price in it.
        age_s (int | None): How many seconds ago that was.
        good_until (None | str): Until when it may be used, unless there is a newer one.
        sources (list[RateSource]): What each source says.
        problem (None | str): Why there is no rate; null where there is one.
    """

    asset: str
    currency: str
    rate: None | str
    rate_at: None | str
    age_s: int | None
    good_until: None | str
    sources: list[RateSource]
    problem: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        asset = self.asset
        said["asset"] = asset
        currency = self.currency
        said["currency"] = currency
        rate: None | str
        rate = self.rate
        said["rate"] = rate
        rate_at: None | str
        rate_at = self.rate_at
        said["rate_at"] = rate_at
        age_s: int | None
        age_s = self.age_s
        said["age_s"] = age_s
        good_until: None | str
        good_until = self.good_until
        said["good_until"] = good_until
        sources = []
        for sources_item_data in self.sources:
            sources_item = sources_item_data.to_dict()
            sources.append(sources_item)

        said["sources"] = sources
        problem: None | str
        problem = self.problem
        said["problem"] = problem
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> AssetRate:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.rate_source import RateSource

        left = dict(said)
        asset = left.pop("asset")
        currency = left.pop("currency")

        def _parse_rate(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        rate = _parse_rate(left.pop("rate"))

        def _parse_rate_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        rate_at = _parse_rate_at(left.pop("rate_at"))

        def _parse_age_s(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        age_s = _parse_age_s(left.pop("age_s"))

        def _parse_good_until(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        good_until = _parse_good_until(left.pop("good_until"))

        sources = []
        _sources = left.pop("sources")
        for sources_item_data in _sources:
            sources_item = RateSource.from_dict(sources_item_data)

            sources.append(sources_item)

        def _parse_problem(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        problem = _parse_problem(left.pop("problem"))

        made = cls(
            asset=asset,
            currency=currency,
            rate=rate,
            rate_at=rate_at,
            age_s=age_s,
            good_until=good_until,
            sources=sources,
            problem=problem,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
