"""Contracts of the double: an anvil without fees, in which 1 wei is 1 sun. Every account of it may be impersonated.

Energy is gas without what Ethereum charges for a transaction and its data, and without what it refunds for storage that
is cleared: Tron refunds nothing. Differences from Tron's own machine: `block.timestamp` and addresses of new contracts
are Ethereum's; the few opcodes that only Tron has are not there.
"""

import asyncio
import time
from pathlib import Path
from typing import Any, Self

import msgspec

from app.sandbox.tron_double.addresses import from_evm, to_evm

OPTIONS = (
    *("--no-mining", "--base-fee", "0", "--gas-price", "0", "--disable-block-gas-limit"),
    *("--hardfork", "istanbul", "--accounts", "1", "--balance", "0", "--no-request-size-limit"),
)
"""Istanbul: later forks charge more for the first use of an address or a slot, and a floor for data."""

DEPLOYMENT_GAS = 10_000_000
_INTRINSIC_GAS, _ZERO_BYTE_GAS, _BYTE_GAS = 21_000, 4, 16
_NOTES = {"SELFDESTRUCT": "suicide", "CREATE": "create", "CREATE2": "create"}
_CALLS = {"tracer": "callTracer", "tracerConfig": {"withLog": True}}
_STEPS = {"disableStack": True, "disableMemory": True, "disableStorage": True}
_ANSWER_BYTES = 2**30
"""No answer is longer: the whole state is one."""

_TIMEOUT_S, _POLL_S = 30, 0.02


class InnerCall(msgspec.Struct, frozen=True):
    """A call that a contract has made; `note` as java-tron names its kinds."""

    caller: str
    to: str
    value_sun: int
    note: str
    rejected: bool


class Execution(msgspec.Struct, frozen=True):
    """What a call did. `result` is one of java-tron's: SUCCESS, REVERT, OUT_OF_ENERGY, …; `energy` has no penalty."""

    result: str
    energy: int
    output: str
    logs: list[dict[str, Any]] = []
    inner: list[InnerCall] = []


class EvmError(Exception):
    """anvil refused a call: the double itself is at fault."""


