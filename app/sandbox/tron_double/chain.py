"""The double's chain at work: takes transactions into the pool, makes blocks of them, forks, keeps itself in a file."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

import msgspec
from msgspec.structs import replace

from app.sandbox.tron_double import actuators, calls, rules
from app.sandbox.tron_double.accounts import Account
from app.sandbox.tron_double.actuators import Draft
from app.sandbox.tron_double.evm import Evm
from app.sandbox.tron_double.rules import Refused
from app.sandbox.tron_double.state import SOLID_BEHIND, Block, State, Transaction

Json = dict[str, Any]

FIRST_BLOCKS = SOLID_BEHIND + 2
"""A new chain begins with so many blocks, so that it has a solid one to refer to."""


class _Saved(msgspec.Struct):
    state: State
    evm: str


class Chain:
    """One chain. `slot_ms` is the time between blocks; a block is later where none was made in time."""

    def __init__(self, state: State, evm: Evm, slot_ms: int) -> None:
        self.state = state
        self.evm = evm
        self.slot_ms = slot_ms
        self.next_time_ms: int | None = None
        self.lock = asyncio.Lock()
        self._pending: dict[str, Account] = {}
        self._snapshots: dict[str, State] = {}
        self._lowest_evm_height: dict[str, int] = {}

    async def begin(self) -> None:
        """Make the first blocks. The last of them is some slots old: what makes the next ones can choose their time."""
        self.next_time_ms = _now_ms() - 2 * FIRST_BLOCKS * self.slot_ms
        await self.mine(FIRST_BLOCKS)

    def accept(self, tx: Transaction) -> None:
        """Take a transaction into the pool. Raises Refused."""
        check_form(tx)
        rules.check_time_and_place(self.state, tx, self.slot_ms)
        rules.check_signatures(self.state, tx)
        draft = Draft(self.state, self._with_pool, self.state.head.time_ms)
        actuators.apply(draft, tx)
        self._pending.update(draft.changes)
        self.state.pool[tx.txid] = tx

    async def mine(self, count: int = 1, *, interval_ms: int | None = None, empty: bool = False) -> Block:
        """Make blocks, the first with what is in the pool, unless `empty`; `interval_ms` apart, a slot where left
        out. The first one is not older than the newest slot. Returns the newest."""
        async with self.lock:
            self._catch_up()
            for _ in range(count):
                await self._mine(interval_ms or self.slot_ms, empty=empty)
            return self.state.head

    async def fork(self, depth: int, *, keep: Collection[str] | None, empty: bool) -> Block:
        """Replace the newest `depth` blocks by one more than that. Returns the newest.

        Their transactions return to the pool, all of them or those of `keep`, and are in the first new block unless
        `empty`. What the control has changed in those blocks is taken back too. Raises ValueError for solid blocks.
        """
        async with self.lock:
            if not 0 < depth <= self.state.head.number - self.state.solid:
                raise ValueError("solid blocks can't be replaced")
            first_ms = self.state.blocks[-depth].time_ms
            removed: list[Transaction] = []
            for _ in range(depth):
                removed = [*self.state.remove_newest(), *removed]
            await self._roll_evm_back(self.state.head.evm_height)
            self.state.forks += 1
            kept = [tx for tx in removed if keep is None or tx.txid in keep]
            self.state.pool = {tx.txid: tx for tx in [*kept, *self.state.pool.values()]}
            self.next_time_ms = first_ms
            for _ in range(depth + 1):
                await self._mine(self.slot_ms, empty=empty)
            return self.state.head

    async def deploy(self, owner: str, bytecode: str, name: str, abi: list[Json]) -> str:
        """Deploy a contract past the API, and mine a block. Returns its address."""
        async with self.lock:
            address = await self.evm.deploy(owner, bytecode)
            self.state.contracts[address] = {
                "origin_address": owner,
                "name": name,
                "abi": abi,
                "number": self.state.head.number + 1,
            }
            self.state.set(address, Account(created_ms=self.state.head.time_ms, is_contract=True))
            self._catch_up()
            await self._mine(self.slot_ms, empty=True, evm_changed=True)
            return address

    def change(self, address: str, **fields: Any) -> None:
        """Change an account by control; one that was never activated is. It belongs to the next block."""
        account = self.state.account(address) or Account(created_ms=self.state.head.time_ms)
        self.state.set(address, replace(account, **fields))
        self._pending.clear()

    def forget(self, txid: str) -> None:
        """Lose a transaction of the pool, silently."""
        self.state.pool.pop(txid, None)

    def drop_pool(self) -> None:
        """Forget every transaction that is in no block."""
        self.state.pool.clear()
        self._pending.clear()

    async def snapshot(self) -> str:
        """Remember the chain as it is. Returns the snapshot's id."""
        async with self.lock:
            snapshot = str(len(self._snapshots))
            self._snapshots[snapshot] = self.state.copy()
            self._lowest_evm_height[snapshot] = self.state.head.evm_height
            return snapshot

    async def revert(self, snapshot: str) -> None:
        """Go back to a snapshot; later ones are used up. Raises KeyError, ValueError where a fork has gone below it."""
        async with self.lock:
            now, then = self.state, self._snapshots[snapshot]
            if self._lowest_evm_height[snapshot] < then.head.evm_height:
                raise ValueError("a fork has removed what the snapshot was made of")
            await self._roll_evm_back(then.head.evm_height)
            self._snapshots = {name: kept for name, kept in self._snapshots.items() if int(name) <= int(snapshot)}
            self.state, self.next_time_ms = then.copy(), None
            told = now.accounts.keys() | then.accounts.keys()
            self.state.stale |= {address for address in told if _held(now, address) != _held(then, address)}
            self.state.stale |= now.stale
            self._pending.clear()

    async def saved(self) -> bytes:
        """The chain as it is, for `load`."""
        async with self.lock:
            return msgspec.json.encode(_Saved(self.state, await self.evm.call("anvil_dumpState")))

    async def load(self, content: bytes) -> None:
        """Continue with a saved chain. Raises msgspec.MsgspecError.

        anvil has no states of before the load, so as many blocks follow at once as are needed to make it solid.
        """
        saved = msgspec.json.decode(content, type=_Saved)
        await self.evm.call("anvil_loadState", saved.evm)
        self.state = saved.state
        height = await self.evm.height()
        for block in self.state.blocks[-SOLID_BEHIND - 1 :]:
            block.evm_height = height
        self.next_time_ms = max(self.state.head.time_ms + self.slot_ms, _now_ms() - SOLID_BEHIND * self.slot_ms)
        await self.mine(SOLID_BEHIND, empty=True)

    async def _roll_evm_back(self, height: int) -> None:
        await self.evm.roll_back(height)
        for snapshot, lowest in self._lowest_evm_height.items():
            self._lowest_evm_height[snapshot] = min(lowest, height)

    def _with_pool(self, address: str) -> Account | None:
        return self._pending.get(address) or self.state.account(address)

    def _catch_up(self) -> None:
        """Let the next block be in the newest slot that is not in the future, unless its time is set."""
        if self.next_time_ms is None:
            slots = max((_now_ms() - self.state.head.time_ms) // self.slot_ms, 0)
            self.next_time_ms = self.state.head.time_ms + slots * self.slot_ms

    async def _mine(self, interval_ms: int, *, empty: bool, evm_changed: bool = False) -> None:
        state, head = self.state, self.state.head
        time_ms = max(head.time_ms + interval_ms, self.next_time_ms or 0)
        self.next_time_ms = None
        infos: dict[str, Json] = {}
        waiting = {} if empty else state.pool
        if waiting:
            state.pool = {}
            for tx in waiting.values():
                if (info := await self._apply(tx, time_ms)) is not None:
                    infos[tx.txid] = info
                    state.transactions[tx.txid] = tx
                    evm_changed = evm_changed or tx.kind == "TriggerSmartContract"
        height = await self.evm.height() if evm_changed else head.evm_height
        state.append(time_ms, tuple(infos), infos, height)
        if waiting:
            self._pending.clear()

    async def _apply(self, tx: Transaction, time_ms: int) -> Json | None:
        """Apply a transaction to the chain; its receipt, or None where it falls out."""
        draft = Draft(self.state, self.state.account, time_ms)
        try:
            rules.check_reference(self.state, tx)
            rules.check_expiration(self.state, tx)
            rules.check_signatures(self.state, tx)
            bill = actuators.apply(draft, tx)
        except Refused:
            return None
        told: Json = {"contractResult": [""], "receipt": {}}
        if tx.kind == "TriggerSmartContract":
            told = await calls.make(draft, self.evm, tx, bill)
        for address, account in draft.changes.items():
            self.state.set(address, account)
        receipt = {"net_usage": bill.net_usage, "net_fee": bill.net_fee, **told.pop("receipt")}
        info = {
            "id": tx.txid,
            "fee": bill.fee,
            "blockNumber": self.state.head.number + 1,
            "blockTimeStamp": time_ms,
            **told,
            **bill.extra,
            "receipt": {name: entry for name, entry in receipt.items() if entry},
        }
        return {name: entry for name, entry in info.items() if entry or name == "receipt"}


def check_form(tx: Transaction) -> None:
    """Refuse what is no transaction of a kind that is modelled. Raises Refused."""
    try:
        known = len(tx.content.get("contract", [])) == 1 and tx.value.get("owner_address")
    except (ValueError, KeyError) as error:
        raise Refused("OTHER_ERROR", f"Other error: {error}") from None
    if not known:
        raise Refused("CONTRACT_VALIDATE_ERROR", "Contract validate error : contract size is not one")


def _held(state: State, address: str) -> int:
    account = state.account(address)
    return 0 if account is None else account.balance_sun


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
