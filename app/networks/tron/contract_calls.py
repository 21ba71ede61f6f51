"""Calls of token contracts that a node simulates and nobody sends: what a transfer takes, what the issuer allows.

A node says that a simulation took place even where the call failed, so success is read from three places at once.
"""

import math
from collections.abc import Sequence

from app.core import clock
from app.networks import keccak
from app.networks.contract_abi import decode
from app.networks.port import NodeUnavailable, TokenState, UnreadableAnswer
from app.networks.tron.addresses import to_hex
from app.networks.tron.node import TronNodes
from app.networks.tron.wire_sending import WireSimulation

WORD_DIGITS = 64
REASON_SELECTOR = "08c379a0"  # keccak256("Error(string)"), its first four bytes
MAX_REASON_CHARACTERS = 200

MISSING_S = 3_600.0

CONTRACT_MISSING = "contract is not exist"  # java-tron: "Smart contract is not exist."


REVERTED = "REVERT opcode executed"  # java-tron; a contract reverts a call of a function that it lacks, too


class CallFails(Exception):
    """A call would fail if it were sent now; the message is the contract's reason, or the node's. `is_revert`: the
    contract refuses it, and not the node for want of time or of the contract."""

    def __init__(self, reason: str, *, is_revert: bool) -> None:
        super().__init__(reason)
        self.is_revert = is_revert


class Simulated:
    """The outcome of a call that would succeed: its result in hex, and the energy that it takes."""

    __slots__ = ("energy", "result")

    def __init__(self, result: str, energy: int) -> None:
        self.result = result
        self.energy = energy


def selector(signature: str) -> str:
    """The first four bytes of a function's name, in hex."""
    return keccak.selector(signature).hex()


def address_word(address: str) -> str:
    """An address as an argument, in hex."""
    return to_hex(address)[2:].rjust(WORD_DIGITS, "0")


async def simulate(nodes: TronNodes, contract: str, caller: str, data: str) -> Simulated:
    """Simulate a call now, from its real caller. Raises CallFails, NodeUnavailable where no node simulates."""
    body = {"owner_address": to_hex(caller), "contract_address": to_hex(contract), "data": data}
    answer = await nodes.ask("wallet/triggerconstantcontract", body, WireSimulation, check=_check_simulated)
    reason = _failure(answer)
    if reason is not None:
        raise CallFails(reason, is_revert=REVERTED in _text(answer.result.message))
    return Simulated("".join(answer.constant_result), answer.energy_used)


class Issuer:
    """What a token's issuer allows now. A function that the contract doesn't have is asked for once an hour: a contract
    behind a proxy may gain it. One that has answered before is there: whatever else comes then is no answer."""

    def __init__(self, nodes: TronNodes, contract: str) -> None:
        self._nodes = nodes
        self._contract = contract
        self._missing_until_s: dict[str, float] = {}
        self._answered: set[str] = set()

    async def state(self, addresses: Sequence[str]) -> TokenState:
        """Whether the token is paused, which of the addresses are frozen, and the fee that it keeps."""
        frozen = {address for address in addresses if await self._is_frozen(address)}
        is_paused = await self._flag("paused()", self._contract)
        fee_bps = await self._value("basisPointsRate()", self._contract) or 0
        if fee_bps and await self._value("maximumFee()", self._contract) == 0:
            fee_bps = 0  # the fee is the smaller of the two
        return TokenState(is_paused=is_paused, frozen=frozenset(frozen), fee_bps=fee_bps)

    async def _is_frozen(self, address: str) -> bool:
        # Tether's name, and Circle's.
        for signature in ("isBlackListed(address)", "isBlacklisted(address)"):
            if await self._flag(signature, address, address_word(address)):
                return True
        return False

    async def _flag(self, signature: str, caller: str, arguments: str = "") -> bool:
        return bool(await self._value(signature, caller, arguments))

    async def _value(self, signature: str, caller: str, arguments: str = "") -> int | None:
        """The number that a function returns; None where the contract doesn't have it. Raises NodeUnavailable where the
        node can't say: it lacks the contract's block, or has run out of time."""
        if clock.monotonic_s() < self._missing_until_s.get(signature, -math.inf):
            return None
        try:
            answer = await simulate(self._nodes, self._contract, caller, selector(signature) + arguments)
        except CallFails as failure:
            if not failure.is_revert:
                raise NodeUnavailable(f"{signature} of {self._contract}: {failure}") from None
            answer = None
        if answer is not None and len(answer.result) == WORD_DIGITS:
            self._answered.add(signature)
            return _number(answer)
        if signature in self._answered:
            raise NodeUnavailable(f"{signature} of {self._contract} answers otherwise than before")
        self._missing_until_s[signature] = clock.monotonic_s() + MISSING_S
        return None


def _check_simulated(node: str, answer: WireSimulation) -> None:
    """Raise NodeUnavailable where a node did not simulate: another one may."""
    words = _text(answer.result.message)
    if not answer.result.result and CONTRACT_MISSING not in words:
        raise NodeUnavailable(f"{node}: it simulates no call: {answer.result.code} {words[:MAX_REASON_CHARACTERS]!r}")


def _failure(answer: WireSimulation) -> str | None:
    """Why a simulated call failed; None where it succeeded."""
    if answer.result.result and not answer.result.message and answer.transaction.ret == [{}]:
        return None
    returned = "".join(answer.constant_result)
    return _reason(returned) or _text(answer.result.message)[:MAX_REASON_CHARACTERS] or "it fails, without a reason"


def _reason(returned: str) -> str:
    """The text of a failed `require`, empty where it has none."""
    if not returned.startswith(REASON_SELECTOR):
        return ""
    try:
        (text,) = decode(["string"], bytes.fromhex(returned[len(REASON_SELECTOR) :]))
    except Exception:  # a contract may return anything, and only the words for people are lost
        return ""
    return str(text)[:MAX_REASON_CHARACTERS]


def _number(answer: Simulated) -> int:
    if len(answer.result) != WORD_DIGITS:
        raise UnreadableAnswer("a call returned something else than one number")
    return int(answer.result, 16)


def _text(digits: str) -> str:
    """The text of a node's message, which is in hex."""
    try:
        return bytes.fromhex(digits).decode(errors="replace")
    except ValueError:
        return digits