class Evm:
    """A client of one anvil, through its socket in the file system: a call takes a tenth of one by HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()

    @classmethod
    async def connect(cls, socket: Path) -> Self:
        """A client of the anvil that was started with OPTIONS and this socket. Raises OSError."""
        deadline_s = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                evm = cls(*await asyncio.open_unix_connection(socket, limit=_ANSWER_BYTES))
                break
            except OSError:
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(_POLL_S)
        await evm.call("anvil_autoImpersonateAccount", True)
        return evm

    async def execute(self, sender: str, contract: str, value_sun: int, data: str, energy_limit: int) -> Execution:
        """Run a call in a block of its own. Addresses are Tron's, in hex."""
        call = _call(sender, contract, value_sun, data) | {"gas": _gas(data, energy_limit)}
        # Before it: anvil keeps no steps of what is in a block.
        steps = await self.call("debug_traceCall", call, "latest", _STEPS)
        txid = await self.call("eth_sendTransaction", call)
        await self.call("evm_mine")
        trace = await self.call("debug_traceTransaction", txid, _CALLS)
        receipt = await self.call("eth_getTransactionReceipt", txid)
        return _execution(trace, steps if receipt["logs"] else None, data, receipt["logs"])

    async def simulate(
        self, sender: str, contract: str, value_sun: int, data: str, energy_limit: int, height: int
    ) -> Execution:
        """What a call would do after an EVM block. Nothing changes."""
        call = _call(sender, contract, value_sun, data) | {"gas": _gas(data, energy_limit)}
        trace = await self.call("debug_traceCall", call, hex(height), _CALLS)
        steps = await self.call("debug_traceCall", call, hex(height), _STEPS) if _may_refund(trace) else None
        return _execution(trace, steps, data, [])

    async def deploy(self, owner: str, bytecode: str) -> str:
        """Deploy a contract and return its address. Raises EvmError."""
        deployment = {"from": to_evm(owner), "data": "0x" + bytecode, "gas": hex(DEPLOYMENT_GAS), "gasPrice": "0x0"}
        txid = await self.call("eth_sendTransaction", deployment)
        await self.call("evm_mine")
        receipt = await self.call("eth_getTransactionReceipt", txid)
        if receipt["status"] != "0x1":
            raise EvmError("the contract could not be deployed")
        return from_evm(receipt["contractAddress"])

    async def code(self, address: str) -> str:
        """The code at an address, in hex; empty where there is none."""
        return str(await self.call("eth_getCode", to_evm(address), "latest")).removeprefix("0x")

    async def balance_sun(self, address: str) -> int:
        """What an address holds."""
        return int(await self.call("eth_getBalance", to_evm(address), "latest"), 16)

    async def set_balance(self, address: str, sun: int) -> None:
        """Make an address hold so much."""
        await self.call("anvil_setBalance", to_evm(address), hex(sun))

    async def height(self) -> int:
        """The height of anvil's own newest block."""
        return int(await self.call("eth_blockNumber"), 16)

    async def roll_back(self, height: int) -> None:
        """Go back to the state after one of anvil's own blocks."""
        if (depth := await self.height() - height) > 0:
            await self.call("anvil_rollback", depth)

    async def call(self, method: str, *params: Any) -> Any:
        """Any call of anvil. Raises EvmError."""
        async with self._turn:
            self._writer.write(msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
            async with asyncio.timeout(_TIMEOUT_S):
                reply = msgspec.json.decode(await self._reader.readline())
        if "error" in reply:
            raise EvmError(f"{method}: {reply['error'].get('message')}")
        return reply["result"]


def _call(sender: str, contract: str, value_sun: int, data: str) -> dict[str, str]:
    return {
        "from": to_evm(sender),
        "to": to_evm(contract),
        "value": hex(value_sun),
        "data": "0x" + data,
        "gasPrice": "0x0",
    }


def _gas(data: str, energy_limit: int) -> str:
    return hex(energy_limit + _intrinsic_gas(data))


def _intrinsic_gas(data: str) -> int:
    zeros = bytes.fromhex(data).count(0)
    return _INTRINSIC_GAS + zeros * _ZERO_BYTE_GAS + (len(data) // 2 - zeros) * _BYTE_GAS


def _may_refund(trace: dict[str, Any]) -> bool:
    """Whether a call may have cleared storage: one that did not fail and changed something has left a log."""
    return "error" not in trace and (
        bool(trace.get("logs")) or any(_may_refund(call) for call in trace.get("calls", []))
    )


def _execution(trace: dict[str, Any], steps: dict[str, Any] | None, data: str, logs: list[dict[str, Any]]) -> Execution:
    result = _result(trace.get("error"))
    energy = max(int(trace["gasUsed"], 16) - _intrinsic_gas(data), 0)
    if steps and (each := steps["structLogs"]):
        energy = each[0]["gas"] - each[-1]["gas"] + each[-1]["gasCost"]
    return Execution(
        result,
        energy,
        str(trace.get("output") or "0x").removeprefix("0x"),
        logs if result == "SUCCESS" else [],
        list(_inner(trace.get("calls", []), rejected=result != "SUCCESS")),
    )


def _result(error: str | None) -> str:
    if error is None:
        return "SUCCESS"
    if "revert" in error.lower():
        return "REVERT"
    if "gas" in error.lower():
        return "OUT_OF_ENERGY"
    return "ILLEGAL_OPERATION" if "opcode" in error.lower() else "UNKNOWN"


def _inner(calls: list[dict[str, Any]], *, rejected: bool) -> list[InnerCall]:
    """Inner calls in the order in which they began; those within a rejected one are rejected too."""
    found = []
    for call in calls:
        failed = rejected or "error" in call
        note = _NOTES.get(call["type"], "call")
        value_sun = int(call.get("value") or "0x0", 16)
        found.append(InnerCall(from_evm(call["from"]), from_evm(call.get("to") or "00" * 20), value_sun, note, failed))
        found += _inner(call.get("calls", []), rejected=failed)
    return found
