from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class StatementBalance:
    """A ledger's state after an entry.

    Attributes:
        seq (int): The entry; 0 before the first one.
        hash_ (str): Its hash; 64 zeros before the first one.
        available_raw (str): In minor units, with a minus where it is less than nothing.
        available_decimal (str): The same for people.
        locked_raw (str): In minor units, with a minus where it is less than nothing.
        locked_decimal (str): The same for people.
    """

    seq: int
    hash_: str
    available_raw: str
    available_decimal: str
    locked_raw: str
    locked_decimal: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        seq = self.seq
        said["seq"] = seq
        hash_ = self.hash_
        said["hash"] = hash_
        available_raw = self.available_raw
        said["available_raw"] = available_raw
        available_decimal = self.available_decimal
        said["available_decimal"] = available_decimal
        locked_raw = self.locked_raw
        said["locked_raw"] = locked_raw
        locked_decimal = self.locked_decimal
        said["locked_decimal"] = locked_decimal
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> StatementBalance:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        seq = left.pop("seq")
        hash_ = left.pop("hash")
        available_raw = left.pop("available_raw")
        available_decimal = left.pop("available_decimal")
        locked_raw = left.pop("locked_raw")
        locked_decimal = left.pop("locked_decimal")
        made = cls(
            seq=seq,
            hash_=hash_,
            available_raw=available_raw,
            available_decimal=available_decimal,
            locked_raw=locked_raw,
            locked_decimal=locked_decimal,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
