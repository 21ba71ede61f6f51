"""The hot wallet's stake: the energy that it lends to deposit addresses, and what operators ask to stake or unstake.

A loan is taken back once its address has swept, or after an hour without a sweep. What operators ask for is done one
after another. Only the treasury's coin is staked; what is staked, lent or not free again yet stays the treasury's.
"""

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from app.core import clock, database
from app.core.logging import get_logger
from app.networks.sending import Draft, StakeMove, TimedSender
from app.networks.tron.config import TronConfig
from app.signer import energy_repository
from app.signer.allowed_moves import AllowedMoves
from app.signer.energy_repository import Loan, OpenRequest
from app.signer.repository import Stored
from app.signer.timed_funds import TimedFunds
from app.signer.tracking import Tracker
from app.signer.wallet import Wallet

log = get_logger(__name__)

UNUSED_AFTER = timedelta(hours=1)
"""When a loan without a sweep is taken back."""

Note = Callable[[Stored], Coroutine[Any, Any, None]]
"""Stores, in the transaction that stores a move of stake, what it is for."""


class TimedStake:
    """Moves the staked coin of one network's hot wallet."""

    def __init__(
        self,
        network: TronConfig,
        sender: TimedSender,
        wallet: Wallet,
        tracker: Tracker,
        funds: TimedFunds,
        allowed: AllowedMoves,
    ) -> None:
        assert network.native is not None
        self._network = network
        self._symbol = network.native.symbol
        self._least_raw = 10**network.native.decimals  # nodes take no less
        self._sender = sender
        self._wallet = wallet
        self._tracker = tracker
        self._funds = funds
        self._allowed = allowed

    async def run(self, room: int, now: datetime) -> int:
        """Do what an operator asks for, and take back loans that are over. Returns how many transactions were signed,
        at most `room`."""
        signed = 0
        if room > 0:
            signed += await self._do_first_request(now)
        for loan in await energy_repository.loans_over(self._network.key, UNUSED_AFTER, now):
            if signed >= room:
                break
            signed += await self._take_back(loan)
        return signed

    async def lend(self, address: str, energy: int) -> bool:
        """Lend so much energy to a deposit address, which exists. False where the bytes of that can't be paid now."""
        key = self._network.key
        stake_raw = max(self._funds.prices.stake_raw(energy), self._least_raw)

        async def note(stored: Stored) -> None:
            await energy_repository.add_loan(key, address, stake_raw, stored.id)

        return await self._move(StakeMove("lend", stake_raw, address), note)

    async def _take_back(self, loan: Loan) -> bool:
        async def note(stored: Stored) -> None:
            await energy_repository.set_reclaimed(loan.id, stored.id)

        return await self._move(StakeMove("reclaim", loan.stake_raw, loan.to_address), note)

    async def _do_first_request(self, now: datetime) -> bool:
        """End the oldest request if its transaction has ended; else sign it, if nothing is signed for it and it can be
        done now."""
        requests = await energy_repository.open_requests(self._network.key)
        if not requests:
            return False
        first = requests[0]
        if first.transaction is not None:
            if first.status == "confirmed":
                await energy_repository.end_request(first.id, "done", now)
            elif first.status in ("reverted", "replaced"):
                await energy_repository.end_request(first.id, "failed", now)
            return False
        if (reason := await self._problem(first)) is not None:
            if reason != first.waiting_reason:
                await energy_repository.set_request_waiting(first.id, reason)
            return False

        async def note(stored: Stored) -> None:
            await energy_repository.set_request_transaction(first.id, stored.id)

        return await self._move(StakeMove(first.action, first.amount_raw), note, request=first)

    async def _problem(self, request: OpenRequest) -> str | None:
        """Why a request can't be done now."""
        balance, resources = self._funds.balance, self._funds.resources
        if reason := await self._allowed.stake_problem(request.action, request.amount_raw, resources.staked_raw):
            return reason
        if request.action == "stake":
            if balance.shortage(self._symbol, request.amount_raw, 0):
                return f"the hot wallet holds too little {self._symbol}"
            if balance.gas_left_raw < request.amount_raw:
                return f"the treasury has too little {self._symbol}: merchants' coin is not staked"
        if request.action == "unstake" and resources.staked_raw - resources.lent_raw < request.amount_raw:
            return f"so much {self._symbol} is not staked, or a part of it is lent at the moment"
        return None

    async def _move(self, move: StakeMove, note: Note, *, request: OpenRequest | None = None) -> bool:
        """Sign and send a move of stake. False where its bytes can't be paid now, or its request was cancelled."""
        hot, balance = self._funds.hot_address, self._funds.balance
        staked_raw = move.amount_raw if move.action == "stake" else 0
        cost = await self._sender.stake_cost(move)
        cap_raw = cost.cap_raw(self._funds.prices)
        if balance.shortage(self._symbol, staked_raw, cap_raw) or balance.gas_left_raw < staked_raw + cap_raw:
            return False
        draft = await self._funds.draft(hot, cost, lambda state: self._sender.plan_stake(move, state))
        async with database.transaction():
            if request is not None and not await energy_repository.lock_unsigned_request(request.id):
                return False
            locked = await self._funds.lock(draft)
            stored = await self._wallet.sign(locked, purpose="stake", now=clock.now())
            await note(stored)
        self._reserve(draft, staked_raw)
        log.info("stake_moved", network=self._network.key, action=move.action, amount_raw=move.amount_raw)
        await self._tracker.broadcast(stored)
        return True

    def _reserve(self, draft: Draft, staked_raw: int) -> None:
        self._funds.reserve(draft)
        self._funds.balance.reserve(self._symbol, staked_raw, 0)
        self._funds.balance.gas_left_raw -= staked_raw
