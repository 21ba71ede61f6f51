"""A Tron node that tells a chain from a script, and may answer anything instead.

The sandbox's node is honest: it can't be made to answer nonsense, to leave out one info, or to serve a thousand full
blocks at once. This one is for that. The shapes of its answers are those of java-tron's public documentation of its
HTTP API; it executes nothing, and signatures are not there.
"""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.core import clock
from app.networks.tron.addresses import to_hex, to_log
from app.networks.tron.blocks import TRANSFER_TOPIC
from tests.factories.tron import TEST_GENESIS, USDT

BLOCK_MS = 3_000
FINAL_BEHIND = 18
EMPTY = b"{}"

Answer = tuple[int, bytes] | None
Override = Callable[[str, Any], Answer]


@dataclass
class Done:
    """A transaction, with the info that it has once it is in a block."""

    transaction: dict[str, Any]
    info: dict[str, Any]


@dataclass
class ScriptedBlock:
    """A block with its transactions."""

    header: dict[str, Any]
    block_id: str
    done: list[Done]

    def json(self) -> dict[str, Any]:
        """As a node answers it: an empty block has no transactions."""
        whole = {"blockID": self.block_id, "block_header": {"raw_data": self.header, "witness_signature": "55"}}
        return {**whole, "transactions": [each.transaction for each in self.done]} if self.done else whole


