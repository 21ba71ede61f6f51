from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast


@dataclass
class LedgerVerification:
    """The result of re-computing a chain of hashes.

    Attributes:
        asset (str): The asset's symbol.
        chain (str): The chain that it is on.
        valid (bool): Whether the chain is intact.
        seq (int): The entries that were checked.
        hash_ (str): The hash of the last one; 64 zeros where there is none.
        first_bad_seq (int | None): Where the chain breaks; null if it is intact.
        problem (None | str): How it breaks; null if it is intact.
    """

    asset: str
    chain: str
    valid: bool
    seq: int
    hash_: str
    first_bad_seq: int | None
    problem: None | str
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""

        said: dict[str, Any] = dict(self.additional_properties)
        asset = self.asset
        said["asset"] = asset
        chain = self.chain
        said["chain"] = chain
        valid = self.valid
        said["valid"] = valid
        seq = self.seq
        said["seq"] = seq
        hash_ = self.hash_
        said["hash"] = hash_
        first_bad_seq: int | None
        first_bad_seq = self.first_bad_seq
        said["first_bad_seq"] = first_bad_seq
        problem: None | str
        problem = self.problem
        said["problem"] = problem
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> LedgerVerification:
        """From its JSON. Raises KeyError for a field that is missing."""

        left = dict(said)
        asset = left.pop("asset")
        chain = left.pop("chain")
        valid = left.pop("valid")
        seq = left.pop("seq")
        hash_ = left.pop("hash")

        def _parse_first_bad_seq(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        first_bad_seq = _parse_first_bad_seq(left.pop("first_bad_seq"))

        def _parse_problem(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        problem = _parse_problem(left.pop("problem"))

        made = cls(
            asset=asset,
            chain=chain,
            valid=valid,
            seq=seq,
            hash_=hash_,
            first_bad_seq=first_bad_seq,
            problem=problem,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
