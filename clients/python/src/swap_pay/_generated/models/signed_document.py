from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class SignedDocument:
    """What was signed: the RFC 8785 form of these fields.

    Attributes:
        format_ (str): `swap-pay-checkpoint/1`.
        number (int): 1, 2, 3 …
        created_at (str): When it was signed.
        ledgers (int): How many leaves the tree has.
        root (str): The Merkle tree's root (RFC 6962).
        previous (str): The hash of the checkpoint before; 64 zeros at the first.
    """

    format_: str
    number: int
    created_at: str
    ledgers: int
    root: str
    previous: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        format_ = self.format_
        said["format"] = format_
        number = self.number
        said["number"] = number
        created_at = self.created_at
        said["created_at"] = created_at
        ledgers = self.ledgers
        said["ledgers"] = ledgers
        root = self.root
        said["root"] = root
        previous = self.previous
        said["previous"] = previous
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> SignedDocument:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        format_ = left.pop("format")
        number = left.pop("number")
        created_at = left.pop("created_at")
        ledgers = left.pop("ledgers")
        root = left.pop("root")
        previous = left.pop("previous")
        made = cls(
            format_=format_,
            number=number,
            created_at=created_at,
            ledgers=ledgers,
            root=root,
            previous=previous,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
