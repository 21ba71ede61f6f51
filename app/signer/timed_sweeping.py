"""Sweeps where a transaction takes energy and bytes: coin to burn, loans of energy, and the sweeps themselves.

Each round looks at what deposit addresses hold and what their sweeps take, chooses a way for each (sweep_choice.py),
and takes the next step of those that can go on: coin to the address, a loan of energy, the sweep. The step after it
comes once that transaction is final, and follows from what the chain says then. So a crash in between, or energy that
somebody else has used, costs no more than another look. An address has one transaction under way at a time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from app.alerts.service import raise_alert
from app.core import clock, database
from app.core.logging import get_logger
from app.networks.config import Asset
from app.networks.port import FeeAboveCeiling, WouldFail
from app.networks.sending import Cost, Payment, Resources, StakeMove, TimedSender
from app.networks.tron.config import TronConfig
from app.signer import (
    account_sweeps_repository,
    energy_repository,
    repository,
    timed_funds_repository,
    timed_sweeps_repository,
)
from app.signer.account_sweeping import CHECK_AGAIN_IN, NOTICE_OVERLAP
from app.signer.allowed_moves import AllowedMoves
from app.signer.funds import NotNow
from app.signer.sweep_choice import Choice, Held, Sizes, Terms, Way, choose, retry_at
from app.signer.timed_funds import TimedFunds
from app.signer.timed_stake import TimedStake
from app.signer.timed_sweeps_repository import DueCandidate, Found
from app.signer.tracking import Tracker
from app.signer.wallet import Wallet

log = get_logger(__name__)

CANDIDATES_AT_ONCE = 2_000
"""Candidates that one round chooses among: those that were never looked at, then those that hold most."""

ROUND_S = 10.0
"""How long one round looks and sends: payouts come first, and must not wait long for sweeps. A provider's limit makes
each look take half a second."""

STEPS_PER_ROUND = 50
"""Transactions of one round."""

LOOK_AGAIN_IN = timedelta(hours=6)
"""How long what was found counts while a sweep waits, unless a deposit comes."""

FRESH_FOR = timedelta(seconds=15)
"""How old what was found may be when a step is taken."""

PROMISED_FOR = timedelta(hours=1)
"""How long energy is kept for a sweep whose candidate does not come back."""

PATIENCE = timedelta(minutes=30)
"""How long sweeps wait until all addresses are looked at: energy goes first to those that need it most."""


SOME_COINS = 10_000
"""As much stake as a loan takes, about: the size of a transaction follows from it."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What an address held of an asset, and what its sweep took. `cost` is None where that would be above the
    ceiling."""

    amount_raw: int
    cost: Cost | None
    resources: Resources
    at: datetime


class Promise(msgspec.Struct, frozen=True):
    """Energy that goes to one sweep, whose account is made first, or whose loan is in no block yet."""

    energy: int
    at: datetime


class TimedSweeper:
    """Sweeps one network's deposit addresses: `app.signer.funds.OwnMoves` of a network with energy."""

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
        self._native: Asset = network.native
        self._sender = sender
        self._wallet = wallet
        self._tracker = tracker
        self._funds = funds
        self._allowed = allowed
        self._stake = TimedStake(network, sender, wallet, tracker, funds, allowed)
        self._looks: dict[int, Look] = {}  # by candidate
        self._promised: dict[int, Promise] = {}  # by candidate
        self._incomplete_since: datetime | None = None
        self._alerted: set[tuple[str, datetime]] = set()
        self._steps_left = 0
        self._until_s = 0.0

    async def run(self) -> None:
        """One round: the stake that operators ask for, loans that are over, then sweeps."""
        now = clock.now()
        self._until_s = clock.monotonic_s() + ROUND_S
        await self._funds.rules.look_at_frozen()
        async with database.transaction():
            await account_sweeps_repository.notice_settled(self._network.key, NOTICE_OVERLAP, now)
        try:
            room = min(await self._funds.room(), STEPS_PER_ROUND)
        except NotNow:
            return
        self._steps_left = room - await self._stake.run(room, now)
        due = await timed_sweeps_repository.due(self._network.key, now, CANDIDATES_AT_ONCE)
        due = [
            msgspec.structs.replace(one, approved_raw=await self._allowed.dear_sweep_raw(one.approved_raw))
            for one in due
            if self._network.asset(one.asset) is not None  # as the networks file has them now
        ]
        self._looks = {key: self._looks[key] for key in self._looks.keys() & {one.id for one in due}}
        if due and not await self._is_behind():
            await self._sweep(due, now)

    async def _is_behind(self) -> bool:
        """Whether the node does not have all that was settled: addresses would seem to be empty."""
        scanned_height = await repository.scanned_height(self._network.key)
        return await self._sender.head_height() + self._network.confirmations - 1 < scanned_height

    async def _sweep(self, due: Sequence[DueCandidate], now: datetime) -> None:
        """Look at what is not known, choose, and take steps while the round lasts."""
        unknown = [candidate for candidate in due if self._is_unknown(candidate, now)]
        is_incomplete = False
        for candidate in sorted(unknown, key=lambda one: one.id in self._looks):  # what was never looked at comes first
            if self._is_over():
                is_incomplete = candidate.id not in self._looks
                break
            await self._look(candidate)
        known = {candidate.id for candidate in due}
        self._promised = {
            key: one for key, one in self._promised.items() if key not in known and now - one.at < PROMISED_FOR
        }
        terms = await self._terms()
        choices = self._choose(due, terms)
        await self._record(due, choices)
        await self._alert_failed(due, now)
        if self._must_wait(is_incomplete, now):
            return
        by_id = {candidate.id: candidate for candidate in due}
        kept = self._kept_for_tokens(due, choices)
        touched: set[str] = set()
        for key in list(choices):
            candidate = by_id[key]
            if self._is_over() or self._steps_left <= 0:
                return
            if choices[key].way is Way.WAIT or candidate.address in touched:
                continue
            if candidate.failed_at is not None and now < retry_at(candidate.failed_at, candidate.failures):
                continue
            if candidate.asset == self._native.symbol and candidate.address in kept:
                continue
            if clock.now() - self._looks[key].at > FRESH_FOR:
                await self._look(candidate)
                choices = self._choose(due, terms)
                if key not in choices or choices[key].way is Way.WAIT:
                    continue
            if await self._step(candidate, choices[key]):
                touched.add(candidate.address)

    def _is_over(self) -> bool:
        return clock.monotonic_s() > self._until_s

    def _is_unknown(self, candidate: DueCandidate, now: datetime) -> bool:
        look = self._looks.get(candidate.id)
        if look is None or now - look.at > LOOK_AGAIN_IN:
            return True
        return candidate.settled_at is not None and candidate.settled_at >= look.at

    async def _look(self, candidate: DueCandidate) -> None:
        """Read what an address holds and what its sweep takes. One that holds too little is no candidate any more."""
        asset, address, at = self._asset(candidate), candidate.address, clock.now()
        self._looks.pop(candidate.id, None)
        now_raw = (await self._sender.balances_raw([address], asset.symbol))[address]
        if now_raw < asset.sweep_min_raw:
            await account_sweeps_repository.remove(candidate.id)
            return
        # What a reorganisation could still remove is left for the next time.
        final_raw = (await self._sender.balances_raw([address], asset.symbol, final=True))[address]
        amount_raw = min(now_raw, final_raw)
        if amount_raw < asset.sweep_min_raw:
            return  # it will be final soon
        cost: Cost | None = None
        try:
            cost = await self._sender.cost(address, Payment(self._funds.hot_address, asset.symbol, amount_raw))
        except FeeAboveCeiling:
            log.info("sweep_above_ceiling", network=self._network.key, asset=asset.symbol, address=address)
        except WouldFail as error:
            # Where it is frozen, that is a case; where the token is paused, operators are told.
            if await self._funds.rules.may_sweep(asset.symbol, address, amount_raw):
                log.warning("sweep_would_fail", network=self._network.key, asset=asset.symbol, error=str(error))
            await _postpone(candidate.id)
            return
        if cost is not None:
            await timed_funds_repository.record_transfer(self._network.key, asset.symbol, "sweep", cost, at)
        resources = await self._sender.resources(address)
        self._looks[candidate.id] = Look(amount_raw=amount_raw, cost=cost, resources=resources, at=at)

    async def _terms(self) -> Terms:
        prices, hot = self._funds.prices, self._funds.resources
        lendable = hot.lendable_raw * prices.energy_per_stake // prices.stake_for_energy
        return Terms(
            prices=prices,
            sizes=await self._sizes(),
            energy=min(hot.energy, lendable) - self._network.energy_reserve,
            has_stake=hot.staked_raw > 0,
            bytes_staked=hot.bytes_staked,
            coin_raw=10**self._native.decimals,
            max_cost_bps=self._network.sweep_max_cost_bps,
        )

    async def _sizes(self) -> Sizes:
        """The bytes of the hot wallet's own transactions; amounts change them by a few."""
        some_raw, hot = SOME_COINS * 10**self._native.decimals, self._funds.hot_address
        lend = await self._sender.stake_cost(StakeMove("lend", some_raw, hot))
        reclaim = await self._sender.stake_cost(StakeMove("reclaim", some_raw, hot))
        # A payment of coin is a little smaller than a loan.
        return Sizes(gas=lend.size, lend=lend.size, reclaim=reclaim.size)

    def _choose(self, due: Sequence[DueCandidate], terms: Terms) -> dict[int, Choice]:
        """The choices by candidate, in the order in which they get energy."""
        energy = terms.energy - sum(promise.energy for promise in self._promised.values())
        terms = msgspec.structs.replace(terms, energy=max(energy, 0))
        held = [one for candidate in due if (one := self._held(candidate)) is not None]
        return {choice.key: choice for choice in choose(held, terms)}

    def _held(self, candidate: DueCandidate) -> Held | None:
        look, asset = self._looks.get(candidate.id), self._asset(candidate)
        if look is None or look.cost is None:
            return None
        return Held(
            key=candidate.id,
            amount_raw=look.amount_raw,
            coin_worth_raw=asset.coin_worth_raw,
            cost=look.cost,
            resources=look.resources,
            spent_raw=candidate.spent_raw,
            approved_raw=candidate.approved_raw,
            loans=candidate.loans,
            is_coin=asset.contract is None,
        )

    async def _record(self, due: Sequence[DueCandidate], choices: dict[int, Choice]) -> None:
        """Store what was found, for the operators' pages."""
        found = []
        for candidate in due:
            look, choice = self._looks.get(candidate.id), choices.get(candidate.id)
            if look is None:
                continue
            way, cost_raw, is_dear = Way.WAIT, None, False
            if choice is not None:
                way, cost_raw, is_dear = choice.way, choice.cost_raw, choice.is_dear
            found.append(Found(candidate.id, look.amount_raw, way, cost_raw, is_dear, look.at))
        await timed_sweeps_repository.record(found)

    def _must_wait(self, is_incomplete: bool, now: datetime) -> bool:
        """Whether other addresses are looked at first, so that energy goes to those that need it most."""
        if not is_incomplete:
            self._incomplete_since = None
            return False
        self._incomplete_since = self._incomplete_since or now
        return now - self._incomplete_since < PATIENCE

    def _kept_for_tokens(self, due: Sequence[DueCandidate], choices: dict[int, Choice]) -> set[str]:
        """The addresses whose coin a token's sweep may burn soon: it is swept after that."""
        return {
            candidate.address
            for candidate in due
            if candidate.asset != self._native.symbol
            and ((choice := choices.get(candidate.id)) is None or not choice.is_dear)
        }

    async def _alert_failed(self, due: Sequence[DueCandidate], now: datetime) -> None:
        """An alert for each sweep that has failed, when that is seen first."""
        for candidate in due:
            if candidate.failed_at is None or (candidate.address, candidate.failed_at) in self._alerted:
                continue
            self._alerted.add((candidate.address, candidate.failed_at))
            await raise_alert(
                severity="warning",
                kind="sweep_failed",
                dedupe_key=f"sweep_failed:{self._network.key}:{candidate.address}:{candidate.failed_at.isoformat()}",
                message=f"{self._network.key}: a sweep of a deposit address has failed; it is tried again later",
                details={
                    "network": self._network.key,
                    "asset": candidate.asset,
                    "address": candidate.address,
                    "failures": candidate.failures,
                },
                now=now,
            )

    async def _step(self, candidate: DueCandidate, choice: Choice) -> bool:
        """Take the next step of one sweep. False where it can't be taken now."""
        look, asset = self._looks[candidate.id], self._asset(candidate)
        if not await self._funds.rules.may_sweep(asset.symbol, candidate.address, look.amount_raw):
            await _postpone(candidate.id)
            return False
        try:
            if choice.way is Way.OWN:
                return await self._send_all(candidate, look, choice)
            if choice.coin_raw:
                return await self._send_coin(candidate, choice)
            return await self._lend(candidate, choice)
        except (FeeAboveCeiling, WouldFail) as error:
            log.warning("sweep_would_fail", network=self._network.key, asset=asset.symbol, error=str(error))
            await _postpone(candidate.id)
            return False

    async def _send_all(self, candidate: DueCandidate, look: Look, choice: Choice) -> bool:
        """The sweep itself. What the coin's own sweep burns comes out of its amount."""
        assert look.cost is not None
        amount_raw, cap_raw = look.amount_raw, look.cost.cap_raw(self._funds.prices)
        if self._asset(candidate).contract is None:
            amount_raw -= look.cost.burned_raw(self._funds.prices, look.resources)
        # What it burns is the treasury's, wherever that coin is.
        if amount_raw <= 0 or self._funds.balance.gas_left_raw < cap_raw:
            return False
        payment = Payment(self._funds.hot_address, candidate.asset, amount_raw)
        draft = await self._funds.draft(candidate.address, look.cost, lambda state: self._sender.plan([payment], state))
        self._funds.balance.gas_left_raw -= cap_raw
        async with database.transaction():
            locked = await self._funds.lock(draft)
            stored = await self._wallet.sign(locked, purpose="sweep", now=clock.now())
            await energy_repository.use_dear_approval(self._network.key, candidate.asset, candidate.address, stored.id)
        self._stepped(candidate, choice)
        await self._tracker.broadcast(stored)
        return True

    async def _send_coin(self, candidate: DueCandidate, choice: Choice) -> bool:
        """Coin to a deposit address, which its sweep burns, or which makes the account exist."""
        balance, symbol, coin_raw = self._funds.balance, self._native.symbol, choice.coin_raw
        if balance.shortage(symbol, coin_raw, 0):
            return False
        payment = Payment(candidate.address, symbol, coin_raw)
        cost = await self._sender.cost(self._funds.hot_address, payment)
        cap_raw = cost.cap_raw(self._funds.prices)
        # What the sweep will burn is the treasury's too, so it must be there for both.
        if balance.shortage(symbol, coin_raw, cap_raw) or balance.gas_left_raw < coin_raw + cap_raw:
            return False
        draft = await self._funds.draft(
            self._funds.hot_address, cost, lambda state: self._sender.plan([payment], state)
        )
        async with database.transaction():
            locked = await self._funds.lock(draft)
            stored = await self._wallet.sign(locked, purpose="gas", now=clock.now())
        self._funds.reserve(draft)
        balance.gas_left_raw -= coin_raw
        self._stepped(candidate, choice)
        await self._tracker.broadcast(stored)
        return True

    async def _lend(self, candidate: DueCandidate, choice: Choice) -> bool:
        if not await self._stake.lend(candidate.address, choice.energy):
            return False
        self._stepped(candidate, choice)
        return True

    def _stepped(self, candidate: DueCandidate, choice: Choice) -> None:
        """What was found counts no longer; what is lent to it now or next goes to no other."""
        self._steps_left -= 1
        self._looks.pop(candidate.id, None)
        if choice.energy:
            self._promised[candidate.id] = Promise(choice.energy, clock.now())
        log.info(
            "sweep_step",
            network=self._network.key,
            address=candidate.address,
            way=choice.way,
            cost_raw=choice.cost_raw,
            coin_raw=choice.coin_raw,
        )

    def _asset(self, candidate: DueCandidate) -> Asset:
        asset = self._network.asset(candidate.asset)
        assert asset is not None
        return asset


async def _postpone(candidate_id: int) -> None:
    await account_sweeps_repository.postpone(candidate_id, clock.now() + CHECK_AGAIN_IN)
