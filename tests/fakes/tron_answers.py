"""Answers of a Tron node to what sending asks, each written down in the form of java-tron's documentation or source.

For what no node can be made to say: refusals of each kind, answers that contradict each other, nonsense.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

from eth_utils.crypto import keccak

from app.networks.tron.addresses import to_hex
from tests.factories.tron import TEST_GENESIS
from tests.fakes.tron_script import ScriptedTron, scripted_tron

HEAD, FINAL = 66_987_645, 66_987_627
HEAD_TIME_MS = 1_777_445_361_000

ENERGY_OF_HOLDER, ENERGY_OF_EMPTY = 64_285, 130_285

Script = dict[str, Any]


def block_id(height: int) -> str:
    """The id of the block of a height, which begins with the height."""
    return f"{height:016x}" + hashlib.sha256(str(height).encode()).hexdigest()[16:]


def header(height: int) -> dict[str, Any]:
    """A block, without its transactions."""
    raw_data = {
        "number": height,
        "parentHash": block_id(height - 1),
        "timestamp": HEAD_TIME_MS - 3_000 * (HEAD - height),
        "witness_address": "41e7860196ae5b46ad2c3ae0a1c78e8e7e3e5f7ad1",
    }
    return {"blockID": block_id(height), "block_header": {"raw_data": raw_data, "witness_signature": "55a2"}}


def newest(height: int) -> Callable[[Any], Any]:
    """The answer of `getblock`: the newest block, or the first one where that is asked for."""
    first = {"blockID": TEST_GENESIS, "block_header": {"raw_data": {"parentHash": 64 * "e"}}}
    return lambda body: first if body.get("id_or_num") == "0" else header(height)


def accounts(known: Mapping[str, Mapping[str, Any]]) -> Callable[[Any], Any]:
    """The answer of `getaccount`: fields of accounts, by address. Others don't exist."""
    by_hex = {to_hex(address): {"address": to_hex(address), **fields} for address, fields in known.items()}
    return lambda body: by_hex.get(body["address"], {})


def simulated(result: str = 64 * "0", energy: int = ENERGY_OF_HOLDER) -> dict[str, Any]:
    """`triggerconstantcontract` of a call that succeeds."""
    return {
        "result": {"result": True},
        "energy_used": energy,
        "constant_result": [result],
        "transaction": {"ret": [{}], "visible": False, "txID": 64 * "a"},
    }


def reverted(returned: str = "") -> dict[str, Any]:
    """`triggerconstantcontract` of a call that fails: `result.result` is true all the same."""
    return {
        "result": {"result": True, "message": b"REVERT opcode executed".hex()},
        "energy_used": 1_234,
        "constant_result": [returned],
        "transaction": {"ret": [{"ret": "FAILED"}], "visible": False},
    }


def refused_simulation(words: str, code: str = "CONTRACT_VALIDATE_ERROR") -> dict[str, Any]:
    """`triggerconstantcontract` that did not take place."""
    return {"result": {"code": code, "message": words.encode().hex()}}


def token(answers: Mapping[str, str], holders: Collection[str] = ()) -> Callable[[Any], Any]:
    """`triggerconstantcontract` of a token. `answers` are what its functions return, in hex, by their selector; it has
    no others but `transfer`, which costs twice as much to an address that is none of the `holders`."""
    words = {to_hex(holder)[2:] for holder in holders}

    def answer(body: Any) -> Any:
        data = body.get("data") or keccak(text=body["function_selector"])[:4].hex() + body["parameter"]
        if data.startswith("a9059cbb"):
            return simulated(energy=ENERGY_OF_HOLDER if data[32:72] in words else ENERGY_OF_EMPTY)
        found = answers.get(data[:8])
        return reverted() if found is None else simulated(found)

    return answer


def accepted(body: Any) -> Any:
    """The answer of `broadcasthex` to bytes that are taken."""
    raw = bytes.fromhex(body["transaction"])
    return {"result": True, "code": "SUCCESS", "message": "", "txid": txid_of(raw)}


def txid_of(raw: bytes) -> str:
    """The id of a signed transaction."""
    from app.networks.tron.messages import CLASSES

    raw_data = CLASSES["Transaction"].FromString(raw).raw_data.SerializeToString()
    return hashlib.sha256(raw_data).hexdigest()


PARAMETERS = {
    "chainParameter": [
        {"key": "getMaintenanceTimeInterval", "value": 21_600_000},
        {"key": "getTransactionFee", "value": 1_000},
        {"key": "getAllowUpdateAccountName"},
        {"key": "getEnergyFee", "value": 100},
        {"key": "getCreateAccountFee", "value": 100_000},
        {"key": "getCreateNewAccountFeeInSystemContract", "value": 1_000_000},
    ]
}


def healthy() -> Script:
    """The answers of a node that works, with nothing in its blocks."""
    return {
        "wallet/getblock": newest(HEAD),
        "walletsolidity/getblock": newest(FINAL),
        "wallet/getchainparameters": PARAMETERS,
        "wallet/getaccountresource": {"TotalEnergyLimit": 180_000_000_000, "TotalEnergyWeight": 19_000_000_000},
        "wallet/broadcasthex": accepted,
    }


class ScriptedNode:
    """A node whose answers are written down. `asked` are the requests, except those for the first block."""

    def __init__(self, tron: ScriptedTron, script: Script) -> None:
        self.script = script
        self.asked: list[tuple[str, Any]] = []
        self._tron = tron
        tron.override = self._answer

    @property
    def url(self) -> str:
        return self._tron.url

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [path for path, _ in self.asked]

    def _answer(self, path: str, body: Any) -> tuple[int, bytes]:
        if body.get("id_or_num") != "0":
            self.asked.append((path, body))
        found = self.script.get(path, {})
        answer = found(body) if callable(found) else found
        if isinstance(answer, ConnectionError):
            raise answer
        return 200, json.dumps(answer).encode()


@asynccontextmanager
async def scripted_node(script: Mapping[str, Any] | None = None) -> AsyncIterator[ScriptedNode]:
    """A running node with the answers of `healthy`, and those of `script` by path. What is in neither is answered with
    `{}`."""
    async with scripted_tron() as tron:
        yield ScriptedNode(tron, {**healthy(), **(script or {})})


DOWN = ConnectionError()
"""In a script: the node hangs up."""
