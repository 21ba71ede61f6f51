"""What a token's issuer allows, as far as the token's contract says: stopped transfers, frozen addresses, a fee.

ERC-20 has none of this; the functions are those of the contracts of USDT and USDC, which many issuers have copied.
Which of them a contract has is found by calling each one alone, and remembered for a day: most tokens are behind a
proxy, so a function may come later. A node that can't answer is an error, never "nothing is stopped".
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from app.core import clock
from app.networks.contract_abi import encode
from app.networks.evm.holdings import CALLS_PER_REQUEST
from app.networks.evm.rpc import EvmRpc
from app.networks.evm.wire import Data
from app.networks.http_node import NobodyAnswered
from app.networks.json_rpc import Call, RefusedByNode
from app.networks.port import NodeUnavailable, TokenState

# The first four bytes of keccak256 of the signature.
PAUSED = bytes.fromhex("5c975abb")  # paused(): USDT, USDC, OpenZeppelin's Pausable
FROZEN_BY = (
    bytes.fromhex("e47d6060"),  # isBlackListed(address): USDT
    bytes.fromhex("fe575a87"),  # isBlacklisted(address): USDC
)
FEE_BPS, MOST_FEE_RAW = bytes.fromhex("dd644f72"), bytes.fromhex("35390714")  # basisPointsRate(), maximumFee(): USDT

REMEMBERED_FOR = timedelta(days=1)

NOBODY = "0x" + 40 * "0"

REVERTED = 3
"""The code of a call that the contract has reverted (geth, reth, erigon, anvil); other nodes only say it in words."""

REVERTED_WORDS = ("revert", "invalid opcode", "invalid jump", "vm execution error")


class _Functions(msgspec.Struct, frozen=True):
    """Which of the functions a contract has, and until when that is remembered."""

    known_until: datetime
    plain: tuple[bytes, ...]
    frozen_by: tuple[bytes, ...]


class TokenIssuers:
    """Asks the contracts of one network's tokens."""

    def __init__(self, rpc: EvmRpc) -> None:
        self._rpc = rpc
        self._functions: dict[str, _Functions] = {}

    async def state(self, contract: str, addresses: Sequence[str]) -> TokenState:
        """What the issuer of the token at `contract` allows now. Raises NodeUnavailable, UnreadableAnswer."""
        functions = self._functions.get(contract)
        if functions is None or functions.known_until <= clock.now():
            functions = self._functions[contract] = await self._found(contract)
        calls = [_call(contract, selector) for selector in functions.plain]
        asked = [(selector, address) for address in addresses for selector in functions.frozen_by]
        calls += [_call(contract, selector, address) for selector, address in asked]
        try:
            words = await self._words(calls)
        except (RefusedByNode, NobodyAnswered) as refusal:
            if _is_revert(refusal):
                self._functions.pop(contract, None)  # the contract has changed
            raise
        plain = dict(zip(functions.plain, words, strict=False))
        marks = zip(asked, words[len(plain) :], strict=True)
        fee_bps = plain.get(FEE_BPS, 0) if plain.get(MOST_FEE_RAW, 1) else 0
        return TokenState(
            is_paused=plain.get(PAUSED, 0) != 0,
            frozen=frozenset(address for (_, address), mark in marks if mark),
            fee_bps=fee_bps,
        )

    async def _found(self, contract: str) -> _Functions:
        return _Functions(
            clock.now() + REMEMBERED_FOR,
            tuple([selector for selector in (PAUSED, FEE_BPS, MOST_FEE_RAW) if await self._has(contract, selector)]),
            tuple([selector for selector in FROZEN_BY if await self._has(contract, selector, NOBODY)]),
        )

    async def _has(self, contract: str, selector: bytes, address: str | None = None) -> bool:
        """Whether a contract answers a call with a number. Contracts without the function revert, or have a fallback
        that answers nothing."""
        code_call: Call[str] = Call("eth_getCode", (contract, "latest"), Data)
        try:
            code, answer = await self._rpc.ask([code_call, _call(contract, selector, address)])
        except (RefusedByNode, NobodyAnswered) as refusal:
            if _is_revert(refusal):
                return False
            raise
        if code == "0x":
            raise NodeUnavailable(f"the node knows no contract at {contract}: it may lack blocks")
        return len(answer) == 2 + 64

    async def _words(self, calls: Sequence[Call[str]]) -> list[int]:
        words: list[int] = []
        for start in range(0, len(calls), CALLS_PER_REQUEST):
            answers = await self._rpc.ask(calls[start : start + CALLS_PER_REQUEST])
            if any(len(answer) != 2 + 64 for answer in answers):
                raise NodeUnavailable("a token's contract answers otherwise than before: the node may lack blocks")
            words += [int(answer, 16) for answer in answers]
        return words


def _call(contract: str, selector: bytes, address: str | None = None) -> Call[str]:
    data = selector + (b"" if address is None else encode(["address"], [address]))
    return Call("eth_call", ({"to": contract, "data": "0x" + data.hex()}, "latest"), Data)


def _is_revert(refusal: NodeUnavailable) -> bool:
    """Whether the contract refuses a call, and not the node. Where nodes differ, one that has run the call decides."""
    if isinstance(refusal, NobodyAnswered):
        return any(_is_revert(each) for each in refusal.failures)
    words = str(refusal).lower()
    return isinstance(refusal, RefusedByNode) and (
        refusal.code == REVERTED or any(word in words for word in REVERTED_WORDS)
    )
