from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Block:
    """A scanned block.

    Attributes:
        height (int): Its height.
        hash_ (str): Its hash.
        time (str): Its timestamp.
    """

    height: int
    hash_: str
    time: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        height = self.height
        said["height"] = height
        hash_ = self.hash_
        said["hash"] = hash_
        time = self.time
        said["time"] = time
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Block:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        height = left.pop("height")
        hash_ = left.pop("hash")
        time = left.pop("time")
        made = cls(
            height=height,
            hash_=hash_,
            time=time,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
