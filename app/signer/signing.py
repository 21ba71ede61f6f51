"""The signer: pays approved withdrawals, one transaction after another, for one network.

`approved → signed (bytes, txid and claims stored, committed) → sent → submitted`. The node is never called
inside a database transaction. After a crash at any point, the next round finds the stored bytes and continues with
them (tracking.py). Any number of signers may run: the one that has the network's advisory lock works.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from app.alerts.service import raise_alert
from app.core import clock, database
from app.core.advisory_lock import LockKey, work_in_turn
from app.core.logging import get_logger
from app.networks.config import NetworkConfig
from app.networks.port import FeeAboveCeiling, NetworkError, NodeUnavailable, UnreadableAnswer, WouldFail, WrongChain
from app.networks.sending import Sender
from app.signer import repository
from app.signer.approvers import Approvers
from app.signer.crash_points import CrashPoints
from app.signer.funds import Funds, NotNow, NotOurs, OwnMoves, UnknownTransaction
from app.signer.journal import JournalError
from app.signer.limits import SignerLimits
from app.signer.policy import NotToSign, Payable, lock_payable, refuse
from app.signer.previews import Previews
from app.signer.refusal import Refused
from app.signer.repository import Stored
from app.signer.tracking import Tracker
from app.signer.wallet import BytesDiffer, ClaimTaken, Wallet
from app.withdrawals.repository import ToSign, set_waiting, withdrawals_to_sign

log = get_logger(__name__)

LOCK_SPACE = 7_226_010
"""First key of the advisory lock that makes one signer of a network; the second is the network's hash."""

RETRY_S = 2.0

PAY_AT_ONCE = 50
"""Transactions signed in one round; the next round tracks what is under way first."""

READ_AT_ONCE = 1_000
"""Withdrawals read in one round: those that can't be paid for now must not hide those that can."""

WOULD_FAIL, FEE_TOO_HIGH = (
    "the network would refuse this transfer now",
    "the network asks a higher fee than the ceiling",
)


