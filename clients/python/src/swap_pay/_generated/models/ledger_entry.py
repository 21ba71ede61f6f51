from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..models.ledger_reference import LedgerReference


@dataclass
class LedgerEntry:
    """One entry as the API and the export show it; amounts are strings of digits, perhaps with a minus.

    Attributes:
        seq (int): From 1, without gaps.
        kind (str): Why the entry was made.
        available_delta_raw (str): What it changed of the available balance.
        locked_delta_raw (str): What it changed of the locked balance.
        available_after_raw (str): The available balance after it.
        locked_after_raw (str): The locked balance after it.
        reference (LedgerReference): The object that caused an entry, such as a deposit.
        created_at (str): When it was made.
        prev_hash (str): The hash of the entry before; 64 zeros for the first.
        hash_ (str): SHA-256 over the canonical JSON (RFC 8785) of every other field, plus `merchant_id`, `asset`
            and `network`.
    """

    seq: int
    kind: str
    available_delta_raw: str
    locked_delta_raw: str
    available_after_raw: str
    locked_after_raw: str
    reference: LedgerReference
    created_at: str
    prev_hash: str
    hash_: str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        seq = self.seq
        said["seq"] = seq
        kind = self.kind
        said["kind"] = kind
        available_delta_raw = self.available_delta_raw
        said["available_delta_raw"] = available_delta_raw
        locked_delta_raw = self.locked_delta_raw
        said["locked_delta_raw"] = locked_delta_raw
        available_after_raw = self.available_after_raw
        said["available_after_raw"] = available_after_raw
        locked_after_raw = self.locked_after_raw
        said["locked_after_raw"] = locked_after_raw
        reference = self.reference.to_dict()
        said["reference"] = reference
        created_at = self.created_at
        said["created_at"] = created_at
        prev_hash = self.prev_hash
        said["prev_hash"] = prev_hash
        hash_ = self.hash_
        said["hash"] = hash_
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> LedgerEntry:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.ledger_reference import LedgerReference

        left = dict(said)
        seq = left.pop("seq")
        kind = left.pop("kind")
        available_delta_raw = left.pop("available_delta_raw")
        locked_delta_raw = left.pop("locked_delta_raw")
        available_after_raw = left.pop("available_after_raw")
        locked_after_raw = left.pop("locked_after_raw")
        reference = LedgerReference.from_dict(left.pop("reference"))

        created_at = left.pop("created_at")
        prev_hash = left.pop("prev_hash")
        hash_ = left.pop("hash")
        made = cls(
            seq=seq,
            kind=kind,
            available_delta_raw=available_delta_raw,
            locked_delta_raw=locked_delta_raw,
            available_after_raw=available_after_raw,
            locked_after_raw=locked_after_raw,
            reference=reference,
            created_at=created_at,
            prev_hash=prev_hash,
            hash_=hash_,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
