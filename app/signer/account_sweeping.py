"""Sweeps: send what deposit addresses hold to the hot wallet where it is worth the gas, which the hot wallet pays.

A deposit address holds no gas of its own for a token. So a sweep of a token needs two transactions: gas from the hot
wallet, then the token. Both are stored and tracked like any other, and the watcher recognises them. Only their gas
changes a ledger, the treasury's. An address has one transaction under way at a time.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from app.core import clock, database
from app.core.logging import get_logger
from app.networks.config import Asset, NetworkConfig
from app.networks.port import FeeAboveCeiling, WouldFail
from app.networks.sending import AccountSender, AccountState, Draft, FeeRate, Payment
from app.signer import account_sweeps_repository, repository
from app.signer.account_funds import AccountFunds, with_data_fee
from app.signer.account_spendable import SpendableBalance
from app.signer.account_sweeps_repository import Candidate
from app.signer.repository import Purpose
from app.signer.tracking import Tracker
from app.signer.wallet import Wallet

log = get_logger(__name__)

SWEEPS_PER_ROUND = 50
"""Transactions of one round: payouts come first, and must not wait long for a round of sweeps."""

READ_AT_ONCE = 500
"""Addresses whose balances are read in one round."""

NOTICE_OVERLAP = timedelta(minutes=2)
"""How far behind the mark deposits are read again: a transaction may commit later than its `settled_at`."""

WORTH_GAS_TIMES = 4
"""The native coin is swept where it is at least so many times the gas that it costs."""

CHECK_AGAIN_IN = timedelta(hours=1)
"""When an address is checked again that is not worth its gas now, or whose token can't be transferred now. One whose
tokens are frozen is a case (token_rules.py), and no candidate until that ends."""

FUNDING = (3, 2)
"""An address is funded with half as much again as its gas costs now: the price may rise before it is used."""


class AccountSweeper:
    """Sweeps one network's deposit addresses: `app.signer.funds.OwnMoves` of a network with accounts."""

    def __init__(
        self, network: NetworkConfig, sender: AccountSender, wallet: Wallet, tracker: Tracker, funds: AccountFunds
    ) -> None:
        assert network.native is not None
        self._network = network
        self._native: Asset = network.native
        self._sender = sender
        self._wallet = wallet
        self._tracker = tracker
        self._funds = funds
        self._left = 0

    async def run(self) -> None:
        """One round: notice settled deposits, then sweep or fund the addresses that have waited longest."""
        balance = self._funds.balance
        await self._funds.rules.look_at_frozen()
        now = clock.now()
        async with database.transaction():
            await account_sweeps_repository.notice_settled(self._network.key, NOTICE_OVERLAP, now)
        candidates = await account_sweeps_repository.candidates(
            self._network.key, self._native.symbol, now, READ_AT_ONCE
        )
        self._left = SWEEPS_PER_ROUND
        if not candidates:
            return
        final_height = await self._sender.confirmed_height()
        scanned_height = await repository.scanned_height(self._network.key)
        if final_height < 0 or final_height + self._network.confirmations - 1 < scanned_height:
            return  # a node that lags behind does not have what was settled: addresses would seem to be empty
        try:
            rate = await self._sender.fee_rate()
        except FeeAboveCeiling:
            return
        for symbol in sorted({candidate.asset for candidate in candidates}, key=lambda s: s == self._native.symbol):
            asset = self._network.asset(symbol)
            if asset is not None:  # an asset that the networks file no longer has is not swept
                holding = [candidate for candidate in candidates if candidate.asset == symbol]
                await self._sweep_asset(asset, holding, final_height, rate, balance)

    async def _sweep_asset(
        self, asset: Asset, holding: Sequence[Candidate], final_height: int, rate: FeeRate, balance: SpendableBalance
    ) -> None:
        addresses = [candidate.address for candidate in holding]
        now_raw = await self._sender.balances_raw(addresses, asset.symbol)
        final_raw = await self._sender.balances_raw(addresses, asset.symbol, final_height)
        coin_raw = await self._sender.balances_raw(addresses, self._native.symbol)
        for candidate in holding:
            address = candidate.address
            # What a reorganisation could still remove is left for the next time.
            amount_raw = min(now_raw[address], final_raw[address])
            if self._left == 0:
                return
            if now_raw[address] < asset.sweep_min_raw:
                await account_sweeps_repository.remove(candidate.id)
            elif amount_raw < asset.sweep_min_raw:
                continue  # it will be final soon
            elif asset.contract is None:
                await self._sweep_coin(candidate, amount_raw, rate, balance)
            else:
                await self._sweep_token(candidate, asset, amount_raw, coin_raw[address], rate, balance)

    async def _sweep_coin(self, candidate: Candidate, held_raw: int, rate: FeeRate, balance: SpendableBalance) -> None:
        """Send the whole balance, less the gas. The priority fee is the maximum fee, so that the gas costs exactly what
        was set aside, and nothing remains. On a rollup the data may cost less than was set aside; the remainder is
        part of the next sweep."""
        hot, symbol, address = self._funds.hot_address, self._native.symbol, candidate.address
        price_raw = min(rate.base_raw * 5 // 4 + rate.priority_raw, rate.max_raw)
        state = AccountState(
            sender=address,
            nonce=0,
            gas_limit=await self._sender.gas_limit(address, Payment(hot, symbol, 1)),
            max_fee_raw=price_raw,
            priority_fee_raw=price_raw,
        )
        draft = await with_data_fee(self._sender, Payment(hot, symbol, held_raw), state)
        if held_raw < WORTH_GAS_TIMES * draft.fee_cap_raw:
            await _postpone(candidate.id)
            return
        if balance.gas_left_raw < draft.fee_cap_raw:
            return  # the gas is the treasury's, although the coin comes from a deposit
        less = Payment(hot, symbol, held_raw - draft.fee_cap_raw)
        balance.gas_left_raw -= draft.fee_cap_raw
        await self._send(msgspec.structs.replace(draft, payments=(less,)), "sweep", candidate.id)

    async def _sweep_token(
        self,
        candidate: Candidate,
        asset: Asset,
        amount_raw: int,
        coin_raw: int,
        rate: FeeRate,
        balance: SpendableBalance,
    ) -> None:
        hot, address = self._funds.hot_address, candidate.address
        if not await self._funds.rules.may_sweep(asset.symbol, address, amount_raw):
            await _postpone(candidate.id)
            return
        payment = Payment(hot, asset.symbol, amount_raw)
        try:
            gas_limit = await self._sender.gas_limit(address, payment)
        except WouldFail as error:
            log.warning("sweep_would_fail", network=self._network.key, asset=asset.symbol, error=str(error))
            await _postpone(candidate.id)
            return
        state = self._state(address, gas_limit, rate)
        draft = await with_data_fee(self._sender, payment, state)
        # As much as the address can pay, if a block would include it soon.
        data_fee_raw = draft.fee_cap_raw - gas_limit * rate.max_raw
        max_fee_raw = min(rate.max_raw, (coin_raw - data_fee_raw) // gas_limit)
        if max_fee_raw < rate.base_raw * 9 // 8 + rate.priority_raw:
            budget_raw = draft.fee_cap_raw * FUNDING[0] // FUNDING[1]
            await self._fund(candidate, budget_raw - coin_raw, rate, balance)
            return
        state = msgspec.structs.replace(state, max_fee_raw=max_fee_raw, data_fee_raw=data_fee_raw)
        draft = self._sender.plan([payment], state)
        if balance.gas_left_raw < draft.fee_cap_raw:
            return
        balance.gas_left_raw -= draft.fee_cap_raw
        await self._send(draft, "sweep", candidate.id)

    async def _fund(self, candidate: Candidate, amount_raw: int, rate: FeeRate, balance: SpendableBalance) -> None:
        """Send an address gas for its token; the candidate stays, and is swept once the gas is there."""
        hot, symbol = self._funds.hot_address, self._native.symbol
        if balance.shortage(symbol, amount_raw, 0):
            return
        payment = Payment(candidate.address, symbol, amount_raw)
        state = self._state(hot, await self._sender.gas_limit(hot, payment), rate)
        draft = await with_data_fee(self._sender, payment, state)
        # The gas that the funded sweep will use is the treasury's too, so it must be there for both.
        if balance.shortage(symbol, amount_raw, draft.fee_cap_raw) or balance.gas_left_raw < (
            amount_raw + draft.fee_cap_raw
        ):
            return
        balance.reserve(symbol, amount_raw, draft.fee_cap_raw)
        balance.gas_left_raw -= amount_raw
        await self._send(draft, "gas", None)

    def _state(self, address: str, gas_limit: int, rate: FeeRate) -> AccountState:
        return AccountState(
            sender=address, nonce=0, gas_limit=gas_limit, max_fee_raw=rate.max_raw, priority_fee_raw=rate.priority_raw
        )

    async def _send(self, draft: Draft, purpose: Purpose, candidate_id: int | None) -> None:
        assert draft.sender is not None
        self._left -= 1
        chain_nonce = await self._funds.chain_nonce(draft.sender)
        now = clock.now()
        async with database.transaction():
            locked = await self._funds.lock_nonce(draft, chain_nonce)
            stored = await self._wallet.sign(locked, purpose=purpose, now=now)
            if candidate_id is not None:
                await account_sweeps_repository.remove(candidate_id)
        await self._tracker.broadcast(stored)


async def _postpone(candidate_id: int) -> None:
    """Check the candidate again later, when gas may be cheaper."""
    await account_sweeps_repository.postpone(candidate_id, clock.now() + CHECK_AGAIN_IN)
