"""Watch one network: scan every block once, in order, without a gap, and look at the pool; then settle deposits and
expire invoices.

The scanned blocks are a chain of `scanned_blocks` rows, each the child of the one below. A batch of blocks, its
deposits, and the step of the cursor are one transaction, so after a crash the batch is stored whole or scanned again.
Where continuing could miss a payment, the watcher halts, alerts operators, and tries the same blocks again.
"""

import asyncio
from collections.abc import Collection, Sequence, Set
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from app.addresses import repository as address_repository
from app.alerts.service import raise_alert
from app.core import clock, database, tracing
from app.core.advisory_lock import LockKey, work_in_turn
from app.core.logging import get_logger
from app.core.tracing import Span
from app.deposits import (
    blocks_repository,
    coverage_repository,
    outages_repository,
    pool_repository,
    repository,
    sightings,
)
from app.deposits.blocks_repository import Cursor
from app.deposits.payments import PaymentService
from app.deposits.pool import PoolService
from app.deposits.reversals import ReversalService
from app.deposits.service import DepositService
from app.deposits.settling import SettlingService
from app.invoices import service as invoices
from app.invoices.service import InvoiceService
from app.networks.config import NetworkConfig
from app.networks.port import (
    Block,
    BlockRef,
    Chain,
    ChainMoved,
    Look,
    NodeSyncing,
    NodeUnavailable,
    PoolTransfer,
    Transfer,
    UnreadableAnswer,
    WrongChain,
)

log = get_logger(__name__)

LOCK_SPACE = 7_226_003
"""First key of the advisory lock that makes one watcher of a network; the second is the network's hash."""

RETRY_S = 1.0
"""The pause after a node did not answer or the watcher halted."""

EXPIRE_EVERY_S = 1.0
"""How often invoices are expired, on networks that are looked at more often: it takes more statements than a block."""

FORK_SEARCH_LIMIT = 10_000
"""Blocks to walk back in search of a fork before giving up: no chain reorganises that deep."""

KEPT_BLOCKS = 2 * FORK_SEARCH_LIMIT
"""Rows of the newest blocks that are kept. Older ones are proven, and nothing reads them again. It is also more than
the most confirmations that can be configured, which reconciliation looks back."""

FORGET_AT_ONCE = 1_000
"""Rows are deleted when there are so many more than KEPT_BLOCKS."""


class Halted(Exception):
    """The watcher can't continue without the risk of missing a payment; the message is shown to operators."""


class HotWallet(Protocol):
    """What the watcher needs of the hot wallet (signer/treasury.py)."""

    @property
    def address(self) -> str | None:
        """The hot wallet's address, if the network has one."""

    async def own_moves(self, txids: Collection[str]) -> Set[tuple[str, str, str]]:
        """Which transfers of these transactions only move our money between our addresses, as (txid, recipient,
        asset)."""

    async def record(self, transfers: Sequence[Transfer], now: datetime) -> None:
        """Record transfers to the hot wallet, in the watcher's transaction."""

    async def reverse_above(self, above_height: int, now: datetime) -> None:
        """Reverse the top-ups and reopen our transactions of dead blocks, in the watcher's transaction."""

    async def is_any_due(self, scanned_height: int) -> bool:
        """Whether a top-up has enough confirmations, so that it is booked once its block is final."""

    async def settle(self, scanned_height: int, final_height: int | None, now: datetime) -> None:
        """Book the top-ups that have enough confirmations, up to `final_height` where one is given."""


class CoinBook(Protocol):
    """What the watcher keeps of our coins, on chains of coins (signer/coin_book.py)."""

    async def ours(self, claims: Collection[str]) -> Set[str]:
        """Those of these claims that are of coins of ours."""

    async def change_among(self, addresses: Collection[str]) -> Set[str]:
        """Those of these addresses that are of our change."""

    async def record(self, blocks: Sequence[Block], now: datetime) -> None:
        """Store what blocks make and spend of our coins, in the watcher's transaction."""

    async def reverse_above(self, above_height: int) -> None:
        """Take back what dead blocks have made and spent, in the watcher's transaction."""


class AccountBook(Protocol):
    """What the watcher keeps of what our accounts send, on chains with accounts (signer/account_book.py)."""

    async def record(self, blocks: Sequence[Block], now: datetime) -> None:
        """Store what our accounts have sent in blocks, and raise an alert for what the signer did not store and for
        each danger. In the watcher's transaction, last: it locks withdrawals."""

    async def reverse_above(self, above_height: int) -> None:
        """Take back what dead blocks held, in the watcher's transaction."""


class BalanceCheck(Protocol):
    """Finds native coins whose transfers the node can't show (signer/balance_check.py)."""

    async def unseen_transfers(self, scanned_height: int, now: datetime) -> Sequence[Transfer]:
        """Transfers for what some addresses hold beyond what was seen; empty unless a check is due or under way."""


