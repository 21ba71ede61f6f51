"""Reading from Bitcoin nodes: each request also asks for the first block, and the node with the most work is asked.

No other node takes its place between two choices: one that is behind, or on another branch, would answer that blocks
are gone, and credits would be reversed.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from app.core import clock
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.wire import IN_WARM_UP, ChainInfo, Hash
from app.networks.http_node import NobodyAnswered, basic
from app.networks.json_rpc import Call, Dialect, Nodes
from app.networks.port import NodeSyncing, NodeUnavailable, WrongChain

T = TypeVar("T")

COMPARE_TIMEOUT_S = 5.0
"""For an answer of one of several nodes to the question how long its chain is."""

REST_S = 30.0
"""A node that did not answer is not compared with the others for so long, so that it doesn't slow each round."""

GENESIS: Call[str] = Call("getblockhash", (0,), Hash)
CHAIN_INFO: Call[ChainInfo] = Call("getblockchaininfo", (), ChainInfo)


class BitcoinRpc:
    """A network's nodes, on one chain."""

    def __init__(self, config: BitcoinConfig) -> None:
        self._genesis_hash = config.identity
        self._nodes = Nodes(config.rpc_urls, _dialect(config.cookie_file))
        self._rests_until_s = [0.0] * len(self._nodes)
        self._chosen: int | None = None

    @property
    def chosen(self) -> int | None:
        """The number of the node that is asked now; None where one must be chosen."""
        return self._chosen

    async def ask(self, calls: Sequence[Call[T]], *, timeout_s: float | None = None) -> list[T]:
        """The results of `calls`, in their order, all from one request to the chosen node.

        Raises `NodeUnavailable` (or `RefusedByNode`) where it did not give them, so that the next request chooses
        anew; `UnreadableAnswer`, `WrongChain`.
        """
        if self._chosen is None:
            await self.best_chain()
        assert self._chosen is not None
        number = self._chosen
        try:
            genesis_hash, *results = await self._nodes[number].ask([GENESIS, *calls], timeout_s=timeout_s)
        except NodeUnavailable:
            self._chosen = None
            raise
        self.check_genesis(number, genesis_hash)
        return cast("list[T]", results)

    async def ask_any(self, calls: Sequence[Call[T]]) -> list[T]:
        """The same from any node that gives them: for what a hash names, which is the same everywhere."""
        genesis_hash, *results = await self._nodes.ask([GENESIS, *calls])
        self.check_genesis(self._nodes.preferred, genesis_hash)
        return cast("list[T]", results)

    @property
    def labels(self) -> list[str]:
        """What the nodes are called in messages, by their numbers."""
        return [self._nodes[number].label for number in range(len(self._nodes))]

    async def ask_one(self, number: int, calls: Sequence[Call[Any]]) -> list[Any]:
        """The results of `calls` from this node alone. Raises as `ask`, but does not check the node's chain."""
        return await self._nodes[number].ask(calls, timeout_s=COMPARE_TIMEOUT_S)

    async def best_chain(self) -> ChainInfo:
        """The state of the node whose chain has the most work, which is asked from now on.

        Raises as `ask`, also where every node still downloads the chain: it has no recent blocks then, and what isn't
        in its blocks may have been paid.
        """
        order = sorted(range(len(self._nodes)), key=lambda number: number != self._chosen)
        awake = [number for number in order if self._rests_until_s[number] <= clock.monotonic_s()] or order
        answers = await asyncio.gather(*map(self._compare, awake), return_exceptions=True)
        best: tuple[int, ChainInfo] | None = None
        failures: list[NodeUnavailable] = []
        for number, answer in zip(awake, answers, strict=True):
            if isinstance(answer, NodeUnavailable):
                failures.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            elif best is None or int(answer.chain_work, 16) > int(best[1].chain_work, 16):
                best = number, answer
        if best is None:
            self._chosen = None
            if any(isinstance(failure, NodeSyncing) for failure in failures):
                raise NodeSyncing("; ".join(map(str, failures)))
            raise failures[0] if len(failures) == 1 else NobodyAnswered(failures)
        self._chosen = best[0]
        self._nodes.prefer(best[0])
        return best[1]

    async def aclose(self) -> None:
        """Close the connections to all nodes."""
        await self._nodes.aclose()

    async def _compare(self, number: int) -> ChainInfo:
        node, is_alone = self._nodes[number], len(self._nodes) == 1
        timeout_s = None if is_alone else COMPARE_TIMEOUT_S
        try:
            genesis_hash, info = await node.ask([GENESIS, CHAIN_INFO], timeout_s=timeout_s)
        except NodeUnavailable:
            self._rests_until_s[number] = 0.0 if is_alone else clock.monotonic_s() + REST_S
            raise
        self.check_genesis(number, genesis_hash)
        if info.is_downloading:
            raise NodeSyncing(
                f"{node.label}: still downloads the chain: block {info.blocks} of {max(info.headers, info.blocks)}"
            )
        return cast("ChainInfo", info)

    def check_genesis(self, number: int, genesis_hash: str) -> None:
        """Raise `WrongChain` where a node's first block is not that of the configured chain."""
        if genesis_hash != self._genesis_hash:
            raise WrongChain(
                f"{self._nodes[number].label}: is on the chain of {genesis_hash}, configured is {self._genesis_hash}"
            )


def _dialect(cookie_file: str | None) -> Dialect:
    """Bitcoin Core's HTTP statuses and error codes. It answers errors with status 500 before release 28."""
    return Dialect(
        status_words={
            401: "the user name or the password is wrong",
            403: "the node does not allow our address (rpcallowip)",
            503: "the node has too many calls at once (rpcworkqueue)",
        },
        error_words={IN_WARM_UP: "the node is starting"},
        body_counts=True,
        authorisation=None if cookie_file is None else lambda: basic(_cookie(Path(cookie_file))),
    )


def _cookie(path: Path) -> str:
    """The user name and password that the node has written at its start. It is read for each request: a node that
    starts again has another one."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        raise NodeUnavailable("cookie_file can't be read: is the node running, and may this user read it?") from None
