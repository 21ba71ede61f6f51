"""The signer: pays approved withdrawals from the hot wallet, one transaction after another, for one network.

`approved → signed (bytes, txid and nonce stored, committed) → sent → submitted`. The node is never called
inside a database transaction. After a crash at any point, the next round finds the stored bytes and continues with
them (tracking.py). Any number of signers may run: the one that has the network's advisory lock works.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import msgspec

from app.alerts.service import raise_alert
from app.core import clock, database
from app.core.advisory_lock import LockKey, work_in_turn
from app.core.logging import get_logger
from app.networks.config import NetworkConfig
from app.networks.port import (
    Draft,
    FeeAboveCeiling,
    FeeRate,
    NetworkError,
    NodeUnavailable,
    Sender,
    UnreadableAnswer,
    WouldFail,
    WrongChain,
)
from app.signer import nonces_repository, repository, wallet_snapshot
from app.signer.crash_points import CrashPoints
from app.signer.limits import SignerLimits
from app.signer.policy import NotToSign, Refused, lock_payable, refuse
from app.signer.repository import Stored
from app.signer.spendable import SpendableBalance
from app.signer.sweeping import Sweeper
from app.signer.tracking import Tracker
from app.signer.treasury import Treasury
from app.signer.wallet import NotOurs, Wallet
from app.withdrawals.digest import Intent
from app.withdrawals.repository import ToSign, set_waiting, withdrawals_to_sign

log = get_logger(__name__)

LOCK_SPACE = 7_226_010
"""First key of the advisory lock that makes one signer of a network; the second is the network's hash."""

ROUND_INTERVAL_S = 1.0
RETRY_S = 2.0

PAY_AT_ONCE = 50
"""Withdrawals signed in one round; the next round tracks what is under way first."""

READ_AT_ONCE = 1_000
"""Withdrawals read in one round: those that can't be paid for now must not hide those that can."""

WOULD_FAIL, FEE_TOO_HIGH = (
    "the network would refuse this transfer now",
    "the network asks a higher fee than the ceiling",
)

MAX_UNMINED = 64
"""Transactions of the hot wallet in no block yet. Nodes queue about as many of one sender (geth's
--txpool.accountqueue) and drop what is beyond."""


class UnknownTransaction(Exception):
    """The chain has transactions of the hot wallet that the books don't have. Nothing more is signed: after a
    restored backup they may be payouts that are still unpaid by the books."""


HALTING = (WrongChain, UnreadableAnswer, NotOurs, UnknownTransaction, asyncpg.IntegrityConstraintViolationError)
"""Errors that an operator must repair; the signer tries again meanwhile. The last one is a row that contradicts a
constraint."""