HALTING = (
    *(WrongChain, UnreadableAnswer, NotOurs, UnknownTransaction, BytesDiffer, ClaimTaken, JournalError),
    asyncpg.IntegrityConstraintViolationError,
)
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
        funds: Funds,
        own_moves: OwnMoves,
        crash: CrashPoints,
        approvers: Approvers | None,
    ) -> None:
        self._network = network
        self._approvers = approvers
        self._sender = sender
        self._wallet = wallet
        self._limits = limits
        self._tracker = tracker
        self._funds = funds
        self._own_moves = own_moves
        self._previews = Previews(network, funds)
        self._crash = crash
        self._short: set[str] = set()  # shortages for which withdrawals wait
        self._halted_for: str | None = None
        self._swept_at: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Sign until `stop` is set. Survives nodes and databases that go away."""
        await work_in_turn(LockKey(LOCK_SPACE, self._network.key), self._tick_then_pause_s, stop)

    async def tick(self) -> None:
        """One round: track what is under way, pay what is approved, sweep when it is time; then previews."""
        await self._sender.check_identity()
        await self._funds.watch()
        await self._tracker.track()
        await self._pay_and_sweep()
        await self._previews.run()

    async def _pay_and_sweep(self) -> None:
        now = clock.now()
        waiting = self._due(await self._waiting(), now)
        sweeps = self._swept_at is None or now - self._swept_at >= timedelta(seconds=self._network.sweep_interval_s)
        if not waiting and not sweeps:
            return
        await self._funds.begin_round(now)
        if waiting:
            await self._pay(waiting)
        if sweeps:
            await self._own_moves.run()
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
        return self._network.signer_interval_s

    async def _waiting(self) -> list[ToSign]:
        """Approved withdrawals for which nothing was signed yet, oldest approval first."""
        approved = await withdrawals_to_sign(self._network.key, READ_AT_ONCE)
        signed = await repository.signed_for([withdrawal.id for withdrawal in approved]) if approved else frozenset()
        return [withdrawal for withdrawal in approved if withdrawal.id not in signed]

    def _due(self, waiting: Sequence[ToSign], now: datetime) -> Sequence[ToSign]:
        """All that wait, or none while the oldest that was not tried yet may wait for others to be paid with."""
        fresh = [withdrawal.approved_at for withdrawal in waiting if withdrawal.waiting_reason is None]
        window = timedelta(seconds=self._funds.batch_window_s)
        return waiting if len(fresh) >= self._funds.batch or not fresh or min(fresh) + window <= now else []

    async def _pay(self, waiting: Sequence[ToSign]) -> None:
        """Pay as many as can be paid now, in batches; write for each of the others why it waits."""
        try:
            room = min(await self._funds.room(), PAY_AT_ONCE)
        except (FeeAboveCeiling, NotNow) as error:
            reason = error.reason if isinstance(error, NotNow) else FEE_TOO_HIGH
            for withdrawal in waiting:
                await _wait(withdrawal, reason)
            await self._alert_if_short({reason})
            return
        short: set[str] = set()
        batch: list[ToSign] = []
        for withdrawal in waiting:
            if room <= 0:
                await _wait(withdrawal, "earlier transactions of the hot wallet wait for a block")
                continue
            shortage = self._funds.shortage(withdrawal.asset, withdrawal.amount_raw)
            if shortage and withdrawal.waiting_reason == shortage and withdrawal.is_whole:
                short.add(shortage)  # checked before; it may wait for days, and needs no work meanwhile
                continue
            if batch and self._too_much([*batch, withdrawal]):
                room -= await self._pay_together(batch, room, short)
                batch = []
            batch.append(withdrawal)
            if len(batch) == self._funds.batch:
                room -= await self._pay_together(batch, room, short)
                batch = []
        if batch and room > 0:
            await self._pay_together(batch, room, short)
        await self._alert_if_short(short)

    def _too_much(self, batch: Sequence[ToSign]) -> bool:
        """Whether these are more than can be paid together in this round, fees left out."""
        together: Counter[str] = Counter()
        for withdrawal in batch:
            together[withdrawal.asset] += withdrawal.amount_raw
        return any(self._funds.shortage(asset, amount_raw) for asset, amount_raw in together.items())

    async def _pay_together(self, batch: Sequence[ToSign], room: int, short: set[str]) -> int:
        """Sign one transaction for these and send it; each half of them alone where they can't be paid together.

        Returns how many transactions were signed, at most `room`. What is lacking is added to `short`.
        """
        self._crash.reach("approved")
        payables = await self._payables(batch)
        if not payables:
            return 0
        try:
            stored = await self._sign(payables)
        except (NotToSign, NotNow, WouldFail, Refused, asyncpg.RestrictViolationError) as error:
            left = {payable.intent.id for payable in payables}
            tried = [withdrawal for withdrawal in batch if withdrawal.id in left]
            if len(tried) == 1:
                await self._put_off(tried[0], error, short)
                return 0
            signed, half = 0, len(tried) // 2
            for some in (tried[:half], tried[half:]):
                if signed < room:
                    signed += await self._pay_together(some, room - signed, short)
            return signed
        self._crash.reach("signed")
        await self._tracker.broadcast(stored)
        return 1

    async def _payables(self, batch: Sequence[ToSign]) -> list[Payable]:
        """Those of these that may be paid, before a node is called for them. The others are refused."""
        now = clock.now()
        payables: list[Payable] = []
        for withdrawal in batch:
            try:
                async with database.transaction():
                    payable = await lock_payable(withdrawal.id, self._network, self._approvers)
                    await self._limits.check([*payables, payable], now)
            except (NotToSign, Refused) as error:
                await self._put_off(withdrawal, error, set())
            else:
                payables.append(payable)
        return payables

    async def _sign(self, payables: Sequence[Payable]) -> Stored:
        """Plan, sign and store one transaction. Raises what `_put_off` takes."""
        now = clock.now()
        await self._wallet.forget_dead([payable.approved for payable in payables])
        plan = await self._funds.plan([payable.intent for payable in payables])
        async with database.transaction():
            for payable in sorted(payables, key=lambda payable: payable.intent.id):
                if await lock_payable(payable.intent.id, self._network, self._approvers) != payable:
                    raise NotToSign
            draft = await self._funds.lock(plan)
            await self._limits.check(payables, now)
            stored = await self._wallet.sign(draft, purpose="withdrawal", payables=payables, now=now)
            await self._funds.record(stored)
            for payable in payables:
                await set_waiting(payable.intent.id, None)
            self._crash.reach("signing")
        for payable in payables:
            self._limits.remember(payable.intent, now)
        self._funds.reserve(draft)
        return stored

    async def _put_off(self, withdrawal: ToSign, error: Exception, short: set[str]) -> None:
        """Write why a withdrawal is not paid now. What is lacking is added to `short`."""
        now = clock.now()
        match error:
            case NotToSign():
                return
            case NotNow():
                if error.is_short:
                    short.add(error.reason)
                await _wait(withdrawal, error.reason)
            case WouldFail():
                if withdrawal.waiting_reason != WOULD_FAIL:
                    await self._alert_would_fail(withdrawal, error)
                await _wait(withdrawal, WOULD_FAIL)
            case asyncpg.RestrictViolationError():
                refused = Refused("guard", f"the database refuses it: {error.args[0]}"[:200], held=True)
                await refuse(withdrawal.id, refused, self._network, now)
            case Refused():
                if withdrawal.waiting_reason != error.reason:  # else it was refused before, and nothing has changed
                    await refuse(withdrawal.id, error, self._network, now)

    async def _alert_would_fail(self, withdrawal: ToSign, error: WouldFail) -> None:
        await raise_alert(
            severity="warning",
            kind="transfer_would_fail",
            dedupe_key=f"transfer_would_fail:{withdrawal.id}",
            message=f"{withdrawal.id} would fail if it were sent now",
            details={"withdrawal": withdrawal.id, "network": self._network.key, "node": str(error)},
            now=clock.now(),
        )

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
