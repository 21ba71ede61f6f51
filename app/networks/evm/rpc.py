"""Reading from EVM nodes: each request also asks for the chain id."""

from collections.abc import Sequence
from typing import TypeVar, cast

from app.networks.config import NodeUrl
from app.networks.evm.wire import Quantity
from app.networks.json_rpc import Call, Nodes
from app.networks.port import WrongChain

T = TypeVar("T")

CHAIN_ID: Call[str] = Call("eth_chainId", (), Quantity)


class EvmRpc:
    """A network's nodes, on one chain."""

    def __init__(self, urls: Sequence[NodeUrl], chain_id: int) -> None:
        self._nodes = Nodes(urls)
        self._chain_id = chain_id

    async def ask(self, calls: Sequence[Call[T]]) -> list[T]:
        """The results of `calls`, in their order, all from one request to one node on the right chain.

        Raises `NodeUnavailable` (or `RefusedByNode`) where no node gave them, `UnreadableAnswer`,
        `WrongChain`.
        """
        stated, *results = await self._nodes.ask([CHAIN_ID, *calls])
        if int(stated, 16) != self._chain_id:
            label = self._nodes[self._nodes.preferred].label
            raise WrongChain(f"{label}: is on chain {int(stated, 16)}, configured is {self._chain_id}")
        return cast("list[T]", results)

    async def chain_id(self) -> int:
        """The chain id that the preferred node states, unchecked."""
        (stated,) = await self._nodes.ask([CHAIN_ID])
        return int(stated, 16)

    async def aclose(self) -> None:
        """Close the connections to all nodes."""
        await self._nodes.aclose()
