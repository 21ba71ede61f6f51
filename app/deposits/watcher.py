"""Watching one network: every block once, in order, without a gap; deposits, confirmations and expiry follow.

What has been scanned is a chain of `scanned_blocks`, each the child of the one below. A batch of blocks, its
deposits, and the step of the cursor are one transaction, so a crash at any point repeats or has done the whole
batch. Where going on could mean to miss a payment, the watcher halts, says why, and tries the same again.
"""

import asyncio
from collections.abc import Collection, Sequence, Set
from datetime import datetime, timedelta
from typing import Protocol

from app.alerts.service import raise_alert
from app.core import clock, database
from app.core.advisory_lock import LockKey, work_in_turn
from app.core.database import Row
from app.core.logging import get_logger
from app.deposits import coverage
from app.deposits import queries as deposits
from app.deposits.payments import PaymentService
from app.deposits.reversals import ReversalService
from app.deposits.service import DepositService
from app.invoices import service as invoices
from app.invoices.service import InvoiceService
from app.networks.config import NetworkConfig
from app.networks.port import (
    BlockRef,
    Chain,
    ChainMoved,
    NodeUnavailable,
    Transfer,
    UnreadableAnswer,
    WrongChain,
)

log = get_logger(__name__)

LOCK_SPACE = 7_226_003
"""First key of the advisory lock that makes one watcher of a network; the second is the network's hash."""

RETRY_S = 1.0
"""The pause after a node did not answer or the watcher halted."""

FORK_SEARCH_LIMIT = 10_000
"""Blocks to walk back in search of a fork before giving up: no chain reorganises that deep."""


class Halted(Exception):
    """The watcher can't go on without risking to miss something; the message is shown to operators."""


class HotWallet(Protocol):
    """What the watcher asks of the side that sends (signer/treasury.py)."""

    @property
    def address(self) -> str | None:
        """The hot wallet's address, if the network has one."""

    async def own_moves(self, transfers: Collection[Transfer]) -> Set[tuple[str, str, str]]:
        """Which of these only move our money between our addresses, as (txid, recipient, asset)."""

    async def record(self, transfers: Sequence[Transfer], now: datetime) -> None:
        """Remember transfers to the hot wallet, in the watcher's transaction."""

    async def unsee(self, above_height: int, now: datetime) -> None:
        """Take back what was in dead blocks, in the watcher's transaction."""

    async def settle(self, scanned_height: int, now: datetime) -> None:
        """Book what has enough confirmations."""


class BalanceCheck(Protocol):
    """Finds native coins that came in unseen, where the node can't tell of them (signer/balance_check.py)."""

    async def look(self, scanned_height: int, now: datetime) -> Sequence[Transfer]:
        """What addresses hold beyond what was seen, now and then."""


