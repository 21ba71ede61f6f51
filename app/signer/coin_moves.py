"""Consolidation: many small coins become one while fees are low, so that they cost less when fees are high.

It runs only where the networks file says from how many coins on and up to which fee rate, only after an operator has
approved that (consolidation.py), and only if the signer's own file of approvers, where it has one, allows it too. It
pays one address of our change branch; its fee is the treasury's. It is a sweep like those of other kinds of chains:
stored, tracked and recognised by the watcher in the same way.
"""

from app.core import clock, database
from app.core.logging import get_logger
from app.networks.bitcoin import fees
from app.networks.bitcoin.coins import Coin, NotEnough
from app.networks.bitcoin.config import BitcoinConfig
from app.networks.bitcoin.fees import VB_PER_RATE, NoEstimate
from app.networks.bitcoin.sending import BitcoinSender
from app.networks.bitcoin.spending import CoinState
from app.networks.port import FeeAboveCeiling
from app.signer import consolidation_repository, repository
from app.signer.allowed_moves import AllowedMoves
from app.signer.coin_funds import CoinFunds
from app.signer.funds import NotNow
from app.signer.tracking import Tracker
from app.signer.wallet import Wallet

log = get_logger(__name__)

MERGED_AT_ONCE = 200
"""Coins of one consolidation, about 14 kvB. The others wait until it is final."""


class CoinConsolidation:
    """`app.signer.funds.OwnMoves` of one network with coins."""

    def __init__(
        self,
        network: BitcoinConfig,
        sender: BitcoinSender,
        wallet: Wallet,
        tracker: Tracker,
        funds: CoinFunds,
        allowed: AllowedMoves,
    ) -> None:
        self._network = network
        self._sender = sender
        self._wallet = wallet
        self._tracker = tracker
        self._funds = funds
        self._allowed = allowed

    async def run(self) -> None:
        """Merge the smallest coins, if there are too many and it may be done now."""
        above, coins = self._network.consolidate_above_coins, self._funds.spendable.mined
        if above is None or len(coins) <= above:
            return
        rate = await self._rate()
        if rate is None or await self._is_under_way():
            return
        worth = [coin for coin in coins if coin.amount_raw > fees.input_fee_raw(self._network.address_type, rate)]
        some = sorted(worth, key=lambda coin: (coin.amount_raw, coin.txid, coin.vout))[:MERGED_AT_ONCE]
        if len(some) > 1:
            await self._merge(some, rate)

    async def _rate(self) -> int | None:
        """The rate to offer, in satoshi per 1,000 vB; None where it is above what was approved, or nothing was."""
        policy = await consolidation_repository.approved(self._network.key)
        ceiling = self._network.consolidate_max_fee_rate_sat_vb
        if policy is None or ceiling is None or not await self._allowed.may_consolidate():
            return None
        try:
            rate = await self._sender.fee_rate()
        except (FeeAboveCeiling, NoEstimate):
            return None
        return rate if rate <= min(ceiling, policy.max_fee_rate) * VB_PER_RATE else None

    async def _is_under_way(self) -> bool:
        lineages = await repository.under_way(self._network.key)
        return any(lineage[-1].purpose == "sweep" for lineage in lineages)

    async def _merge(self, coins: list[Coin], rate: int) -> None:
        spendable, now = self._funds.spendable, clock.now()
        state = CoinState(coins=(), change_index=spendable.change_index, rate=rate, required=tuple(coins))
        try:
            draft = self._sender.consolidate(state)
        except NotEnough:
            return
        if draft.fee_cap_raw > spendable.fees_left_raw:
            return  # withdrawals come first
        try:
            async with database.transaction():
                locked = await self._funds.lock(draft)
                stored = await self._wallet.sign(locked, purpose="sweep", now=now)
                await self._funds.record(stored)
        except NotNow:
            return
        self._funds.reserve(draft)
        log.info("coins_consolidated", network=self._network.key, coins=len(coins), fee_raw=draft.fee_cap_raw)
        await self._tracker.broadcast(stored)
