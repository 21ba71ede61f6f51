from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from ..models.block import Block


@dataclass
class Network:
    """How far a network in the key's mode has been read.

    Attributes:
        chain (str): As invoices name it.
        name (str): For people.
        chain_id (int | None): The chain's public number (EIP-155); null where it has none.
        height (int | None): The newest block that the node knows.
        lag_blocks (int | None): Blocks that the node knows and we have not read yet.
        start_height (int | None): The height at which reading began.
        last_scanned_block (Block | None): The newest block that we have read.
        coverage_contiguous (bool): Whether every block since the start was read, each the child of the one below.
        checked_at (None | str): When we last asked the node.
        halted (bool): Reading has stopped because continuing could skip a payment. Operators are alerted.
    """

    chain: str
    name: str
    chain_id: int | None
    height: int | None
    lag_blocks: int | None
    start_height: int | None
    last_scanned_block: Block | None
    coverage_contiguous: bool
    checked_at: None | str
    halted: bool
    additional_properties: dict[str, Any] = field(init=False, default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Its JSON."""
        from ..models.block import Block

        said: dict[str, Any] = dict(self.additional_properties)
        chain = self.chain
        said["chain"] = chain
        name = self.name
        said["name"] = name
        chain_id: int | None
        chain_id = self.chain_id
        said["chain_id"] = chain_id
        height: int | None
        height = self.height
        said["height"] = height
        lag_blocks: int | None
        lag_blocks = self.lag_blocks
        said["lag_blocks"] = lag_blocks
        start_height: int | None
        start_height = self.start_height
        said["start_height"] = start_height
        last_scanned_block: dict[str, Any] | None
        if isinstance(self.last_scanned_block, Block):
            last_scanned_block = self.last_scanned_block.to_dict()
        else:
            last_scanned_block = self.last_scanned_block
        said["last_scanned_block"] = last_scanned_block
        coverage_contiguous = self.coverage_contiguous
        said["coverage_contiguous"] = coverage_contiguous
        checked_at: None | str
        checked_at = self.checked_at
        said["checked_at"] = checked_at
        halted = self.halted
        said["halted"] = halted
        return said

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Network:
        """From its JSON. Raises KeyError for a field that is missing."""
        from ..models.block import Block

        left = dict(said)
        chain = left.pop("chain")
        name = left.pop("name")

        def _parse_chain_id(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        chain_id = _parse_chain_id(left.pop("chain_id"))

        def _parse_height(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        height = _parse_height(left.pop("height"))

        def _parse_lag_blocks(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        lag_blocks = _parse_lag_blocks(left.pop("lag_blocks"))

        def _parse_start_height(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        start_height = _parse_start_height(left.pop("start_height"))

        def _parse_last_scanned_block(data: object) -> Block | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                last_scanned_block_type_0 = Block.from_dict(data)

                return last_scanned_block_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Block | None, data)

        last_scanned_block = _parse_last_scanned_block(left.pop("last_scanned_block"))

        coverage_contiguous = left.pop("coverage_contiguous")

        def _parse_checked_at(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        checked_at = _parse_checked_at(left.pop("checked_at"))

        halted = left.pop("halted")
        made = cls(
            chain=chain,
            name=name,
            chain_id=chain_id,
            height=height,
            lag_blocks=lag_blocks,
            start_height=start_height,
            last_scanned_block=last_scanned_block,
            coverage_contiguous=coverage_contiguous,
            checked_at=checked_at,
            halted=halted,
        )
        made.additional_properties = left
        return made

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