class Watcher:
    """Watches one network. Any number may run: the holder of the advisory lock works, the others stand by."""

    def __init__(
        self,
        network: NetworkConfig,
        chain: Chain,
        deposit_service: DepositService,
        payments: PaymentService,
        reversals: ReversalService,
        invoice_service: InvoiceService,
        hot_wallet: HotWallet,
        balance_check: BalanceCheck,
    ) -> None:
        self._network = network
        self._chain = chain
        self._deposits = deposit_service
        self._payments = payments
        self._reversals = reversals
        self._invoices = invoice_service
        self._hot_wallet = hot_wallet
        self._balance_check = balance_check

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set. Survives nodes and databases that go away."""
        await work_in_turn(LockKey(LOCK_SPACE, self._network.key), self._tick_then_pause_s, stop)

    async def tick(self) -> None:
        """Look once: scan what is new, settle, expire. Raises Halted, NodeUnavailable, ChainMoved."""
        checked_at = clock.now()
        head_height = await self._head_height()
        cursor = await self._cursor(head_height, checked_at)
        touched: set[str] = set()
        scanned = cursor["scanned_height"]
        if await self._was_reorganised(min(scanned, head_height)):
            scanned, unseen = await self._walk_back(scanned, head_height)
            touched |= unseen
        while scanned < head_height:
            last = min(scanned + self._network.batch_blocks, head_height)
            touched |= await self._scan(scanned + 1, last, head_height)
            scanned = last
        now = clock.now()
        await coverage.advance(self._network.key)
        await self._remember_check(head_height, checked_at)
        touched |= await self._record_unseen(scanned, now)
        await self._hot_wallet.settle(scanned, now)
        touched |= await self._deposits.settle(self._network.key, scanned, self._network.confirmations, now)
        if head_height != cursor["head_height"]:
            touched |= await _waiting_for_confirmations(self._network.key)
        covered_until = checked_at - timedelta(seconds=self._network.expiry_grace_s)
        touched |= await self._payments.end(self._network.key, covered_until, now)
        await invoices.announce(*touched)
        await self._invoices.expire_due(self._network.key, covered_until, now)

    async def _tick_then_pause_s(self) -> float:
        """Tick, and say where that did not work; the pause until the next one, in seconds."""
        try:
            await self.tick()
        except NodeUnavailable as error:
            log.warning("node_unavailable", network=self._network.key, error=str(error))
            return RETRY_S
        except ChainMoved as error:
            log.info("chain_moved", network=self._network.key, error=str(error))
        except (Halted, WrongChain, UnreadableAnswer) as error:
            await self._halt(str(error))
            return RETRY_S
        return self._network.poll_interval_ms / 1000

    async def _head_height(self) -> int:
        await self._chain.check_identity()
        return await self._chain.head_height()

    async def _cursor(self, head_height: int, now: datetime) -> Row:
        """The network's cursor; at the very first start scanning begins at the configured height or the head."""
        start_height = self._network.start_height if self._network.start_height is not None else head_height
        await database.execute(
            """
            INSERT INTO network_cursors
                (network, chain_id, start_height, scanned_height, head_height, covered_until, checked_at)
            VALUES ($1, $2, $3::bigint, $3::bigint - 1, $4, to_timestamp(0), $5)
            ON CONFLICT (network) DO NOTHING
            """,
            self._network.key,
            self._network.chain_id,
            start_height,
            head_height,
            now,
        )
        row = await database.fetch_one(
            "SELECT chain_id, start_height, scanned_height, head_height FROM network_cursors WHERE network = $1",
            self._network.key,
        )
        assert row is not None
        if row["chain_id"] != self._network.chain_id:
            raise Halted(f"chain id {self._network.chain_id} is configured, the books are of {row['chain_id']}")
        return row

    async def _was_reorganised(self, height: int) -> bool:
        """Whether a block that was scanned is no longer on the chain.

        A node whose head is below our cursor but on our chain lags behind: nothing is taken back for that.
        """
        known = await _scanned_block(self._network.key, height)
        if known is None:
            return False  # nothing scanned yet
        current = await self._chain.block_ref(height)
        return current is None or current.hash != known["hash"]

    async def _walk_back(self, scanned: int, head_height: int) -> tuple[int, set[str]]:
        """Find the fork and take back what was seen above it; the fork's height and the invoices touched."""
        fork = min(scanned, head_height)
        while (known := await _scanned_block(self._network.key, fork)) is not None:
            if scanned - fork > FORK_SEARCH_LIMIT:
                raise Halted(f"no common block within {FORK_SEARCH_LIMIT} below {scanned}: another chain?")
            current = await self._chain.block_ref(fork)
            if current is not None and current.hash == known["hash"]:
                break
            fork -= 1
        else:
            if fork >= 0:
                raise Halted(f"none of the scanned blocks up to {scanned} is on the node's chain: another chain?")
        now = clock.now()
        async with database.transaction():
            touched = await self._reversals.unsee(self._network.key, fork, now)
            await self._hot_wallet.unsee(fork, now)
            await database.execute(
                "DELETE FROM scanned_blocks WHERE network = $1 AND height > $2", self._network.key, fork
            )
            await _move_cursor(self._network.key, scanned, fork, head_height)
        log.warning("chain_reorganised", network=self._network.key, fork=fork, depth=scanned - fork)
        return fork, touched

    async def _scan(self, first: int, last: int, head_height: int) -> set[str]:
        """Read blocks `first` to `last`, store them and their deposits; the ids of invoices touched."""
        blocks = await self._chain.blocks(first, last, self._ours)
        refs = [block.ref for block in blocks]
        below = await _scanned_block(self._network.key, first - 1)
        _check_contiguous(first, last, refs, below["hash"] if below is not None else None)
        transfers = [transfer for block in blocks for transfer in block.transfers]
        now = clock.now()
        async with database.transaction():
            await _move_cursor(self._network.key, first - 1, last, head_height)
            await _store_blocks(self._network.key, refs)
            return await self._record(transfers, now) if transfers else set()

    async def _ours(self, addresses: Collection[str]) -> Set[str]:
        hot = {self._hot_wallet.address} & set(addresses)
        return {address for address in hot if address} | await deposits.ours(self._network.key, addresses)

    async def _record(self, transfers: Sequence[Transfer], now: datetime) -> set[str]:
        """Transfers to the hot wallet are top-ups, the others deposits; what we moved ourselves is neither."""
        own = await self._hot_wallet.own_moves(transfers)
        came = [t for t in transfers if (t.txid, t.to_address, t.asset_symbol) not in own]
        await self._hot_wallet.record([t for t in came if t.to_address == self._hot_wallet.address], now)
        to_customers = [t for t in came if t.to_address != self._hot_wallet.address]
        return await self._deposits.record(self._network.key, to_customers, now) if to_customers else set()

    async def _record_unseen(self, scanned: int, now: datetime) -> set[str]:
        if not (unseen := await self._balance_check.look(scanned, now)):
            return set()
        async with database.transaction():
            return await self._record(unseen, now)

    async def _remember_check(self, head_height: int, checked_at: datetime) -> None:
        """All blocks that the node had at `checked_at` are scanned."""
        await database.execute(
            """
            UPDATE network_cursors SET head_height = $2, covered_until = $3, checked_at = $3, halted_reason = NULL
            WHERE network = $1
            """,
            self._network.key,
            head_height,
            checked_at,
        )

    async def _halt(self, reason: str) -> None:
        """Say why, once for each reason; the watchdog repeats the alert for as long as it stays so."""
        log.critical("watcher_halted", network=self._network.key, reason=reason)
        async with database.transaction():
            is_new = await database.execute(
                """
                UPDATE network_cursors SET halted_reason = $2
                WHERE network = $1 AND halted_reason IS DISTINCT FROM $2
                """,
                self._network.key,
                reason,
            )
            if is_new:
                await raise_alert(
                    severity="critical",
                    kind="watcher_halted",
                    dedupe_key=f"watcher_halted:{self._network.key}",
                    message=f"the watcher of {self._network.key} has halted: {reason}",
                    details={"network": self._network.key},
                    now=clock.now(),
                )