@dataclass
class ScriptedTron:
    """The chain and its node. `override` may answer a question itself, given its path and body."""

    blocks: list[ScriptedBlock] = field(default_factory=list)
    balances: dict[tuple[str, str], int] = field(default_factory=dict)
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    final_behind: int = FINAL_BEHIND
    override: Override | None = None
    requests: Counter[str] = field(default_factory=Counter)
    headers: list[str] = field(default_factory=list)
    address: str = ""
    made: int = 0

    def __post_init__(self) -> None:
        now_ms = int(clock.unshifted_now().timestamp() * 1000)
        if not self.blocks:
            header = {"parentHash": "0" * 64, "timestamp": now_ms - BLOCK_MS * 1_000}
            self.blocks.append(ScriptedBlock(header, TEST_GENESIS, []))

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def head(self) -> int:
        return len(self.blocks) - 1

    @property
    def final(self) -> int:
        return max(0, self.head - self.final_behind)

    def add(self, *done: Done, salt: str = "", at_ms: int | None = None) -> ScriptedBlock:
        """Append a block, by default with the present time."""
        height = len(self.blocks)
        time_ms = int(clock.unshifted_now().timestamp() * 1000) if at_ms is None else at_ms
        parent = self.blocks[-1].block_id
        header = {"number": height, "parentHash": parent, "timestamp": time_ms, "witness_address": "41" + "e7" * 20}
        seed = f"{parent}{salt}{[each.transaction['txID'] for each in done]}".encode()
        block = ScriptedBlock(header, f"{height:016x}{hashlib.sha256(seed).hexdigest()[16:]}", list(done))
        for each in done:
            each.info.update(blockNumber=height, blockTimeStamp=time_ms)
        self.blocks.append(block)
        return block

    def extend(self, count: int) -> None:
        """Append empty blocks."""
        for _ in range(count):
            self.add()

    def fork(self, from_height: int, salt: str) -> None:
        """Replace the blocks from a height on by as many empty ones of another branch."""
        count = len(self.blocks) - from_height
        del self.blocks[from_height:]
        for _ in range(count):
            self.add(salt=salt)

    # What a transaction may be.

    def coin(self, owner: str, to: str, sun: int, *, fee: int = 267_000, ret: str = "SUCCESS") -> Done:
        """A transfer of TRX."""
        value = {"amount": sun, "owner_address": to_hex(owner), "to_address": to_hex(to)}
        if not sun:
            del value["amount"]
        return self._done("TransferContract", value, ret, {"fee": fee, "receipt": {"net_fee": fee}})

    def call(
        self,
        owner: str,
        *,
        contract: str = USDT,
        logs: tuple[dict[str, Any], ...] = (),
        inner: tuple[dict[str, Any], ...] = (),
        call_value: int = 0,
        result: str = "SUCCESS",
        fee: int = 6_500_000,
        data: str = "a9059cbb",
    ) -> Done:
        """A call of a contract. What failed has no logs, as in a node."""
        value = {"data": data, "owner_address": to_hex(owner), "contract_address": to_hex(contract)}
        if call_value:
            value["call_value"] = call_value  # type: ignore[assignment]
        info: dict[str, Any] = {
            "fee": fee,
            "contract_address": to_hex(contract),
            "contractResult": ["0" * 64],
            "receipt": {"energy_fee": fee, "result": result},
        }
        if logs:
            info["log"] = list(logs)
        if inner:
            info["internal_transactions"] = list(inner)
        if result != "SUCCESS":
            info |= {"result": "FAILED", "resMessage": "524556455254"}
        return self._done("TriggerSmartContract", value, result, info)

    def pays(self, owner: str, to: str, raw: int, *, contract: str = USDT, **changes: Any) -> Done:
        """A call of a token's transfer."""
        log = transfer_log(owner, to, raw, contract=contract)
        return self.call(owner, contract=contract, logs=(log,), **changes)

    def permission_change(self, owner: str) -> Done:
        """Other keys for an account."""
        value = {"owner_address": to_hex(owner), "owner": {"threshold": 1}}
        return self._done("AccountPermissionUpdateContract", value, "SUCCESS", {"fee": 100_000_000})

    def other(self, kind: str, owner: str, info: Mapping[str, Any] | None = None, **value: Any) -> Done:
        """Any other action."""
        return self._done(kind, {"owner_address": to_hex(owner), **value}, "SUCCESS", dict(info or {}))

    def _done(self, kind: str, value: dict[str, Any], ret: str, info: dict[str, Any]) -> Done:
        self.made += 1
        txid = hashlib.sha256(f"{self.made}{value}".encode()).hexdigest()
        transaction = {
            "ret": [{"contractRet": ret}],
            "signature": ["21" * 65],
            "txID": txid,
            "raw_data": {
                "contract": [
                    {"parameter": {"value": value, "type_url": f"type.googleapis.com/protocol.{kind}"}, "type": kind}
                ],
                "ref_block_bytes": "1c8b",
                "ref_block_hash": "d787" * 4,
                "expiration": 1_777_437_813_000,
                "timestamp": 1_777_437_756_016,
            },
            "raw_data_hex": "0a02" * 60,
        }
        return Done(transaction, {"id": txid, "contractResult": [""], "receipt": {}, **info})

    # The node.

    def answer(self, path: str, body: Any) -> tuple[int, bytes]:
        """The answer to a question."""
        self.requests[path] += 1
        if self.override is not None and (answer := self.override(path, body)) is not None:
            return answer
        root, _, name = path.partition("/")
        head = self.final if root == "walletsolidity" else self.head
        return 200, json.dumps(self._answer(name, body, head)).encode()

    def _answer(self, name: str, body: Any, head: int) -> Any:
        match name:
            case "getnowblock":
                return self.blocks[head].json()
            case "getblock":
                height = int(body.get("id_or_num", head))
                return (
                    {k: v for k, v in self.blocks[height].json().items() if k != "transactions"}
                    if height <= head
                    else {}
                )
            case "getblockbynum":
                return self.blocks[body["num"]].json() if body["num"] <= head else {}
            case "getblockbylimitnext":
                first, end = body["startNum"], body["endNum"]
                if not 0 < end - first <= 100:
                    return {}
                return {"block": [block.json() for block in self.blocks[first : min(end, head + 1)]]}
            case "gettransactioninfobyblocknum":
                return [each.info for each in self.blocks[body["num"]].done] if body["num"] <= head else []
            case "gettransactioninfobyid" | "gettransactionbyid":
                for block in self.blocks[: head + 1]:
                    for each in block.done:
                        if each.transaction["txID"] == body["value"]:
                            return each.info if name == "gettransactioninfobyid" else each.transaction
                return {}
            case "getaccount":
                return self.accounts.get(body["address"], {})
            case "triggerconstantcontract":
                raw = self.balances.get((body["contract_address"], body["parameter"][-40:]), 0)
                return {"result": {"result": True}, "energy_used": 935, "constant_result": [f"{raw:064x}"]}
        return {"Error": f"class org.tron.core.exception.NoSuchMethod : {name}"}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = head.split("\r\n")
                length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-le"))
                body = await reader.readexactly(length)
                self.headers.append(head)
                status, answer = self.answer(lines[0].split(" ")[1].lstrip("/"), json.loads(body))
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(answer)) + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def scripted_tron(tron: ScriptedTron | None = None) -> AsyncIterator[ScriptedTron]:
    """A running `ScriptedTron`, on loopback."""
    tron = tron or ScriptedTron()
    server = await asyncio.start_server(tron.serve, "127.0.0.1", 0)
    tron.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield tron
    finally:
        server.close()


def transfer_log(sender: str, to: str, raw: int, *, contract: str = USDT) -> dict[str, Any]:
    """A Transfer event, as a node writes it."""
    topics = [TRANSFER_TOPIC, to_log(sender).rjust(64, "0"), to_log(to).rjust(64, "0")]
    return {"address": to_log(contract), "topics": topics, "data": f"{raw:064x}"}


def event_log(topic: str, *words: str, data: str = "", contract: str = USDT) -> dict[str, Any]:
    """Any event, with indexed words and data."""
    log = {"address": to_log(contract), "topics": [topic, *words]}
    return {**log, "data": data} if data else log


def inner_call(caller: str, to: str, *values: dict[str, Any], rejected: bool = False) -> dict[str, Any]:
    """An internal transaction."""
    call: dict[str, Any] = {
        "hash": "61" * 32,
        "caller_address": to_hex(caller),
        "transferTo_address": to_hex(to),
        "callValueInfo": list(values) or [{}],
        "note": "63616c6c",
    }
    return {**call, "rejected": True} if rejected else call