class Watcher:
    """Watches one network. Any number may run: the holder of the advisory lock works, the others wait."""

    def __init__(
        self,
        network: NetworkConfig,
        chain: Chain,
        deposit_service: DepositService,
        settling: SettlingService,
        payments: PaymentService,
        reversals: ReversalService,
        pool: PoolService,
        invoice_service: InvoiceService,
        hot_wallet: HotWallet,
        balance_check: BalanceCheck | None,
        coin_book: CoinBook | None,
        account_book: AccountBook | None,
    ) -> None:
        """`coin_book` is of chains of coins, `account_book` of those with accounts. `balance_check` is of chains where
        money may come in unseen."""
        self._network = network
        self._chain = chain
        self._deposits = deposit_service
        self._settling = settling
        self._payments = payments
        self._reversals = reversals
        self._pool = pool
        self._invoices = invoice_service
        self._hot_wallet = hot_wallet
        self._balance_check = balance_check
        self._coin_book = coin_book
        self._account_book = account_book
        self._expired_at_s = -EXPIRE_EVERY_S
        self._may_be_out = True  # an earlier process may have recorded an outage

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop` is set. Survives nodes and databases that go away."""
        await work_in_turn(LockKey(LOCK_SPACE, self._network.key), self._tick_then_pause_s, stop)

    async def tick(self) -> None:
        """One round: scan new blocks, settle, expire. Raises Halted, NodeUnavailable, ChainMoved."""
        await self._expire(await self._follow())

    async def _follow(self) -> datetime:
        """Scan new blocks, and settle what is due. Returns up to when every block is scanned."""
        checked_at = clock.now()
        cursor = await self._cursor(checked_at)
        look = await self._chain.look(cursor.scanned_height)
        head_height = look.head_height
        touched: set[str] = set()
        scanned = cursor.scanned_height
        if await self._was_reorganised(cursor, look):
            scanned, reversed_ids = await self._walk_back(scanned, head_height)
            touched |= reversed_ids
        while scanned < head_height:
            last = min(scanned + self._network.batch_blocks, head_height)
            with tracing.trace("blocks", network=self._network.key, first_block=scanned + 1, last_block=last) as span:
                touched |= await self._scan(scanned + 1, last, head_height, span)
            scanned = last
        touched |= await self._look_at_pool(scanned)
        now = clock.now()
        await coverage_repository.advance(self._network.key)
        if scanned - cursor.kept_from > KEPT_BLOCKS + FORGET_AT_ONCE:
            await blocks_repository.forget_below(self._network.key, scanned - KEPT_BLOCKS)
        await self._record_check(head_height, checked_at)
        await self._settle(scanned, now)
        if head_height != cursor.head_height:
            touched |= await repository.invoices_with_seen(self._network.key)
        await invoices.announce(*touched)
        if unseen := await self._unseen(scanned, now):  # last, since it may take long
            await invoices.announce(*await self._record_unseen(unseen, now))
            await self._settle(scanned, now)
        return checked_at

    async def _settle(self, scanned: int, now: datetime) -> None:
        """Book the deposits and top-ups that have enough confirmations."""
        final_height = await self._final_height(scanned)
        if await self._hot_wallet.is_any_due(scanned):
            await self._hot_wallet.settle(scanned, final_height, now)
        await self._settling.settle(self._network.key, scanned, self._network.confirmations, final_height, now)

    async def _expire(self, checked_at: datetime) -> None:
        """End what was not paid in time, up to what every block was scanned."""
        now, covered_until = clock.now(), checked_at - timedelta(seconds=self._network.expiry_grace_s)
        await invoices.announce(*await self._payments.end(self._network.key, covered_until, now))
        await self._invoices.expire_due(self._network.key, covered_until, now)

    async def _final_height(self, scanned: int) -> int | None:
        """The last block whose deposits and top-ups may be booked, None where confirmations alone count. The chain is
        asked only while one waits for that: on some chains it is a third of all requests."""
        if not self._network.require_finality:
            return None
        is_due = await self._settling.is_any_due(self._network.key, scanned, self._network.confirmations)
        return await self._chain.finality() if is_due or await self._hot_wallet.is_any_due(scanned) else -1

    async def _tick_then_pause_s(self) -> float:
        """Run one round, log its errors, and return the pause until the next one, in seconds: none after a round that
        took longer than the pause, since there may be another block by then."""
        began_s = clock.monotonic_s()
        try:
            checked_at = await self._follow()
            if clock.monotonic_s() - self._expired_at_s >= EXPIRE_EVERY_S:
                self._expired_at_s = clock.monotonic_s()
                await self._expire(checked_at)
        except NodeUnavailable as error:
            log.warning("node_unavailable", network=self._network.key, error=str(error))
            await self._begin_outage(error)
            return RETRY_S
        except ChainMoved as error:
            log.info("chain_moved", network=self._network.key, error=str(error))
        except (Halted, WrongChain, UnreadableAnswer) as error:
            await self._halt(str(error))
            return RETRY_S
        await self._end_outage()
        pause_s = self._network.poll_interval_ms / 1000
        return 0 if clock.monotonic_s() - began_s > pause_s else pause_s

    async def _cursor(self, now: datetime) -> Cursor:
        """The network's cursor; at the very first start scanning begins at the configured height or the head."""
        key, identity = self._network.key, self._network.identity
        cursor = await blocks_repository.cursor(key)
        while cursor is None:
            await self._chain.check_identity()
            head_height = await self._chain.head_height()
            start_height = self._network.start_height if self._network.start_height is not None else head_height
            await blocks_repository.add_cursor(
                key, chain_identity=identity, start_height=start_height, head_height=head_height, now=now
            )
            cursor = await blocks_repository.cursor(key)
        if cursor.chain_identity != identity:
            raise Halted(f"chain {identity} is configured, the books are of {cursor.chain_identity}")
        return cursor

    async def _was_reorganised(self, cursor: Cursor, look: Look) -> bool:
        """Whether a block that was scanned is no longer on the chain.

        A node whose head is below our cursor but on our chain lags behind: nothing is reversed for that.
        """
        known = cursor.scanned_hash
        if look.head_height < cursor.scanned_height:
            known = await blocks_repository.hash_at(self._network.key, look.head_height)
        if known is None:
            return False  # nothing scanned yet
        return look.block is None or look.block.hash != known

    async def _walk_back(self, scanned: int, head_height: int) -> tuple[int, set[str]]:
        """Find the fork and reverse what was seen above it; return the fork's height and the ids of invoices
        changed."""
        fork = min(scanned, head_height)
        while (known := await blocks_repository.hash_at(self._network.key, fork)) is not None:
            if scanned - fork > FORK_SEARCH_LIMIT:
                raise Halted(f"no common block within {FORK_SEARCH_LIMIT} below {scanned}: another chain?")
            current = await self._chain.block_ref(fork)
            if current is not None and current.hash == known:
                break
            fork -= 1
        else:
            if fork >= 0:
                raise Halted(f"none of the scanned blocks up to {scanned} is on the node's chain: another chain?")
        now = clock.now()
        async with database.transaction():
            touched = await self._reversals.reverse_above(self._network.key, fork, now)
            await self._hot_wallet.reverse_above(fork, now)
            if self._coin_book is not None:
                await self._coin_book.reverse_above(fork)
            if self._account_book is not None:
                await self._account_book.reverse_above(fork)
            await blocks_repository.delete_blocks_above(self._network.key, fork)
            await _move_cursor(self._network.key, scanned, fork, head_height)
        log.warning("chain_reorganised", network=self._network.key, fork=fork, depth=scanned - fork)
        return fork, touched

    async def _scan(self, first: int, last: int, head_height: int, span: Span) -> set[str]:
        """Read blocks `first` to `last`, store them and their deposits, and return the ids of invoices changed."""
        our_coins = None if self._coin_book is None else self._coin_book.ours
        blocks = await self._chain.blocks(first, last, self._ours, our_coins)
        refs = [block.ref for block in blocks]
        _check_contiguous(first, last, refs, await blocks_repository.hash_at(self._network.key, first - 1))
        transfers = [transfer for block in blocks for transfer in block.transfers]
        span.set(transfers=len(transfers))
        now = clock.now()
        async with database.transaction():
            await _move_cursor(self._network.key, first - 1, last, head_height)
            await blocks_repository.add_blocks(self._network.key, refs)
            if self._coin_book is not None:
                await self._coin_book.record(blocks, now)
            touched = await self._record(transfers, now) if transfers else set()
            if self._account_book is not None:
                await self._account_book.record(blocks, now)
            return touched

    async def _look_at_pool(self, scanned: int) -> set[str]:
        """Store what has come into the pool and what has left it, and return the ids of invoices changed.

        A pool of another moment than the scanned blocks says nothing: what is missing in it may be in a block.
        """
        pool = await self._chain.pool(self._ours)
        if pool is None or pool.tip_hash != await blocks_repository.hash_at(self._network.key, scanned):
            return set()
        network, touched = self._network.key, set[str]()
        known = {transaction.txid: transaction for transaction in await pool_repository.waiting(network)}
        there = {transaction.txid for transaction in pool.transactions}
        if missing := [transaction for txid, transaction in known.items() if txid not in there]:
            replaced = await self._chain.replaced({one.txid: one.spends for one in missing})
            touched |= await self._pool.gone(network, missing, replaced, clock.now())
        new = [transaction for transaction in pool.transactions if transaction.txid not in known]
        wallet = await self._wallet_among({each.to_address for one in new for each in one.transfers})
        own = await self._hot_wallet.own_moves({transaction.txid for transaction in new})
        came = []
        for transaction in new:
            txid = transaction.txid
            deposits = [
                each for each in transaction.transfers if each.to_address not in wallet and not _is_own(txid, each, own)
            ]
            if deposits:
                came.append(msgspec.structs.replace(transaction, transfers=tuple(deposits)))
        return touched | await self._pool.came(network, came, clock.now()) if came else touched

    async def _ours(self, addresses: Collection[str]) -> Set[str]:
        """`OurAddresses` of the network."""
        ours = await address_repository.spelled_among(self._network.key, addresses)
        return ours | await self._wallet_among(addresses)

    async def _wallet_among(self, addresses: Collection[str]) -> Set[str]:
        """Those of these addresses that we pay from ourselves: the hot wallet's, and those of change."""
        address = self._hot_wallet.address
        hot = {address} if address is not None and {address, address.lower()} & set(addresses) else set[str]()
        return hot if self._coin_book is None else hot | await self._coin_book.change_among(addresses)

    async def _record(self, transfers: Sequence[Transfer], now: datetime) -> set[str]:
        """Record transfers to the hot wallet as top-ups, the others as deposits; our own transfers are neither."""
        txids = {transfer.txid for transfer in transfers}
        own = await self._hot_wallet.own_moves(txids)
        await pool_repository.remove(self._network.key, txids)
        wallet = await self._wallet_among({transfer.to_address for transfer in transfers})
        others = [transfer for transfer in transfers if not _is_own(transfer.txid, transfer, own)]
        await self._hot_wallet.record([transfer for transfer in others if transfer.to_address in wallet], now)
        deposits = [sightings.in_block(transfer) for transfer in others if transfer.to_address not in wallet]
        return await self._deposits.record(self._network.key, deposits, now) if deposits else set()

    async def _unseen(self, scanned: int, now: datetime) -> Sequence[Transfer]:
        return [] if self._balance_check is None else await self._balance_check.unseen_transfers(scanned, now)

    async def _record_unseen(self, unseen: Sequence[Transfer], now: datetime) -> set[str]:
        async with database.transaction():
            return await self._record(unseen, now)

    async def _record_check(self, head_height: int, checked_at: datetime) -> None:
        """Store that all blocks that the node had at `checked_at` are scanned."""
        await blocks_repository.record_check(self._network.key, head_height, checked_at)

    async def _begin_outage(self, error: NodeUnavailable) -> None:
        """Record why no node can be used, for `/readyz` and the desk."""
        self._may_be_out = True
        is_syncing = isinstance(error, NodeSyncing)
        await outages_repository.begin(self._network.key, str(error), is_syncing=is_syncing, now=clock.now())

    async def _end_outage(self) -> None:
        if self._may_be_out:
            await outages_repository.end(self._network.key)
            self._may_be_out = False

    async def _halt(self, reason: str) -> None:
        """Record why, once for each reason; the watchdog repeats the alert while the network is halted."""
        log.critical("watcher_halted", network=self._network.key, reason=reason)
        async with database.transaction():
            if await blocks_repository.halt(self._network.key, reason):
                await raise_alert(
                    severity="critical",
                    kind="watcher_halted",
                    dedupe_key=f"watcher_halted:{self._network.key}",
                    message=f"the watcher of {self._network.key} has halted: {reason}",
                    details={"network": self._network.key},
                    now=clock.now(),
                )


def _is_own(txid: str, transfer: Transfer | PoolTransfer, own: Set[tuple[str, str, str]]) -> bool:
    return (txid, transfer.to_address, transfer.asset_symbol) in own


def _check_contiguous(first: int, last: int, refs: Sequence[BlockRef], below_hash: str | None) -> None:
    """Raise Halted or ChainMoved unless these are all blocks of the range, on top of what was scanned before."""
    if [ref.height for ref in refs] != list(range(first, last + 1)):
        raise Halted(f"asked for blocks {first} to {last}, got others")
    if below_hash is not None and refs[0].parent_hash != below_hash:
        raise ChainMoved(f"block {first} is not a child of the block scanned before it")


async def _move_cursor(network: str, from_height: int, to_height: int, head_height: int) -> None:
    """Step the cursor in the caller's transaction. Raises Halted if another watcher has moved it."""
    if not await blocks_repository.move_cursor(network, from_height, to_height, head_height):
        raise Halted(f"the cursor is not at {from_height}: a second watcher?")