def _check_contiguous(first: int, last: int, refs: Sequence[BlockRef], below_hash: str | None) -> None:
    """Raise Halted or ChainMoved unless these are all blocks of the range, on top of what was scanned before."""
    if [ref.height for ref in refs] != list(range(first, last + 1)):
        raise Halted(f"asked for blocks {first} to {last}, got others")
    if below_hash is not None and refs[0].parent_hash != below_hash:
        raise ChainMoved(f"block {first} is not a child of the block scanned before it")


async def _scanned_block(network: str, height: int) -> Row | None:
    return await database.fetch_one(
        "SELECT hash FROM scanned_blocks WHERE network = $1 AND height = $2", network, height
    )


async def _store_blocks(network: str, refs: Sequence[BlockRef]) -> None:
    await database.execute(
        """
        INSERT INTO scanned_blocks (network, height, hash, parent_hash, block_time)
        SELECT $1, b.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::timestamptz[]) AS b
        """,
        network,
        [ref.height for ref in refs],
        [ref.hash for ref in refs],
        [ref.parent_hash for ref in refs],
        [ref.time for ref in refs],
    )


async def _move_cursor(network: str, from_height: int, to_height: int, head_height: int) -> None:
    """Step the cursor in the caller's transaction. Raises Halted if another watcher has moved it."""
    moved = await database.execute(
        """
        UPDATE network_cursors
        SET scanned_height = $3, head_height = $4, proven_height = least(proven_height, $3)
        WHERE network = $1 AND scanned_height = $2
        """,
        network,
        from_height,
        to_height,
        head_height,
    )
    if moved != 1:
        raise Halted(f"the cursor is not at {from_height}: a second watcher?")


async def _waiting_for_confirmations(network: str) -> set[str]:
    """Invoices whose deposits have one more confirmation with each block: their pages want to know."""
    rows = await database.fetch_all(
        "SELECT DISTINCT invoice FROM deposits WHERE network = $1 AND status = 'seen' AND invoice IS NOT NULL",
        network,
    )
    return {row["invoice"] for row in rows}
