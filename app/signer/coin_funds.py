"""The coins of a network, as withdrawals are paid from them: many payments in one transaction, the rest as change.

A transaction whose change another one of ours spends is never replaced: the later one would fall with it, and its
payments would have to be signed anew. What helps is a higher fee of the youngest of them, which miners get only with
all that it comes from (child pays for parent). All other transactions are replaced by one that spends the same coins,
and one more that is in a block if need be (BIP-125).
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from app.core import clock
from app.networks.bitcoin import fees
from app.networks.bitcoin.coins import MAX_PAYMENTS, Coin, NotEnough, TooLarge, claim
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.fees import MAX_CHAIN, VB_PER_RATE, InPool, NoEstimate
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.bitcoin.spending import CoinState, Form, form_of
from app.networks.port import ChainMoved, FeeAboveCeiling, WouldFail
from app.networks.sending import Broadcast, Draft, Payment, Receipt
from app.signer import (
    coin_funds_repository,
    coin_spendable,
    coins_repository,
    fee_looks_repository,
    repository,
    wallet_snapshot,
)
from app.signer.coin_spendable import SpendableCoins
from app.signer.funds import NotNow, Preview, Standing, UnknownTransaction
from app.signer.low_balance import LowBalance
from app.signer.previews import about
from app.signer.repository import Stored
from app.signer.treasury import Treasury
from app.withdrawals.digest import Intent

RAISE = (5, 4)
"""A replacement offers at least so many times the rate of what it replaces: each one delays the change."""

SHOW_RATE_EVERY = timedelta(seconds=30)
"""How old the rate on the operators' page may be."""

NO_ESTIMATE = "the node can't estimate the network's fees yet"
FEE_TOO_HIGH = "the network asks a higher fee than the ceiling"
NEEDS_BLOCK = "earlier transactions or payments to us wait for a block"
CANT_RAISE = "a higher fee would be above the ceiling, or more than our coins in blocks suffice for"
TAKEN = "its coins were used meanwhile"
TOO_MANY_COINS = "it would take too many small coins for one transaction: they must be consolidated first"


