"""The hot wallet of a network whose accounts don't count their transactions: a block may hold each until a time.

A withdrawal is a transaction of its own. Nothing on chain excludes a second one for the same withdrawal, so another
attempt is drafted only when the first is dead by all of these:

1. our own scan has a final block S whose time is at or past the end of its time, and no child of S can hold it;
2. the node's newest final block is in our scan, at S or above: so S is final, and every block up to it is in the scan;
3. our own scan has none of the attempts in any block;
4. every configured node says, beside that, that none of them is in a final block.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from app.core import clock
from app.networks.port import BlockRef, ChainMoved, FeeAboveCeiling, WouldFail
from app.networks.sending import (
    Broadcast,
    Cost,
    Draft,
    Payment,
    Prices,
    Receipt,
    Reference,
    Resources,
    TimedSender,
    TimedState,
)
from app.networks.tron.config import TronConfig
from app.signer import account_book_repository, account_nonces_repository, timed_funds_repository, wallet_snapshot
from app.signer.account_spendable import SpendableBalance
from app.signer.funds import NotNow, Preview, Standing, UnknownTransaction
from app.signer.low_balance import LowBalance
from app.signer.previews import about, facts
from app.signer.repository import Stored
from app.signer.timed_presence import Presence
from app.signer.token_rules import TokenRules
from app.signer.treasury import Treasury
from app.withdrawals.digest import Intent

MAX_UNMINED = 50
"""Transactions of the hot wallet in no block yet. Where a node takes none to a block, all of them must expire before
anything is signed anew."""

ENERGY = "energy"

MAY_LACK = "the signer was away: it waits until nothing that an older database lacks can still be mined"

MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Drafter = Callable[[TimedState], Draft]
"""Makes a draft of what it depends on: `plan` or `plan_stake` of the sender, with what it pays or moves."""


class TimedFunds:
    """`app.signer.funds.Funds` and `Renewal` of one network."""

    batch = 1
    batch_window_s = 0

    def __init__(self, network: TronConfig, sender: TimedSender, treasury: Treasury) -> None:
        if network.hot_wallet_address is None or network.native is None:
            raise ValueError(f"network {network.key} has no hot wallet")
        self.hot_address = network.hot_wallet_address
        self._network = network
        self._native = network.native
        self._sender = sender
        self._rules = TokenRules(network, sender, self.hot_address)
        self._treasury = treasury
        self._low = LowBalance(network.key)
        self._presence = Presence(network)
        self._waits_for_lost = False
        self._reference: Reference | None = None
        self._round: Round | None = None
        self._drafters: dict[Draft, tuple[Drafter, TimedState]] = {}

    @property
    def renewal(self) -> "TimedFunds":
        return self

    @property
    def rules(self) -> TokenRules:
        """The rules for the network's tokens, which its sweeps follow too."""
        return self._rules

    @property
    def balance(self) -> SpendableBalance:
        """What this round can still spend."""
        return self._now.balance

    @property
    def prices(self) -> Prices:
        """What resources cost in this round."""
        return self._now.prices

    @property
    def resources(self) -> Resources:
        """What the hot wallet had to pay fees with at the beginning of this round."""
        return self._now.resources

    async def watch(self) -> None:
        """Forget what the last round has read. The watcher raises the alerts, with the block."""
        await self._presence.write()
        self._reference = None
        self._round = None
        self._drafters.clear()

    async def begin_round(self, now: datetime) -> None:
        """Read balances, prices and resources. Raises UnknownTransaction if the hot wallet has sent a transaction that
        the books don't have, ChainMoved while the watcher has not read the newest final block."""
        await self._scanned_final()
        # Before what follows: by the end of this wait, our own scan has all that the books lack.
        self._waits_for_lost = await self._presence.may_lack(await self._final_reference())
        unknown = await account_book_repository.unknown(self._network.key, self.hot_address)
        if unknown:
            raise UnknownTransaction(
                f"the hot wallet has sent transaction {unknown[0]}, which the books don't have ({len(unknown)} such"
                f" transactions): attach it to what it paid, or `swap-pay signer account-for --network"
                f" {self._network.key} --txid {unknown[0]}`"
            )
        prices, resources = await self._sender.prices(), await self._sender.resources(self.hot_address)
        self._round = Round(prices, resources, await self._spendable(prices, resources, now))

    async def room(self) -> int:
        """How many more may wait for a block. Raises NotNow while the books may lack what was signed before."""
        self._refuse_lost()
        return MAX_UNMINED - await account_nonces_repository.unmined_count(self._network.key, self.hot_address)

    def shortage(self, asset: str, amount_raw: int) -> str | None:
        """What the hot wallet lacks for a payment, fees left out."""
        return self.balance.shortage(asset, amount_raw, 0)

    async def preview(self, intent: Intent) -> Preview:
        """What the transfer would cost now, and what of it staked coin would pay."""
        state = await self._rules.state(intent.asset, [self.hot_address, intent.destination])
        cost_raw, problem, cost = None, "", None
        try:
            cost = await self._cost(_payment(intent))
        except FeeAboveCeiling:
            problem = "it would cost more than the ceiling"
        except WouldFail:
            held_raw = (await self._sender.balances_raw([self.hot_address], intent.asset))[self.hot_address]
            problem = "the network would refuse this transfer now"
            if held_raw < intent.amount_raw:
                problem = f"the hot wallet holds too little {intent.asset}"
        words = f"not known now: {problem}"
        if cost is not None:
            prices, resources = await self._sender.prices(), await self._sender.resources(self.hot_address)
            cost_raw = cost.burned_raw(prices, resources)
            words = self._cost_in_words(cost, prices, resources)
        is_contract = await self._sender.is_contract(intent.destination)
        activates = cost is not None and cost.activates
        return facts(state, intent, words, cost_raw, is_contract=is_contract, is_new_account=activates)

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        """A transfer from the hot wallet, whose most expensive outcome hot wallet and treasury can pay. Raises Refused
        too."""
        (intent,) = intents
        # Before the simulation, which fails where the balance is short.
        self._refuse_short(intent, 0)
        await self._rules.check_payment(intent)
        payment = _payment(intent)
        cost = await self._cost(payment)
        self._refuse_short(intent, cost.cap_raw(self.prices))
        return await self.draft(self.hot_address, cost, lambda state: self._sender.plan([payment], state))

    async def draft(self, address: str, cost: Cost, make: Drafter) -> Draft:
        """A draft of an account of ours, which `lock` gives its salt. Within a round."""
        state = TimedState(
            sender=address,
            reference=await self._final_reference(),
            salt=_milliseconds(clock.now()),
            cost=cost,
            cap_raw=cost.cap_raw(self.prices),
        )
        draft = make(state)
        self._drafters[draft] = make, state
        return draft

    async def lock(self, draft: Draft) -> Draft:
        """Lock the sender, and make the draft with a salt that no other transaction of the sender has: two equal
        payments would be one transaction."""
        make, state = self._drafters.pop(draft)
        least = _milliseconds(clock.now())
        salt = await account_nonces_repository.lock_nonce(self._network.key, state.sender, least)
        await account_nonces_repository.set_nonce(self._network.key, state.sender, salt + 1)
        return make(msgspec.structs.replace(state, salt=salt))

    async def record(self, stored: Stored) -> None:
        """Nothing: `lock` has taken the salt, and balances are read anew each round."""

    async def send(self, stored: Stored) -> Broadcast:
        return await self._sender.broadcast(stored.signed)

    def reserve(self, draft: Draft) -> None:
        """Reserve a transfer and the most that it can cost."""
        self._set_aside(draft, 1)

    async def is_final(self, stored: Stored, receipt: Receipt) -> bool:
        """Whether its block is final, and our own scan has it there: a receipt is a node's word."""
        if receipt.confirmations < self._network.confirmations:
            return False
        final = await self._scanned_final()
        mined = await account_book_repository.mined_in(self._network.key, [stored.txid])
        return receipt.height <= final.height and mined.get(stored.txid) == receipt.block_hash

    async def standings(self, lineages: Sequence[Sequence[Stored]]) -> list[Standing]:
        """Whether the time of each is over, and whether it is dead (the module's rule)."""
        reference = await self._final_reference()
        txids = [stored.txid for lineage in lineages for stored in lineage]
        mined = await account_book_repository.mined_in(self._network.key, txids)
        over = [self._sender.expires_at(lineage[-1].draft) <= reference.head_time for lineage in lineages]
        past = [
            is_over and lineage[-1].txid not in mined and await self._is_past(lineage[-1])
            for lineage, is_over in zip(lineages, over, strict=True)
        ]
        asked = [
            stored.txid
            for lineage, is_past in zip(lineages, past, strict=True)
            for stored in lineage
            if is_past and stored.txid not in mined
        ]
        absent = await self._sender.absent(asked) if asked else {}
        return [
            Standing(
                is_next=False,
                is_over=is_over,
                is_dead=is_past and all(absent.get(one.txid, False) for one in lineage if one.txid not in mined),
                revived=next((one.txid for one in lineage[:-1] if one.txid in mined), None),
            )
            for lineage, is_over, is_past in zip(lineages, over, past, strict=True)
        ]

    async def bump(self, last: Stored) -> Draft:
        """Never: what a node would take in its place would be a second payment."""
        raise FeeAboveCeiling(f"{self._network.key}: a transaction keeps its fee limit")

    async def renew(self, last: Stored) -> Draft:
        """The same payment anew, in a round of its own."""
        if self._round is None:
            await self.begin_round(clock.now())
        self._refuse_lost()
        (payment,), (withdrawal,) = last.payments, last.withdrawal_ids
        intent = Intent(
            withdrawal, payment.asset_symbol, self._network.key, payment.amount_raw, payment.to_address, None
        )
        self._set_aside(last.draft, -1)
        try:
            draft = await self.plan([intent])
        except BaseException:
            self._set_aside(last.draft, 1)
            raise
        self.reserve(draft)
        return draft

    async def is_mined(self, txids: Sequence[str]) -> bool:
        return bool(await account_book_repository.mined_in(self._network.key, txids))

    def _refuse_lost(self) -> None:
        if self._waits_for_lost:
            raise NotNow(MAY_LACK, is_short=False)

    @property
    def _now(self) -> "Round":
        assert self._round is not None, "begin_round comes first"
        return self._round

    async def _final_reference(self) -> Reference:
        """The chain's newest final block and clock, read once in a round."""
        if self._reference is None:
            self._reference = await self._sender.reference()
        return self._reference

    async def _scanned_final(self) -> BlockRef:
        """The node's newest final block, which our own scan has too. Raises ChainMoved where it has not, or has another
        one there."""
        final = (await self._final_reference()).final
        known = await timed_funds_repository.hash_at(self._network.key, final.height)
        if known != final.hash:
            raise ChainMoved(f"{self._network.key}: the watcher has not read the final block {final.height}")
        return final

    async def _is_past(self, stored: Stored) -> bool:
        """Whether our own scan has all blocks that could hold a transaction, and they are final."""
        final = (await self._final_reference()).final
        if await timed_funds_repository.hash_at(self._network.key, final.height) != final.hash:
            return False
        expires_at = self._sender.expires_at(stored.draft)
        last = await timed_funds_repository.first_height_from(self._network.key, expires_at)
        return last is not None and last <= final.height

    async def _cost(self, payment: Payment) -> Cost:
        """What a payment of the hot wallet takes now, stored for operators. Raises WouldFail and FeeAboveCeiling."""
        cost = await self._sender.cost(self.hot_address, payment)
        await timed_funds_repository.record_transfer(
            self._network.key, payment.asset_symbol, "payout", cost, clock.now()
        )
        return cost

    def _set_aside(self, draft: Draft, times: Literal[1, -1]) -> None:
        for payment in draft.payments:
            self.balance.reserve(payment.asset_symbol, times * payment.amount_raw, 0)
        self.balance.reserve(self._native.symbol, 0, times * draft.fee_cap_raw)

    def _refuse_short(self, intent: Intent, fee_raw: int) -> None:
        if shortage := self.balance.shortage(intent.asset, intent.amount_raw, fee_raw):
            raise NotNow(shortage, is_short=True)

    def _cost_in_words(self, cost: Cost, prices: Prices, resources: Resources) -> str:
        """What is burned with what the hot wallet has now, and what would be if all of the energy were staked."""
        cost_raw, coin = cost.burned_raw(prices, resources), self._native.symbol
        if not cost_raw:
            return f"no {coin}: staked and free resources suffice"
        words = f"about {about(cost_raw, self._native.decimals)} {coin}"
        if cost.energy > resources.energy:
            staked = msgspec.structs.replace(resources, energy=cost.energy)
            rest = about(cost.burned_raw(prices, staked), self._native.decimals)
            words += f", of which {rest} {coin} if all energy is staked"
        return words

    async def _spendable(self, prices: Prices, resources: Resources, now: datetime) -> SpendableBalance:
        """What can be spent in this round. Records it for operators, and raises an alert where something is low."""
        key, hot, coin = self._network.key, self.hot_address, self._native.symbol
        held: dict[str, int] = {}
        free: dict[str, int] = {}
        reserved = await account_nonces_repository.unmined_raw(key, hot, coin)
        for asset in self._network.assets:
            held_raw = (await self._sender.balances_raw([hot], asset.symbol))[hot]
            held[asset.symbol] = held_raw
            spendable_raw = resources.spendable_raw if asset.symbol == coin else held_raw
            free[asset.symbol] = spendable_raw - reserved.get(asset.symbol, 0)
            await self._low.check(asset.symbol, spendable_raw, asset.hot_low_raw, now)
        await self._low.check(ENERGY, resources.energy, self._network.least_energy, now)
        # What is staked, lent or not free again yet is the treasury's, and pays no fees.
        gas_left_raw = await self._treasury.fees_left_raw() - (held[coin] - resources.spendable_raw)
        await wallet_snapshot.record(key, held, free, {coin: gas_left_raw}, now)
        await timed_funds_repository.record_resources(key, resources, prices, now)
        return SpendableBalance(coin, free, gas_left_raw)


class Round:
    """What one round has read, and what it can still spend."""

    __slots__ = ("balance", "prices", "resources")

    def __init__(self, prices: Prices, resources: Resources, balance: SpendableBalance) -> None:
        self.prices = prices
        self.resources = resources
        self.balance = balance


def _payment(intent: Intent) -> Payment:
    return Payment(intent.destination, intent.asset, intent.amount_raw)


def _milliseconds(moment: datetime) -> int:
    return (moment - EPOCH) // MILLISECOND
