"""What waits for a block: the transactions of the node's pool that pay us, and what took the place of those that left.

The node lists the ids of all transactions at each look; only new ones are fetched and parsed.
"""

import asyncio
from collections.abc import Mapping, Sequence, Set
from typing import Any

from app.networks.bitcoin import blocks
from app.networks.bitcoin.blocks import Outpoint, ReadTransaction
from app.networks.bitcoin.rpc import BitcoinRpc
from app.networks.bitcoin.wire import (
    NOT_FOUND,
    Hash,
    WireCoin,
    WirePool,
    WirePoolEntry,
    WireSpending,
    satoshi,
)
from app.networks.http_node import AnswerTooLarge
from app.networks.json_rpc import Call
from app.networks.port import ChainMoved, OurAddresses, Pool, PoolTransaction, PoolTransfer

TRANSACTIONS_PER_REQUEST = 1_000
LOOKS = 3
"""Tries to read the pool between two blocks."""

SPENDERS_KEPT = 10_000
"""Outputs whose spender in a block is remembered."""

TIP: Call[str] = Call("getbestblockhash", (), Hash)
POOL: Call[WirePool] = Call("getrawmempool", (False, True), WirePool)


class PoolReader:
    """The pool as one node has it. Keeps what it has read, since a pool's transactions never change."""

    def __init__(self, rpc: BitcoinRpc, asset_symbol: str, hrp: str) -> None:
        self._rpc = rpc
        self._asset_symbol = asset_symbol
        self._hrp = hrp
        self._state: tuple[int | None, int, int, str] | None = None
        self._known: set[str] = set()
        self._to_us: dict[str, PoolTransaction] = {}
        self._spenders: dict[str, str] = {}

    async def look(self, ours: OurAddresses) -> Pool:
        """The transactions to us that are in the pool now. Raises ChainMoved where blocks come too fast."""
        tip, listed = await self._listed()
        state = (self._rpc.chosen, listed.mempool_sequence, len(listed.txids), tip)
        if state != self._state:
            there = set(listed.txids)
            self._known &= there
            self._to_us = {txid: known for txid, known in self._to_us.items() if txid in there}
            new = [txid for txid in listed.txids if txid not in self._known]
            for start in range(0, len(new), TRANSACTIONS_PER_REQUEST):
                await self._read(new[start : start + TRANSACTIONS_PER_REQUEST], ours)
            self._state = state
        return Pool(tip, tuple(self._to_us.values()))

    def watched(self) -> Set[Outpoint]:
        """What the transactions to us spend: a block that spends it has one of them, or another in its place."""
        return {blocks.outpoint(spent) for known in self._to_us.values() for spent in known.spends}

    def spent_in_block(self, spenders: Mapping[str, str]) -> None:
        """Remember which transaction of a block spends each of these outputs."""
        self._spenders |= spenders
        for spent in list(self._spenders)[:-SPENDERS_KEPT]:
            del self._spenders[spent]

    async def replaced(self, spends: Mapping[str, Sequence[str]]) -> dict[str, str | None]:
        """`Chain.replaced`. Without a trace of the other transaction, an output that is neither unspent nor of a
        transaction in the pool counts as spent by one of a block."""
        spent_ones = list(dict.fromkeys(spent for each in spends.values() for spent in each))
        outpoints = [(spent.partition(":")[0], int(spent.partition(":")[2])) for spent in spent_ones]
        (in_pool,) = await self._rpc.ask([_spending_call(outpoints)])
        spenders = {f"{each.txid}:{each.vout}": each.spendingtxid for each in in_pool if each.spendingtxid}
        others = [each for each in outpoints if f"{each[0]}:{each[1]}" not in spenders]
        # With the pool: an output of a transaction of the pool. Without it: one that only the pool spends.
        coins = await self._rpc.ask([_coin_call(*each, pool) for each in others for pool in (True, False)])
        gone = {
            f"{txid}:{index}"
            for (txid, index), with_pool, without in zip(others, coins[::2], coins[1::2], strict=True)
            if with_pool is None and without is None
        }
        found: dict[str, str | None] = {}
        for txid, each in spends.items():
            takers = [spenders.get(spent) or self._spenders.get(spent) for spent in each]
            named = [taker for taker in takers if taker is not None and taker != txid]
            if named or any(spent in gone for spent in each):
                found[txid] = named[0] if named else None
        return found

    async def _listed(self) -> tuple[str, WirePool]:
        """The newest block and the pool's ids, of one moment."""
        for _ in range(LOOKS):
            calls: list[Call[Any]] = [TIP, POOL, TIP]
            before, listed, after = await self._rpc.ask(calls)
            if before == after:
                return before, listed
        raise ChainMoved("blocks came while the pool was read")

    async def _read(self, txids: Sequence[str], ours: OurAddresses) -> None:
        """Fetch transactions, and keep those to us. Those that have left the pool meanwhile are left out."""
        try:
            raws = await self._rpc.ask([_transaction_call(txid) for txid in txids])
        except AnswerTooLarge:
            if len(txids) == 1:
                raise
            middle = len(txids) // 2
            await self._read(txids[:middle], ours)
            await self._read(txids[middle:], ours)
            return
        there = {txid: raw for txid, raw in zip(txids, raws, strict=True) if raw is not None}
        read = [each for each in await asyncio.to_thread(_parsed, there, self._hrp) if each.payments]
        known = await ours({payment.address for each in read for payment in each.payments}) if read else frozenset()
        to_us = {each.txid: each for each in read if any(payment.address in known for payment in each.payments)}
        entries = await self._rpc.ask([_entry_call(txid) for txid in to_us]) if to_us else []
        for each, entry in zip(to_us.values(), entries, strict=True):
            if entry is not None:
                self._to_us[each.txid] = self._transaction(each, entry, known)
            else:
                there.pop(each.txid)
        self._known.update(there)

    def _transaction(self, read: ReadTransaction, entry: WirePoolEntry, known: Set[str]) -> PoolTransaction:
        transfers = tuple(
            PoolTransfer(payment.index, self._asset_symbol, payment.address, payment.amount_raw)
            for payment in read.payments
            if payment.address in known
        )
        fee_rate_raw = satoshi(entry.fees.base) * 1_000 // entry.vsize
        # Whatever a transaction signals, nodes accept another in its place if that pays enough ("full RBF").
        return PoolTransaction(read.txid, transfers, tuple(read.spends), fee_rate_raw, is_replaceable=True)


def _parsed(raws: Mapping[str, str], hrp: str) -> list[ReadTransaction]:
    return [blocks.read_transaction(raw, txid, hrp) for txid, raw in raws.items()]


def _transaction_call(txid: str) -> Call[str | None]:
    return Call("getrawtransaction", (txid, False), str, frozenset({NOT_FOUND}))


def _entry_call(txid: str) -> Call[WirePoolEntry | None]:
    return Call("getmempoolentry", (txid,), WirePoolEntry, frozenset({NOT_FOUND}))


def _spending_call(outpoints: Sequence[tuple[str, int]]) -> Call[list[WireSpending]]:
    listed = [{"txid": txid, "vout": index} for txid, index in outpoints]
    return Call("gettxspendingprevout", (listed,), list[WireSpending])


def _coin_call(txid: str, index: int, pool: bool) -> Call[WireCoin | None]:
    return Call("gettxout", (txid, index, pool), WireCoin | None)
