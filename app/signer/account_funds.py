"""The hot wallet of a network with accounts: one account, whose transactions are mined in the order of their nonces.

A withdrawal is a transaction of its own. A deposit address is an account too: what is said here of standing and fees
holds for its sweeps (account_sweeping.py).
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.networks.config import NetworkConfig
from app.networks.port import FeeAboveCeiling, WouldFail
from app.networks.sending import AccountSender, AccountState, Broadcast, Draft, FeeRate, Payment, Receipt
from app.signer import account_nonces_repository, wallet_snapshot
from app.signer.account_spendable import SpendableBalance
from app.signer.account_spends import SpendWatch
from app.signer.funds import NotNow, Preview, Standing, UnknownTransaction
from app.signer.low_balance import LowBalance
from app.signer.previews import about, facts
from app.signer.repository import Stored
from app.signer.token_rules import TokenRules
from app.signer.treasury import Treasury
from app.withdrawals.digest import Intent

MAX_UNMINED = 64
"""Transactions of the hot wallet in no block yet. Nodes queue about as many of one sender (geth's
--txpool.accountqueue) and drop what is beyond."""


class AccountFunds:
    """`app.signer.funds.Funds` of one network with accounts."""

    batch = 1
    batch_window_s = 0
    renewal = None

    def __init__(self, network: NetworkConfig, sender: AccountSender, treasury: Treasury) -> None:
        if network.hot_wallet_address is None or network.native is None:
            raise ValueError(f"network {network.key} has no hot wallet")
        self.hot_address = network.hot_wallet_address
        self._network = network
        self._native = network.native.symbol
        self._native_decimals = network.native.decimals
        self._sender = sender
        self._rules = TokenRules(network, sender, self.hot_address)
        self._treasury = treasury
        self._spends = SpendWatch(network, sender, self.hot_address)
        self._chain_nonce = 0
        self._balance = SpendableBalance(self._native, {}, 0)
        self._rate: FeeRate | None = None
        self._low = LowBalance(network.key)

    @property
    def balance(self) -> SpendableBalance:
        """What this round can still spend."""
        return self._balance

    @property
    def rules(self) -> TokenRules:
        """The rules for the network's tokens, which its sweeps follow too."""
        return self._rules

    async def watch(self) -> None:
        """Compare the chain's count of our accounts' transactions with the books, once for each new block."""
        await self._spends.look()

    async def begin_round(self, now: datetime) -> None:
        """Read the hot wallet's nonce and balances. Raises UnknownTransaction if the books have signed fewer."""
        hot = self.hot_address
        self._chain_nonce = (await self._sender.next_nonces([hot]))[hot]
        signed = await account_nonces_repository.next_nonce(self._network.key, hot)
        if self._chain_nonce > signed:
            raise UnknownTransaction(
                f"the chain has {self._chain_nonce} transactions of the hot wallet, the books have signed {signed}:"
                f" account for each, then `swap-pay signer adopt-nonce --network {self._network.key}"
                f" --nonce {self._chain_nonce}`"
            )
        self._balance = await self._spendable(now)

    async def room(self) -> int:
        """How many transactions nodes still queue for the hot wallet. Raises FeeAboveCeiling."""
        self._rate = await self._sender.fee_rate()
        return MAX_UNMINED - await account_nonces_repository.unmined_count(self._network.key, self.hot_address)

    def shortage(self, asset: str, amount_raw: int) -> str | None:
        """What the hot wallet lacks for a payment, gas left out."""
        return self._balance.shortage(asset, amount_raw, 0)

    async def preview(self, intent: Intent) -> Preview:
        """What the transfer would cost at the fee of the newest block."""
        state = await self._rules.state(intent.asset, [self.hot_address, intent.destination])
        cost_raw, problem = None, None
        try:
            cost_raw = await self._cost_raw(Payment(intent.destination, intent.asset, intent.amount_raw))
        except FeeAboveCeiling:
            problem = "the network asks a higher fee than the ceiling"
        except WouldFail:
            held_raw = (await self._sender.balances_raw([self.hot_address], intent.asset))[self.hot_address]
            problem = "the network would refuse this transfer now"
            if held_raw < intent.amount_raw:
                problem = f"the hot wallet holds too little {intent.asset}"
        words = f"not known now: {problem}"
        if cost_raw is not None:
            words = f"about {about(cost_raw, self._native_decimals)} {self._native} at today's fee"
        is_contract = await self._sender.is_contract(intent.destination)
        return facts(state, intent, words, cost_raw, is_contract=is_contract)

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        """A transfer from the hot wallet, under the nonce that the chain has next. Raises Refused too."""
        (intent,) = intents
        assert self._rate is not None, "room() comes first"
        # Before the estimate, which a node refuses where the balance is short.
        self._refuse_short(intent, 0)
        await self._rules.check_payment(intent)
        payment = Payment(intent.destination, intent.asset, intent.amount_raw)
        state = AccountState(
            sender=self.hot_address,
            nonce=self._chain_nonce,
            gas_limit=await self._sender.gas_limit(self.hot_address, payment),
            max_fee_raw=self._rate.max_raw,
            priority_fee_raw=self._rate.priority_raw,
        )
        draft = await with_data_fee(self._sender, payment, state)
        self._refuse_short(intent, draft.fee_cap_raw)
        return draft

    async def lock(self, draft: Draft) -> Draft:
        """Lock the hot wallet's nonce and step it."""
        return await self.lock_nonce(draft, self._chain_nonce)

    async def record(self, stored: Stored) -> None:
        """Nothing: `lock` has stepped the nonce, and balances are read anew each round."""

    async def send(self, stored: Stored) -> Broadcast:
        return await self._sender.broadcast(stored.signed)

    def reserve(self, draft: Draft) -> None:
        """Reserve a transfer and its gas."""
        for payment in draft.payments:
            self._balance.reserve(payment.asset_symbol, payment.amount_raw, 0)
        self._balance.reserve(self._native, 0, draft.fee_cap_raw)

    async def chain_nonce(self, address: str) -> int:
        """How many transactions the chain has of an account; an alert where that is more than the books have signed."""
        nonce = (await self._sender.next_nonces([address]))[address]
        await self._spends.compare({address: nonce})
        return nonce

    async def lock_nonce(self, draft: Draft, chain_nonce: int) -> Draft:
        """The draft under the next nonce of its account, which is locked and stepped in the caller's transaction."""
        assert draft.sender is not None
        nonce = await account_nonces_repository.lock_nonce(self._network.key, draft.sender, chain_nonce)
        await account_nonces_repository.set_nonce(self._network.key, draft.sender, nonce + 1)
        return self._sender.with_nonce(draft, nonce)

    async def is_final(self, stored: Stored, receipt: Receipt) -> bool:
        return receipt.confirmations >= self._network.confirmations

    async def standings(self, lineages: Sequence[Sequence[Stored]]) -> list[Standing]:
        """A nonce is used once the count of the account's transactions passes it, for good in a final block."""
        addresses = sorted({lineage[-1].from_address for lineage in lineages if lineage[-1].from_address is not None})
        final_height = await self._sender.confirmed_height()
        counts = await self._sender.next_nonces(addresses)
        final = await self._sender.next_nonces(addresses, final_height) if final_height >= 0 else {}
        standings = []
        for lineage in lineages:
            address, nonce = lineage[-1].from_address, lineage[-1].nonce
            if address is None or nonce is None:
                standings.append(Standing())
            elif nonce < final.get(address, 0):
                used_by = await self._sender.who_used(address, nonce, final_height)
                standings.append(Standing(is_used=True, used_by=used_by))
            else:
                if nonce < counts[address]:
                    await self._spends.look_at_nonce(address, nonce, [stored.txid for stored in lineage])
                standings.append(Standing(is_next=nonce == counts[address]))
        return standings

    async def bump(self, last: Stored) -> Draft:
        """The same nonce and payment at a higher fee, if sender and treasury have the additional cost."""
        is_coin_sweep = last.purpose == "sweep" and last.payments[0].asset_symbol == self._native
        draft = self._sender.bump(
            last.draft,
            await self._sender.fee_rate(),
            await self._sender.data_fee_raw(last.draft),
            fee_from_amount=is_coin_sweep,
        )
        if draft is None:
            raise FeeAboveCeiling(f"{self._network.key}: a bump would cost more than the ceiling")
        if not await self._can_afford(last, draft):
            raise NotNow("the hot wallet holds too little for the fee that the network asks", is_short=True)
        return draft

    async def _cost_raw(self, payment: Payment) -> int:
        """About what a transfer from the hot wallet costs now: nobody pays the most that it offers."""
        rate = await self._sender.fee_rate()
        gas_limit = await self._sender.gas_limit(self.hot_address, payment)
        price_raw = rate.base_raw + rate.priority_raw
        state = AccountState(
            sender=self.hot_address,
            nonce=self._chain_nonce,
            gas_limit=gas_limit,
            max_fee_raw=price_raw,
            priority_fee_raw=rate.priority_raw,
        )
        return (await with_data_fee(self._sender, payment, state)).fee_cap_raw

    async def _can_afford(self, last: Stored, draft: Draft) -> bool:
        sender, coin = draft.sender, self._native
        assert sender is not None
        more_raw = draft.fee_cap_raw - last.fee_cap_raw
        if await self._treasury.fees_left_raw() < more_raw:
            return False
        balance_raw = (await self._sender.balances_raw([sender], coin))[sender]
        reserved = await account_nonces_repository.unmined_raw(self._network.key, sender, coin)
        less_raw = last.payments[0].amount_raw - draft.payments[0].amount_raw
        return balance_raw - reserved.get(coin, 0) >= more_raw - less_raw

    def _refuse_short(self, intent: Intent, fee_raw: int) -> None:
        if shortage := self._balance.shortage(intent.asset, intent.amount_raw, fee_raw):
            raise NotNow(shortage, is_short=True)

    async def _spendable(self, now: datetime) -> SpendableBalance:
        """What can be spent in this round. Records it for operators, and raises an alert where it is low."""
        held: dict[str, int] = {}
        free: dict[str, int] = {}
        hot = self.hot_address
        reserved = await account_nonces_repository.unmined_raw(self._network.key, hot, self._native)
        for asset in self._network.assets:
            held_raw = (await self._sender.balances_raw([hot], asset.symbol))[hot]
            held[asset.symbol] = held_raw
            free[asset.symbol] = held_raw - reserved.get(asset.symbol, 0)
            await self._low.check(asset.symbol, held_raw, asset.hot_low_raw, now)
        gas_left_raw = await self._treasury.fees_left_raw()
        await wallet_snapshot.record(self._network.key, held, free, {self._native: gas_left_raw}, now)
        return SpendableBalance(self._native, free, gas_left_raw)


async def with_data_fee(sender: AccountSender, payment: Payment, state: AccountState) -> Draft:
    """The draft of a payment, with what a rollup charges now for its data reserved. Calls a node."""
    data_fee_raw = await sender.data_fee_raw(sender.plan([payment], state))
    return sender.plan([payment], msgspec.structs.replace(state, data_fee_raw=data_fee_raw))
