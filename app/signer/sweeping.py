"""Deposits to the hot wallet: what addresses hold is sent there, where it is worth it; gas comes from there.

A deposit address holds no gas of its own for a token. So a sweep of one takes two transactions: gas from the hot
wallet, then the token. Both are stored and tracked like any other, change no ledger but by their gas, which is
the treasury's, and are recognised when the watcher sees them. An address has one transaction under way at a time.
"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from app.core import clock, database
from app.core.database import Row
from app.core.logging import get_logger
from app.networks.config import Asset, NetworkConfig
from app.networks.port import Draft, FeeAboveCeiling, FeeRate, Sender, WouldFail
from app.signer import transactions
from app.signer.spendable import Purse
from app.signer.tracking import Tracker
from app.signer.transactions import Purpose, Stored
from app.signer.wallet import Wallet

log = get_logger(__name__)

SWEEPS_PER_ROUND = 50
"""Transactions of one round: payouts come first, and a round must not keep them waiting."""

LOOK_AT_ONCE = 500
"""Addresses whose balances are read in one round."""

NOTICE_OVERLAP = timedelta(minutes=2)
"""How far behind the mark deposits are looked at again: a transaction may commit later than its `settled_at`."""

WORTH = 4
"""The native coin is swept where it is at least so many times the gas that it costs."""

LOOK_AGAIN_IN = timedelta(hours=1)
"""When an address is looked at again that is not worth its gas now, or whose token does not move now."""

FUNDING = (3, 2)
"""Gas is given for half as much again as it costs now: the price may rise before it is used."""


class Sweeper:
    """Sweeps one network's deposit addresses."""

    def __init__(self, network: NetworkConfig, sender: Sender, wallet: Wallet, tracker: Tracker) -> None:
        assert network.native is not None
        self._network = network
        self._native: Asset = network.native
        self._sender = sender
        self._wallet = wallet
        self._tracker = tracker
        self._left = 0

    async def sweep(self, purse: Purse) -> None:
        """One round: notice settled deposits, then sweep or fund the addresses that have waited longest."""
        await self._notice()
        candidates = await self._candidates()
        self._left = SWEEPS_PER_ROUND
        if not candidates:
            return
        final_height = await self._sender.confirmed_height()
        if final_height < 0 or final_height + self._network.confirmations - 1 < await _scanned_height(
            self._network.key
        ):
            return  # a node that lags behind does not know of what was settled: nothing would seem to be there
        try:
            rate = await self._sender.fee_rate()
        except FeeAboveCeiling:
            return
        for symbol in sorted({row["asset"] for row in candidates}, key=lambda s: s == self._native.symbol):
            asset = self._network.asset(symbol)
            if asset is not None:  # one that the file has no longer stays where it is
                rows = [row for row in candidates if row["asset"] == symbol]
                await self._sweep_asset(asset, rows, final_height, rate, purse)

    async def _notice(self) -> None:
        """Make candidates of the addresses whose deposits were settled since the last round."""
        now = clock.now()
        async with database.transaction():
            await database.execute(
                "INSERT INTO sweep_marks (network, settled_through) VALUES ($1, to_timestamp(0))"
                " ON CONFLICT DO NOTHING",
                self._network.key,
            )
            through = await database.fetch_value(
                "SELECT settled_through FROM sweep_marks WHERE network = $1 FOR UPDATE", self._network.key
            )
            await database.execute(
                """
                INSERT INTO sweep_candidates (network, asset, deposit_address, noticed_at)
                SELECT DISTINCT d.network, d.asset, d.deposit_address, $3::timestamptz FROM deposits d
                WHERE d.network = $1 AND d.settled_at > $2 AND d.status IN ('credited', 'suspended')
                ON CONFLICT DO NOTHING
                """,
                self._network.key,
                through - NOTICE_OVERLAP,
                now,
            )
            await database.execute(
                "UPDATE sweep_marks SET settled_through = $2 WHERE network = $1 AND settled_through < $2",
                self._network.key,
                now,
            )

    async def _candidates(self) -> Sequence[Row]:
        """The oldest candidates whose address has nothing under way; a token's before the coin that is its gas."""
        return await database.fetch_all(
            """
            SELECT c.id, c.asset, a.address FROM sweep_candidates c JOIN deposit_addresses a ON a.id = c.deposit_address
            WHERE c.network = $1 AND c.noticed_at <= $4
                AND NOT EXISTS (SELECT 1 FROM outgoing_transactions t WHERE t.network = c.network
                    AND t.status IN ('signed', 'submitted')
                    AND (t.from_address = a.address OR (t.to_address = a.address AND t.purpose = 'gas')))
                AND NOT (c.asset = $2 AND EXISTS (
                    SELECT 1 FROM sweep_candidates o WHERE o.deposit_address = c.deposit_address AND o.asset <> $2
                        AND o.noticed_at <= $4))
            ORDER BY c.noticed_at, c.id LIMIT $3
            """,
            self._network.key,
            self._native.symbol,
            LOOK_AT_ONCE,
            clock.now(),
        )

    async def _sweep_asset(
        self, asset: Asset, rows: Sequence[Row], final_height: int, rate: FeeRate, purse: Purse
    ) -> None:
        addresses = [row["address"] for row in rows]
        now_raw = await self._sender.balances_raw(addresses, asset.symbol)
        final_raw = await self._sender.balances_raw(addresses, asset.symbol, final_height)
        coin_raw = await self._sender.balances_raw(addresses, self._native.symbol)
        for row in rows:
            address = row["address"]
            # What a reorganisation could take away is left for the next time.
            amount_raw = min(now_raw[address], final_raw[address])
            if self._left == 0:
                return
            if now_raw[address] < asset.sweep_min_raw:
                await _forget(row["id"])
            elif amount_raw < asset.sweep_min_raw:
                continue  # it will be final soon
            elif asset.contract is None:
                await self._sweep_coin(row, amount_raw, rate, purse)
            else:
                await self._sweep_token(row, asset, amount_raw, coin_raw[address], rate, purse)

    async def _sweep_coin(self, row: Row, held_raw: int, rate: FeeRate, purse: Purse) -> None:
        """Send all there is, less what it costs. All of the fee goes to the block's maker beyond the base fee, so
        that the gas costs exactly what was set aside, and nothing stays behind. On a rollup the data may cost less
        than was set aside; the rest stays, and goes with the next sweep."""
        hot, symbol = self._wallet.hot_address, self._native.symbol
        gas_limit = await self._sender.gas_limit(row["address"], hot, symbol, 1)
        price_raw = min(rate.base_raw * 5 // 4 + rate.priority_raw, rate.max_raw)
        draft = await self._sender.with_data_fee(
            Draft(
                to_address=hot,
                asset_symbol=symbol,
                amount_raw=held_raw,
                nonce=0,
                gas_limit=gas_limit,
                max_fee_raw=price_raw,
                priority_fee_raw=price_raw,
            )
        )
        if held_raw < WORTH * draft.gas_budget_raw:
            await _look_again_later(row["id"])
            return
        if purse.gas_left_raw < draft.gas_budget_raw:
            return  # the gas is the treasury's, although the coin comes from a deposit
        draft = msgspec.structs.replace(draft, amount_raw=held_raw - draft.gas_budget_raw)
        purse.gas_left_raw -= draft.gas_budget_raw
        await self._send(draft, "sweep", row["address"], row["id"])

    async def _sweep_token(
        self, row: Row, asset: Asset, amount_raw: int, coin_raw: int, rate: FeeRate, purse: Purse
    ) -> None:
        hot = self._wallet.hot_address
        try:
            gas_limit = await self._sender.gas_limit(row["address"], hot, asset.symbol, amount_raw)
        except WouldFail as error:
            log.warning("sweep_would_fail", network=self._network.key, asset=asset.symbol, error=str(error))
            await _look_again_later(row["id"])
            return
        draft = await self._sender.with_data_fee(
            Draft(
                to_address=hot,
                asset_symbol=asset.symbol,
                amount_raw=amount_raw,
                nonce=0,
                gas_limit=gas_limit,
                max_fee_raw=rate.max_raw,
                priority_fee_raw=rate.priority_raw,
            )
        )
        # As much as its gas affords, as long as a block would take it soon.
        max_fee_raw = min(rate.max_raw, (coin_raw - draft.data_fee_raw) // gas_limit)
        if max_fee_raw < rate.base_raw * 9 // 8 + rate.priority_raw:
            budget_raw = draft.gas_budget_raw * FUNDING[0] // FUNDING[1]
            await self._fund(row, budget_raw - coin_raw, rate, purse)
            return
        draft = msgspec.structs.replace(draft, max_fee_raw=max_fee_raw)
        if purse.gas_left_raw < draft.gas_budget_raw:
            return
        purse.gas_left_raw -= draft.gas_budget_raw
        await self._send(draft, "sweep", row["address"], row["id"])

    async def _fund(self, row: Row, amount_raw: int, rate: FeeRate, purse: Purse) -> None:
        """Send an address gas for its token; the candidate stays, and is swept once the gas is there."""
        hot, symbol = self._wallet.hot_address, self._native.symbol
        if purse.why_not(symbol, amount_raw, 0):
            return
        gas_limit = await self._sender.gas_limit(hot, row["address"], symbol, amount_raw)
        draft = await self._sender.with_data_fee(
            Draft(
                to_address=row["address"],
                asset_symbol=symbol,
                amount_raw=amount_raw,
                nonce=0,
                gas_limit=gas_limit,
                max_fee_raw=rate.max_raw,
                priority_fee_raw=rate.priority_raw,
            )
        )
        # The gas that the funded sweep will use is the treasury's too, so it must be there for both.
        if purse.why_not(symbol, amount_raw, draft.gas_budget_raw) or purse.gas_left_raw < (
            amount_raw + draft.gas_budget_raw
        ):
            return
        purse.take(symbol, amount_raw, draft.gas_budget_raw)
        purse.gas_left_raw -= amount_raw
        await self._send(draft, "gas", hot, None)

    async def _send(self, draft: Draft, purpose: Purpose, from_address: str, candidate_id: int | None) -> None:
        self._left -= 1
        chain_nonce = await self._sender.next_nonce(from_address)
        now = clock.now()
        async with database.transaction():
            nonce = await transactions.take_nonce(self._network.key, from_address, chain_nonce)
            stored: Stored = await self._wallet.sign(
                msgspec.structs.replace(draft, nonce=nonce), purpose=purpose, from_address=from_address, now=now
            )
            if candidate_id is not None:
                await _forget(candidate_id)
        await self._tracker.hand_over(stored)


async def _forget(candidate_id: int) -> None:
    """Until another deposit is settled there."""
    await database.execute("DELETE FROM sweep_candidates WHERE id = $1", candidate_id)


async def _look_again_later(candidate_id: int) -> None:
    """Gas may be cheaper then."""
    await database.execute(
        "UPDATE sweep_candidates SET noticed_at = $2 WHERE id = $1", candidate_id, clock.now() + LOOK_AGAIN_IN
    )


async def _scanned_height(network: str) -> int:
    """How far the watcher has come; settled deposits are in blocks up to there."""
    height: int | None = await database.fetch_value(
        "SELECT scanned_height FROM network_cursors WHERE network = $1", network
    )
    return -1 if height is None else height
