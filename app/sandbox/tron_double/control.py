"""`/double/…`: what only the owner of a chain can do, for tests and the sandbox. POST, with JSON; loopback only.

    mine         {"blocks": 1, "interval_ms": null, "empty": false}: make blocks, the first with what is in the pool
    clock        {"next_ms": …}: the time of the next block, in ms since 1970; never before the newest block's
    automine     {"every_ms": 1000}: make a block each time so much has passed; null stops it
    fork         {"depth": 2, "keep": null, "empty": false}: replace the newest blocks by one more than that; their
                 transactions return to the pool, or those of `keep` alone
    drop         empty the pool
    node         {"name": "", …}: the faults of a node from now on (`node.py` lists them), in place of earlier ones
    fund         {"address": …, "sun": …}: an account holds so much from now on; other fields of `accounts.py` too
    parameters   {"set": {"getEnergyFee": 210}, "penalties": {"41…": 34000}, "free_bandwidth_is_used_up": false}
    deploy       {"owner": …, "bytecode": …, "name": …, "abi": […]}: a contract past the API, in a new block
    internal     {"txid": …, "entry": {…}}: one more inner call in a receipt, such as of a TRC-10
    snapshot     remember the chain; {"id": …}.  revert {"id": …}: go back to it, nodes without faults
    state        heights, pool, and what each node was asked for

Addresses are taken in hex and as base58check.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from app.sandbox.tron_double.accounts import Account
from app.sandbox.tron_double.addresses import from_text
from app.sandbox.tron_double.chain import Chain
from app.sandbox.tron_double.node import Faults, Node
from app.sandbox.tron_double.state import Block

Json = dict[str, Any]


class _Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class _Mine(_Input):
    blocks: int = 1
    interval_ms: int | None = None
    empty: bool = False


class _Clock(_Input):
    next_ms: int


class _Automine(_Input):
    every_ms: int | None


class _Fork(_Input):
    depth: int
    keep: list[str] | None = None
    empty: bool = False


class _Fund(_Input):
    address: str
    sun: int | None = None
    fields: Json = {}


class _Parameters(_Input):
    set: dict[str, int] = {}
    penalties: dict[str, int] = {}
    free_bandwidth_is_used_up: bool | None = None


class _Deploy(_Input):
    owner: str
    bytecode: str
    name: str = ""
    abi: list[Json] = []


class _Internal(_Input):
    txid: str
    entry: Json


class _Id(_Input):
    id: str


class _Nothing(_Input):
    pass


class Control:
    """The control of a chain and its nodes, by their names. `automine` is called with the time between blocks."""

    def __init__(self, chain: Chain, nodes: dict[str, Node], automine: Callable[[int | None], None]) -> None:
        self.chain = chain
        self.nodes = nodes
        self._automine = automine

    async def act(self, name: str, body: bytes) -> Json:
        """Do what a request asks. Raises ValueError, msgspec.MsgspecError, KeyError for one that makes no sense."""
        act: Callable[[bytes], Awaitable[Json]] | None = getattr(self, f"_do_{name}", None)
        if act is None:
            raise ValueError(f"there is no /double/{name}")
        return await act(body or b"{}")

    async def _do_mine(self, body: bytes) -> Json:
        asked = msgspec.json.decode(body, type=_Mine)
        return _head(await self.chain.mine(asked.blocks, interval_ms=asked.interval_ms, empty=asked.empty))

    async def _do_clock(self, body: bytes) -> Json:
        self.chain.next_time_ms = msgspec.json.decode(body, type=_Clock).next_ms
        return {}

    async def _do_automine(self, body: bytes) -> Json:
        self._automine(msgspec.json.decode(body, type=_Automine).every_ms)
        return {}

    async def _do_fork(self, body: bytes) -> Json:
        asked = msgspec.json.decode(body, type=_Fork)
        return _head(await self.chain.fork(asked.depth, keep=asked.keep, empty=asked.empty))

    async def _do_drop(self, body: bytes) -> Json:
        self.chain.drop_pool()
        return {}

    async def _do_node(self, body: bytes) -> Json:
        given = msgspec.json.decode(body)
        node = self.nodes.setdefault(name := given.pop("name", ""), Node(name))
        node.faults = msgspec.convert(given, Faults)
        return {}

    async def _do_fund(self, body: bytes) -> Json:
        asked = msgspec.json.decode(body, type=_Fund)
        fields = asked.fields if asked.sun is None else asked.fields | {"balance_sun": asked.sun}
        wanted = msgspec.convert({"created_ms": 0, **fields}, Account)
        self.chain.change(from_text(asked.address), **{name: getattr(wanted, name) for name in fields})
        return {}

    async def _do_parameters(self, body: bytes) -> Json:
        asked, state = msgspec.json.decode(body, type=_Parameters), self.chain.state
        state.parameters.update(asked.set)
        state.penalties.update({from_text(contract): penalty for contract, penalty in asked.penalties.items()})
        if asked.free_bandwidth_is_used_up is not None:
            state.free_bandwidth_is_used_up = asked.free_bandwidth_is_used_up
        return {}

    async def _do_deploy(self, body: bytes) -> Json:
        asked = msgspec.json.decode(body, type=_Deploy)
        return {"address": await self.chain.deploy(from_text(asked.owner), asked.bytecode, asked.name, asked.abi)}

    async def _do_internal(self, body: bytes) -> Json:
        asked = msgspec.json.decode(body, type=_Internal)
        info = self.chain.state.infos[asked.txid]
        inner = [*info.get("internal_transactions", []), asked.entry]
        self.chain.state.infos[asked.txid] = info | {"internal_transactions": inner}
        return {}

    async def _do_snapshot(self, body: bytes) -> Json:
        return {"id": await self.chain.snapshot()}

    async def _do_revert(self, body: bytes) -> Json:
        await self.chain.revert(msgspec.json.decode(body, type=_Id).id)
        self.nodes.clear()
        return {}

    async def _do_state(self, body: bytes) -> Json:
        msgspec.json.decode(body, type=_Nothing)
        state = self.chain.state
        return _head(state.head) | {
            "solid": state.solid,
            "pool": list(state.pool),
            "slot_ms": self.chain.slot_ms,
            "genesis_id": state.blocks[0].id,
            "requests": {node.name: node.requests for node in self.nodes.values()},
        }


def _head(block: Block) -> Json:
    return {"number": block.number, "id": block.id, "time_ms": block.time_ms}