class Signer:
    """Signs for one network."""

    def __init__(
        self,
        network: NetworkConfig,
        sender: Sender,
        wallet: Wallet,
        limits: SignerLimits,
        tracker: Tracker,
        sweeper: Sweeper,
        treasury: Treasury,
        crash: CrashPoints,
    ) -> None:
        assert network.native is not None
        self._network = network
        self._native = network.native.symbol
        self._sender = sender
        self._wallet = wallet
        self._limits = limits
        self._tracker = tracker
        self._sweeper = sweeper
        self._treasury = treasury
        self._crash = crash
        self._low: set[str] = set()  # assets of which the hot wallet holds little
        self._short: set[str] = set()  # shortages for which withdrawals wait
        self._halted_for: str | None = None
        self._swept_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Sign until `stop` is set. Survives nodes and databases that go away."""
        await work_in_turn(LockKey(LOCK_SPACE, self._network.key), self._tick_then_pause_s, stop)

    async def tick(self) -> None:
        """One round: track what is under way, pay what is approved, sweep when it is time."""
        await self._sender.check_identity()
        await self._tracker.track()
        now = clock.now()
        waiting = await self._waiting()
        sweeps = self._swept_at is None or now - self._swept_at >= timedelta(seconds=self._network.sweep_interval_s)
        if not waiting and not sweeps:
            return
        chain_nonce = await self._chain_nonce()
        balance = await self._spendable(now)
        if waiting:
            await self._pay(waiting, chain_nonce, balance)
        if sweeps:
            await self._sweeper.sweep(balance)
            self._swept_at = now

    async def _tick_then_pause_s(self) -> float:
        """Run one round, log or alert its failure, and return the pause until the next one, in seconds."""
        try:
            await self.tick()
            self._halted_for = None
        except NodeUnavailable as error:
            log.warning("node_unavailable", network=self._network.key, error=str(error))
            return RETRY_S
        except HALTING as error:
            await self._halt(str(error))
            return RETRY_S
        except NetworkError as error:
            log.info("signer_round_cut_short", network=self._network.key, error=str(error))
        return min(ROUND_INTERVAL_S, self._network.poll_interval_ms / 1000)

    async def _waiting(self) -> list[ToSign]:
        """Approved withdrawals for which nothing was signed yet, oldest approval first."""
        approved = await withdrawals_to_sign(self._network.key, READ_AT_ONCE)
        signed = await repository.signed_for([withdrawal.id for withdrawal in approved]) if approved else frozenset()
        return [withdrawal for withdrawal in approved if withdrawal.id not in signed]

    async def _spendable(self, now: datetime) -> SpendableBalance:
        """What can be spent in this round. Records it for operators, and raises an alert where it is low."""
        held: dict[str, int] = {}
        free: dict[str, int] = {}
        hot = self._wallet.hot_address
        reserved = await repository.unmined_raw(self._network.key, hot, self._native)
        for asset in self._network.assets:
            held_raw = (await self._sender.balances_raw([hot], asset.symbol))[hot]
            held[asset.symbol] = held_raw
            free[asset.symbol] = held_raw - reserved.get(asset.symbol, 0)
            await self._alert_if_low(asset.symbol, held_raw, asset.hot_low_raw, now)
        gas_left_raw = await self._treasury.gas_left_raw()
        await wallet_snapshot.record(self._network.key, held, free, {self._native: gas_left_raw}, now)
        return SpendableBalance(self._native, free, gas_left_raw)

    async def _pay(self, waiting: Sequence[ToSign], chain_nonce: int, balance: SpendableBalance) -> None:
        """Pay as many as the balance and MAX_UNMINED allow; write for each of the others why it waits."""
        try:
            rate = await self._sender.fee_rate()
        except FeeAboveCeiling:
            for withdrawal in waiting:
                await _wait(withdrawal, FEE_TOO_HIGH)
            await self._alert_if_short({FEE_TOO_HIGH})
            return
        room = MAX_UNMINED - await repository.unmined_count(self._network.key, self._wallet.hot_address)
        room, short = min(room, PAY_AT_ONCE), set()
        for withdrawal in waiting:
            if room <= 0:
                await _wait(withdrawal, "earlier transactions of the hot wallet wait for a block")
                continue
            shortage = balance.shortage(withdrawal.asset, withdrawal.amount_raw, 0)
            if shortage and withdrawal.waiting_reason == shortage and withdrawal.is_whole:
                short.add(shortage)  # checked before; it may wait for days, and needs no work meanwhile
                continue
            self._crash.reach("approved")
            stored = await self._sign_one(withdrawal, rate, chain_nonce, balance, short)
            if stored is not None:
                room -= 1
                self._crash.reach("signed")
                await self._tracker.broadcast(stored)
        await self._alert_if_short(short)

    async def _sign_one(
        self, withdrawal: ToSign, rate: FeeRate, chain_nonce: int, balance: SpendableBalance, short: set[str]
    ) -> Stored | None:
        """Sign one withdrawal if it may be paid and the balance suffices; else write why not and return None."""
        now = clock.now()
        try:
            async with database.transaction():  # don't call the node for one that is not approved
                intent = await lock_payable(withdrawal.id, self._network)
                await self._limits.check(intent, now)
            draft, why_not = await self._draft(withdrawal, intent, rate, balance, short)
            if draft is None:
                await _wait(withdrawal, why_not)
                return None
            async with database.transaction():
                if await lock_payable(withdrawal.id, self._network) != intent:
                    raise NotToSign
                nonce = await nonces_repository.lock_nonce(self._network.key, self._wallet.hot_address, chain_nonce)
                await self._limits.check(intent, now)
                stored = await self._wallet.sign(
                    msgspec.structs.replace(draft, nonce=nonce),
                    purpose="withdrawal",
                    from_address=self._wallet.hot_address,
                    withdrawal=withdrawal.id,
                    now=now,
                )
                await set_waiting(withdrawal.id, None)
                self._crash.reach("signing")
        except NotToSign:
            return None
        except asyncpg.RestrictViolationError as error:
            refused = Refused("guard", f"the database refuses it: {error.args[0]}"[:200], held=True)
            await refuse(withdrawal.id, refused, self._network, now)
            return None
        except Refused as refused:
            if withdrawal.waiting_reason != refused.reason:  # else it was refused before, and nothing has changed
                await refuse(withdrawal.id, refused, self._network, now)
            return None
        self._limits.remember(intent, now)
        balance.reserve(intent.asset, intent.amount_raw, draft.gas_budget_raw)
        return stored

    async def _draft(
        self, withdrawal: ToSign, intent: Intent, rate: FeeRate, balance: SpendableBalance, short: set[str]
    ) -> tuple[Draft | None, str]:
        """The transfer, still without its nonce, or why there is none for now; what is lacking is added to `short`."""
        # Before the estimate, which a node refuses where the balance is short.
        if shortage := balance.shortage(intent.asset, intent.amount_raw, 0):
            short.add(shortage)
            return None, shortage
        try:
            gas_limit = await self._sender.gas_limit(
                self._wallet.hot_address, intent.destination, intent.asset, intent.amount_raw
            )
        except WouldFail as error:
            if withdrawal.waiting_reason != WOULD_FAIL:
                await raise_alert(
                    severity="warning",
                    kind="transfer_would_fail",
                    dedupe_key=f"transfer_would_fail:{intent.id}",
                    message=f"{intent.id} would fail if it were sent now",
                    details={"withdrawal": intent.id, "network": self._network.key, "node": str(error)},
                    now=clock.now(),
                )
            return None, WOULD_FAIL
        draft = Draft(
            to_address=intent.destination,
            asset_symbol=intent.asset,
            amount_raw=intent.amount_raw,
            nonce=0,
            gas_limit=gas_limit,
            max_fee_raw=rate.max_raw,
            priority_fee_raw=rate.priority_raw,
        )
        draft = await self._sender.with_data_fee(draft)
        if shortage := balance.shortage(intent.asset, intent.amount_raw, draft.gas_budget_raw):
            short.add(shortage)
            return None, shortage
        return draft, ""

    async def _chain_nonce(self) -> int:
        """How many transactions the chain has of the hot wallet. Raises UnknownTransaction if we signed fewer."""
        chain_nonce = await self._sender.next_nonce(self._wallet.hot_address)
        signed = await nonces_repository.next_nonce(self._network.key, self._wallet.hot_address)
        if chain_nonce > signed:
            raise UnknownTransaction(
                f"the chain has {chain_nonce} transactions of the hot wallet, the books have signed {signed}: account"
                f" for each, then `swap-pay signer adopt-nonce --network {self._network.key} --nonce {chain_nonce}`"
            )
        return chain_nonce

    async def _alert_if_short(self, short: set[str]) -> None:
        """Alert when withdrawals begin to wait for a top-up or a lower fee; after an end of the wait, alert again."""
        for reason in sorted(short - self._short):
            await raise_alert(
                severity="warning",
                kind="withdrawals_wait",
                dedupe_key=f"withdrawals_wait:{self._network.key}:{reason}",
                message=f"{self._network.key}: withdrawals wait: {reason}",
                details={"network": self._network.key},
                now=clock.now(),
            )
        self._short = short

    async def _alert_if_low(self, asset: str, held_raw: int, low_raw: int, now: datetime) -> None:
        """Alert when the hot wallet falls below an asset's `hot_low_raw`, and again after it has recovered."""
        if held_raw >= low_raw:
            self._low.discard(asset)
        elif asset not in self._low:
            self._low.add(asset)
            await raise_alert(
                severity="warning",
                kind="hot_wallet_low",
                dedupe_key=f"hot_wallet_low:{self._network.key}:{asset}",
                message=f"{self._network.key}: the hot wallet holds little {asset}",
                details={"network": self._network.key, "asset": asset, "held_raw": str(held_raw)},
                now=now,
            )

    async def _halt(self, reason: str) -> None:
        log.critical("signer_halted", network=self._network.key, reason=reason)
        if reason != self._halted_for:
            self._halted_for = reason
            await raise_alert(
                severity="critical",
                kind="signer_halted",
                dedupe_key=f"signer_halted:{self._network.key}",
                message=f"{self._network.key}: the signer can't go on: {reason}",
                details={"network": self._network.key},
                now=clock.now(),
            )


async def _wait(withdrawal: ToSign, reason: str) -> None:
    """Write why it waits, unless that is written already: the next round comes in a second."""
    if withdrawal.waiting_reason != reason:
        await set_waiting(withdrawal.id, reason)