class CoinFunds:
    """`app.signer.funds.Funds` of one network with coins."""

    batch = MAX_PAYMENTS
    renewal = None

    def __init__(self, network: BitcoinConfig, sender: BitcoinSender, treasury: Treasury) -> None:
        self.batch_window_s = network.batch_window_s
        self._network = network
        self._symbol = network.coin.symbol
        self._short = f"the hot wallet holds too little {self._symbol}"
        self._sender = sender
        self._treasury = treasury
        self._low = LowBalance(network.key)
        self._ceiling = network.max_fee_rate_sat_vb * VB_PER_RATE
        self._checked_height: int | None = None  # up to there every spend of our coins is in the books
        self._spendable = SpendableCoins((), 0, 0, 1)
        self._rate: int | None = None
        self._shown_at: datetime | None = None

    @property
    def spendable(self) -> SpendableCoins:
        """What this round can still spend."""
        return self._spendable

    async def watch(self) -> None:
        """Nothing: the watcher raises the alert, in the transaction that stores the block."""

    async def begin_round(self, now: datetime) -> None:
        """Read our coins. Raises UnknownTransaction if a transaction that spends one is not in the books, ChainMoved
        while the watcher has not read the newest block."""
        key, coin = self._network.key, self._network.coin
        head = await self._sender.head_height()
        scanned = await repository.scanned_height(key)
        if scanned < head:
            raise ChainMoved(f"{key}: the watcher has read block {scanned} of {head}")
        if scanned != self._checked_height:
            self._refuse_unknown(await coins_repository.unknown_spends(key))
            self._checked_height = scanned
        self._spendable = await self._read(scanned)
        in_pool = await self._sender.pool_spenders([coin.claim for coin in self._spendable.coins])
        self._refuse_unknown(sorted(set(in_pool.values())))
        held_raw = await coin_funds_repository.held_raw(key)
        await self._low.check(coin.symbol, held_raw, coin.hot_low_raw, now)
        await self._show_rate(now)
        free, fees_left = {coin.symbol: self._spendable.free_raw}, {coin.symbol: self._spendable.fees_left_raw}
        await wallet_snapshot.record(key, {coin.symbol: held_raw}, free, fees_left, now)

    async def _show_rate(self, now: datetime) -> None:
        """Store what would be offered now, for the operators' page."""
        if self._shown_at is not None and now - self._shown_at < SHOW_RATE_EVERY:
            return
        rate, problem = None, None
        try:
            rate = await self._sender.fee_rate()
        except NoEstimate:
            problem = NO_ESTIMATE
        except FeeAboveCeiling:
            problem = FEE_TOO_HIGH
        await fee_looks_repository.record(self._network.key, rate, problem, now)
        self._shown_at = now

    async def room(self) -> int:
        """As many as may depend on each other; which coins allow one, `plan` finds out. Raises FeeAboveCeiling, and
        NotNow where there is no estimate."""
        try:
            self._rate = await self._sender.fee_rate()
        except NoEstimate:
            raise NotNow(NO_ESTIMATE, is_short=True) from None
        return MAX_CHAIN

    def shortage(self, asset: str, amount_raw: int) -> str | None:
        """What all of our coins together lack for a payment, fees left out."""
        if amount_raw <= self._spendable.free_raw + self._spendable.coming_raw:
            return None
        return self._short

    async def preview(self, intent: Intent) -> Preview:
        """What the payment costs alone, with one coin and change, and as one of many."""
        try:
            rate = await self._sender.fee_rate()
        except NoEstimate:
            return Preview(cost_in_words=f"not known now: {NO_ESTIMATE}")
        except FeeAboveCeiling:
            return Preview(cost_in_words=f"not known now: {FEE_TOO_HIGH}")
        alone_raw, share_raw = self._network.payment_fees_raw(intent.destination, rate)
        alone, share = (about(raw, self._network.coin.decimals) for raw in (alone_raw, share_raw))
        words = f"about {alone} {self._symbol} alone, {share} {self._symbol} as one of many, at today's fee rate"
        return Preview(cost_in_words=words, cost_raw=alone_raw)

    async def plan(self, intents: Sequence[Intent]) -> Draft:
        """One transaction for all of these."""
        assert self._rate is not None, "room() comes first"
        spendable = self._spendable
        payments = [Payment(intent.destination, intent.asset, intent.amount_raw) for intent in intents]
        state = CoinState(coins=spendable.coins, change_index=spendable.change_index, rate=self._rate)
        try:
            draft = self._sender.plan(payments, state)
        except NotEnough:
            short = self.shortage(self._symbol, sum(payment.amount_raw for payment in payments))
            if short is None and spendable.waits_for_block:
                raise NotNow(NEEDS_BLOCK, is_short=False) from None
            raise NotNow(short or self._short, is_short=True) from None
        except TooLarge:
            raise NotNow(TOO_MANY_COINS, is_short=True) from None
        except FeeAboveCeiling:
            raise NotNow(FEE_TOO_HIGH, is_short=True) from None
        except ValueError as error:
            raise WouldFail(str(error)) from None
        self._refuse_dear(draft.fee_cap_raw, spendable.fees_left_raw)
        return draft

    async def lock(self, draft: Draft) -> Draft:
        """Lock the coins, and take the change address."""
        form = form_of(draft)
        if await coin_funds_repository.lock_unspent(self._network.key, draft.claims) < len(draft.claims):
            raise NotNow(TAKEN, is_short=False)
        if await repository.living_claims(self._network.key, draft.claims, None):
            raise NotNow(TAKEN, is_short=False)
        if await coins_repository.next_change_index(self._network.key) > form.change_index:
            raise NotNow(TAKEN, is_short=False)
        address = self._sender.change_address(form.change_index)
        await coins_repository.add_change_address(self._network.key, form.change_index, address)
        return draft

    async def record(self, stored: Stored) -> None:
        """Store the change as a coin of ours that is in no block yet."""
        if (change := self._sender.change_of(stored.draft, stored.txid)) is not None:
            await coins_repository.add_change(self._network.key, change, clock.now())

    async def send(self, stored: Stored) -> Broadcast:
        """Send a transaction. Where the pool lacks one that it comes from, because its own fee is too low, both are
        sent as a package."""
        answer = await self._sender.broadcast(stored.signed)
        if answer is not Broadcast.CLAIM_USED:
            return answer
        parents = {claim.split(":")[1] for claim in stored.claims}
        lineages = await repository.under_way(self._network.key)
        ours = [lineage[-1] for lineage in lineages if lineage[-1].txid in parents]
        for parent, known in zip(ours, await self._sender.pooled([each.txid for each in ours]), strict=True):
            if not known:
                answer = await self._sender.broadcast_package(parent.signed, stored.signed)
        return answer

    def reserve(self, draft: Draft) -> None:
        """Count the coins of a draft as spent, and its fee."""
        self._spendable.reserve(draft.claims, form_of(draft).change_raw, draft.fee_cap_raw)

    async def is_final(self, stored: Stored, receipt: Receipt) -> bool:
        return receipt.confirmations >= self._network.confirmations

    async def standings(self, lineages: Sequence[Sequence[Stored]]) -> list[Standing]:
        """A coin is used for good once the block in which it was spent counts as final.

        Each attempt spends all coins of those before it. So those of the first decide: without one of them, none of the
        attempts can be mined.
        """
        claimed = {claim for lineage in lineages for claim in lineage[0].claims}
        final_height = await self._final_height()
        spenders = await coins_repository.spenders(self._network.key, claimed)
        spent_by = {claim: spender.txid for claim, spender in spenders.items() if spender.height <= final_height}
        with_children = {claim.split(":")[1] for lineage in lineages for claim in lineage[-1].claims}
        standings = []
        for lineage in lineages:
            used_by = next((spent_by[claim] for claim in lineage[0].claims if claim in spent_by), None)
            helped = any(stored.txid in with_children for stored in lineage)
            standings.append(Standing(is_used=used_by is not None, used_by=used_by, is_next=not helped))
        return standings

    async def bump(self, last: Stored) -> Draft:
        """The same payments, from the same coins and perhaps one more, at a higher fee that the treasury has."""
        attempts = await self._attempts(last)
        if await self._has_child(attempts):
            raise NotNow(NEEDS_BLOCK, is_short=False)
        try:
            rate = await self._sender.fee_rate()
        except NoEstimate:
            raise NotNow(NO_ESTIMATE, is_short=False) from None
        form, pool = form_of(last.draft), await self._sender.in_pool([stored.txid for stored in attempts])
        before = list(pool.values()) or [_as_signed(last, form)]
        highest = max(fees.rate_of(each.fee_raw, each.vsize) for each in before)
        rate = max(rate, min(highest * RAISE[0] // RAISE[1], self._ceiling))
        draft = await self._replacement(last, form, rate, before)
        if draft is None and rate >= self._ceiling:
            raise FeeAboveCeiling(f"{self._network.key}: a bump would cost more than the ceiling")
        if draft is None:
            raise NotNow(CANT_RAISE, is_short=True)
        self._refuse_dear(draft.fee_cap_raw - last.fee_cap_raw, await self._treasury.fees_left_raw())
        return draft

    async def _replacement(self, last: Stored, form: Form, rate: int, before: Sequence[InPool]) -> Draft | None:
        increment = (await self._sender.pool_rules()).increment
        own = await self._newer(form.coins)
        state = CoinState(coins=(), change_index=form.change_index, rate=rate, required=tuple(own))
        if last.purpose == "sweep":
            self._refuse_dear_sweep(rate)
            with suppress(NotEnough, TooLarge):
                return self._sender.consolidate(state, before, increment)
            return None
        scanned = await repository.scanned_height(self._network.key)
        more = (await self._read(scanned)).mined
        return self._sender.bump(last.draft, msgspec.structs.replace(state, coins=(*own, *more)), before, increment)

    async def _newer(self, coins: Sequence[Coin]) -> list[Coin]:
        """Coins of a draft as they are now: in a block, or with what they come from in the node's pool."""
        rows = {
            coin.claim: coin for coin in await coins_repository.by_claims(self._network.key, [c.claim for c in coins])
        }
        now = [rows.get(coin.claim, coin) for coin in coins]
        in_pool = await coin_spendable.with_ancestors(self._sender, [coin for coin in now if coin.height is None])
        pooled = {coin.claim: coin for coin in in_pool}
        return [
            new if new.height is not None else pooled.get(new.claim, old) for old, new in zip(coins, now, strict=True)
        ]

    async def _read(self, scanned_height: int) -> SpendableCoins:
        return await coin_spendable.read(
            self._network.key,
            self._sender,
            await repository.under_way(self._network.key),
            scanned_height=scanned_height,
            final_height=scanned_height - self._network.confirmations + 1,
            fees_left_raw=await self._treasury.fees_left_raw(),
        )

    async def _final_height(self) -> int:
        return await repository.scanned_height(self._network.key) - self._network.confirmations + 1

    async def _attempts(self, last: Stored) -> list[Stored]:
        lineages = await repository.under_way(self._network.key)
        return next((lineage for lineage in lineages if lineage[0].lineage == last.lineage), [last])

    async def _has_child(self, attempts: Sequence[Stored]) -> bool:
        """Whether a transaction of ours, which may still be mined, spends the change of one of these."""
        changes = [claim(stored.txid, len(stored.payments)) for stored in attempts]
        return bool(await repository.living_claims(self._network.key, changes, None))

    def _refuse_unknown(self, txids: Sequence[str]) -> None:
        if txids:
            raise UnknownTransaction(
                f"transaction {txids[0]} has spent coins of ours, and the books don't have it: somebody else has the"
                f" key, or it was signed after the backup that was restored ({len(txids)} such transactions)"
            )

    def _refuse_dear(self, fee_raw: int, left_raw: int) -> None:
        if fee_raw > left_raw:
            raise NotNow(f"the treasury has too little {self._symbol} for fees: it needs a top-up", is_short=True)

    def _refuse_dear_sweep(self, rate: int) -> None:
        ceiling = self._network.consolidate_max_fee_rate_sat_vb
        if ceiling is None or rate > ceiling * VB_PER_RATE:
            raise NotNow("a consolidation waits for lower fees", is_short=False)


def _as_signed(last: Stored, form: Form) -> InPool:
    """What a node would say of a transaction that has left its pool."""
    return InPool(fee_raw=last.fee_cap_raw, vsize=form.vsize, evicted_fee_raw=last.fee_cap_raw)
