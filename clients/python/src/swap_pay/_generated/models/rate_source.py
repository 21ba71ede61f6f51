from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class RateSource:
    """What one source says of a rate.

    Attributes:
        name (str): The source; `kraken × ecb` where its price in another currency was multiplied by that rate.
        rate (str): What one whole asset is worth there, in the currency.
        at (datetime.datetime): The source's own time of it.
        used (bool): False where it was too far off the others to count.
    """

    name: str
    rate: str
    at: datetime.datetime
    used: bool
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        name = self.name
        said["name"] = name
        rate = self.rate
        said["rate"] = rate
        at = self.at.isoformat()
        said["at"] = at
        used = self.used
        said["used"] = used
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> RateSource:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        name = left.pop("name")
        rate = left.pop("rate")
        at = datetime.datetime.fromisoformat(left.pop("at").replace("Z", "+00:00"))

        used = left.pop("used")
        made = cls(
            name=name,
            rate=rate,
            at=at,
            used=used,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
