"""The hot wallet in the books: operators' top-ups are booked to `platform:treasury`, and gas is paid from it.

Sweeps and gas for them move money between our own addresses; only their gas changes a ledger. So for each asset, all
ledgers together are what deposit addresses and hot wallet hold.
"""

from collections.abc import Collection, Sequence, Set
from datetime import datetime

from app.addresses import repository as addresses
from app.alerts.service import raise_alert
from app.core import database
from app.ledger import repository as ledger_repository
from app.ledger import service as ledger
from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import TREASURY, Posting
from app.networks.config import NetworkConfig
from app.networks.port import Transfer
from app.signer import coin_book_repository, repository, treasury_repository
from app.signer.treasury_repository import TopUp, UnbookedFee


class Treasury:
    """One network's hot wallet in the books, for the watcher and the signer."""

    def __init__(self, network: NetworkConfig) -> None:
        self._network = network
        self._alerted_short = False

    @property
    def address(self) -> str | None:
        """The hot wallet's address; None on a network that only receives."""
        return self._network.hot_wallet_address

    async def own_moves(self, txids: Collection[str]) -> Set[tuple[str, str, str]]:
        """Which transfers of these transactions move our money between our own addresses, as (txid, recipient, asset):
        sweeps, gas, change. They are not payments.

        Every transaction of ours is stored before it is sent, so one that is seen on chain is known here. What a
        withdrawal pays to one of our addresses is no such move: it leaves one ledger and comes into another.
        """
        if not txids:
            return frozenset()
        moves = await repository.own_moves(self._network.key, list(txids))
        if self._network.has_coins and self._network.native is not None:
            coin = self._network.native.symbol
            change = await coin_book_repository.change_of(self._network.key, txids)
            moves |= {(txid, address, coin) for txid, address in change}
        return moves

    async def record(self, transfers: Sequence[Transfer], now: datetime) -> None:
        """Record transfers to the hot wallet that are not our own. Needs the watcher's transaction.

        What a deposit address of ours has sent is a sweep, also where a restored backup lacks its transaction: only our
        key could sign it, and the money is in the books already.
        """
        database.in_transaction()
        senders = {transfer.from_address for transfer in transfers if transfer.from_address is not None}
        swept = {each.address for each in await addresses.among(self._network.key, senders)} if senders else set()
        for transfer in [transfer for transfer in transfers if transfer.from_address not in swept]:
            await treasury_repository.record_receipt(self._network.key, transfer, now)

    async def reverse_above(self, above_height: int, now: datetime) -> None:
        """Undo the top-ups of dead blocks, in the watcher's transaction. A booked one is reversed. Our own final
        transactions of those blocks are reopened: the signer sends their bytes until they are in a block."""
        database.in_transaction()
        if reopened := await repository.reopen(self._network.key, above_height):
            await raise_alert(
                severity="critical",
                kind="sent_transaction_reorganised",
                dedupe_key=f"sent_transaction_reorganised:{self._network.key}:{above_height}",
                message=f"{self._network.key}: final transactions of ours are no longer on chain; they are sent again",
                details={"network": self._network.key, "transactions": reopened},
                now=now,
            )
        await treasury_repository.orphan_unbooked(self._network.key, above_height)
        reversed_ = await treasury_repository.reverse_booked(self._network.key, above_height)
        await ledger.post([self._posting(one, "deposit_reversal", -one.amount_raw) for one in reversed_], now)
        for one in reversed_:
            await raise_alert(
                severity="critical",
                kind="top_up_reversed",
                dedupe_key=f"top_up_reversed:{one.id}",
                message=f"{self._network.key}: a booked top-up of the hot wallet is no longer on chain",
                details={"network": self._network.key, "asset": one.asset, "txid": one.txid},
                now=now,
            )

    async def is_any_due(self, scanned_height: int) -> bool:
        """Whether a top-up has enough confirmations, so that it is booked once its block is final."""
        confirmed_height = scanned_height + 1 - self._network.confirmations
        return await treasury_repository.is_any_seen(self._network.key, confirmed_height)

    async def settle(self, scanned_height: int, final_height: int | None, now: datetime) -> None:
        """Book the top-ups that have enough confirmations, up to `final_height` where one is given."""
        confirmed_height = scanned_height + 1 - self._network.confirmations
        if final_height is not None:
            confirmed_height = min(confirmed_height, final_height)
        async with database.transaction():
            booked = await treasury_repository.mark_booked(self._network.key, confirmed_height, now)
            await ledger.post([self._posting(one, "top_up", one.amount_raw) for one in booked], now)

    async def book_fees(self, now: datetime) -> None:
        """Book what final transactions have cost, as far as it is not booked yet.

        Each in its own database transaction, since it posts to the native coin's ledger, not to the withdrawal's.
        Where the treasury is short, as when a rollup's data has cost more than was set aside, it waits and alerts.
        """
        for fee in await treasury_repository.unbooked_fees(self._network.key):
            await self._book_one(fee, now)

    async def fees_left_raw(self) -> int:
        """The treasury's native coin that is neither spent nor reserved for a transaction under way, in minor units."""
        head = await ledger_repository.head(self._fee_ledger)
        promised_raw = await treasury_repository.promised_fees_raw(self._network.key)
        return (head.state.available_raw if head is not None else 0) - promised_raw

    async def _book_one(self, fee: UnbookedFee, now: datetime) -> None:
        due_raw = fee.fee_raw - fee.booked_raw
        async with database.transaction():
            await ledger.lock([self._fee_ledger])
            head = await ledger_repository.head(self._fee_ledger)
            assert head is not None
            short = due_raw > 0 and head.state.available_raw < due_raw
            if short and self._alerted_short:
                return
            self._alerted_short = short
            if short:
                await raise_alert(
                    severity="critical",
                    kind="treasury_short",
                    dedupe_key=f"treasury_short:{self._network.key}",
                    message=f"{self._network.key}: the treasury can't pay for gas that was used; top up the hot wallet",
                    details={"network": self._network.key, "transaction": fee.id, "due_raw": str(due_raw)},
                    now=now,
                )
                return
            if await treasury_repository.mark_fee_booked(fee) and due_raw:
                reference = await self._fee_reference(head.ledger, fee.id)
                await ledger.post([Posting(self._fee_ledger, "network_fee", -due_raw, 0, reference)], now)

    async def _fee_reference(self, ledger_id: int, transaction_id: int) -> Reference:
        """`17` for the first booking of a transaction's fee; `17#2`, `17#3` for the differences that other blocks
        made after deep reorganisations: a ledger accepts each reference once."""
        earlier = await treasury_repository.fee_bookings_count(ledger_id, transaction_id)
        return Reference("transaction", f"{transaction_id}#{earlier + 1}" if earlier else f"{transaction_id}")

    @property
    def _fee_ledger(self) -> ChainId:
        assert self._network.native is not None, "a network with a hot wallet has its native coin"
        return ChainId(owner=TREASURY, network=self._network.key, asset=self._network.native.symbol)

    def _posting(self, top_up: TopUp, kind: ledger.Kind, amount_raw: int) -> Posting:
        chain = ChainId(owner=TREASURY, network=self._network.key, asset=top_up.asset)
        return Posting(chain, kind, amount_raw, 0, Reference("top_up", str(top_up.id)))
