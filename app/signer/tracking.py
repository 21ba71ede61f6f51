"""From signed to final: send a transaction, find it on chain, send it again, raise its fee.

Nothing here makes a second payment. Sending again uses the stored bytes, or a bump with the same nonce and the same
payout. A transaction that isn't found may still be mined; a payment has failed only when its transaction was
reverted, or when another transaction with its nonce is final.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.alerts.service import Severity, raise_alert
from app.core import clock, database
from app.core.logging import get_logger
from app.networks.config import NetworkConfig
from app.networks.port import Broadcast, Draft, FeeAboveCeiling, FeeRate, Receipt, Sender
from app.signer import repository
from app.signer.crash_points import CrashPoints
from app.signer.policy import NotToSign, Refused, lock_payable, refuse
from app.signer.repository import Stored
from app.signer.treasury import Treasury
from app.signer.wallet import Wallet
from app.withdrawals import service
from app.withdrawals.repository import set_waiting
from app.withdrawals.service import WithdrawalService
from app.withdrawals.states import IllegalTransition

log = get_logger(__name__)

# Nodes keep the first of two transactions with one nonce unless the second pays at least a tenth more (geth's
# --txpool.pricebump); an eighth leaves room for nodes that ask a little more.
BUMP = (9, 8)

WAITING_REASONS = {
    Broadcast.UNDERPRICED: "the node finds the fee too low; it is raised in a while",
    Broadcast.SHORT: "the hot wallet holds too little for gas",
    Broadcast.REFUSED: "the node does not take the transaction; it is sent again",
}


class Tracker:
    """Tracks our transactions on one network."""

    def __init__(
        self,
        network: NetworkConfig,
        sender: Sender,
        wallet: Wallet,
        treasury: Treasury,
        withdrawals: WithdrawalService,
        crash: CrashPoints,
    ) -> None:
        self._network = network
        self._sender = sender
        self._wallet = wallet
        self._treasury = treasury
        self._withdrawals = withdrawals
        self._crash = crash
        self._alerted: set[str] = set()

    async def track(self) -> None:
        """Check every transaction that is not final, once. Raises NetworkError; results found before it are stored."""
        lines = await repository.under_way(self._network.key)
        txids = [stored.txid for line in lines for stored in line]
        receipts = await self._sender.receipts(txids) if txids else {}
        unmined: list[list[Stored]] = []
        for line in lines:
            found = next((stored for stored in line if stored.txid in receipts), None)
            await self._record_blocks(line, receipts)
            if found is None:
                unmined.append(line)
            elif receipts[found.txid].confirmations >= self._network.confirmations:
                await self._finish(line, found, receipts[found.txid])
            else:
                await self._mark_submitted(found)
        if unmined:
            await self._resend_or_bump(unmined)
        await self._treasury.book_gas(clock.now())

    async def broadcast(self, stored: Stored) -> Broadcast:
        """Send stored bytes, for the first time or again, and record what the node answered.

        Raises NodeUnavailable where the outcome is unknown: the next round sends the same bytes again.
        """
        outcome = await self._sender.broadcast(stored.signed)
        log.info(
            "transaction_sent", txid=stored.txid, nonce=stored.nonce, purpose=stored.purpose, outcome=outcome.value
        )
        self._crash.reach("sent")
        if outcome is Broadcast.ACCEPTED:
            await self._mark_submitted(stored)
            self._crash.reach("submitted")
        elif outcome in WAITING_REASONS:
            if stored.withdrawal is not None:
                await set_waiting(stored.withdrawal, WAITING_REASONS[outcome])
            if outcome is Broadcast.REFUSED:
                await self._alert("warning", "transaction_refused", stored, "a node refuses a signed transaction")
        return outcome

    async def _record_blocks(self, line: Sequence[Stored], receipts: dict[str, Receipt]) -> None:
        for stored in line:
            receipt = receipts.get(stored.txid)
            height, block_hash = (receipt.height, receipt.block_hash) if receipt else (None, None)
            if (stored.block_height, stored.block_hash) != (height, block_hash):
                await repository.mark_block(stored.id, height, block_hash)

    async def _mark_submitted(self, stored: Stored) -> None:
        """Mark a transaction that is in a node's pool or in a block as submitted, if it is not yet."""
        if stored.status != "signed":
            return
        now = clock.now()
        async with database.transaction():
            if stored.withdrawal is not None and not await self._withdrawals.mark_submitted(stored.withdrawal, now):
                await set_waiting(stored.withdrawal, None)  # a bump, and nothing delays it any more
            await repository.mark_submitted(stored.id, now)
        await service.announce()

    async def _finish(self, line: Sequence[Stored], stored: Stored, receipt: Receipt) -> None:
        """Book a final transaction: the withdrawal is confirmed, or has failed and its money is available again."""
        self._crash.reach("mined")
        now = clock.now()
        # A token may return false without reverting: then no transfer of it is in the receipt.
        moved = receipt.succeeded and any(
            (transfer.asset_symbol, transfer.from_address) == (stored.asset, stored.from_address)
            for transfer in receipt.transfers
        )
        try:
            async with database.transaction():
                if stored.withdrawal is not None:
                    await self._settle(stored.withdrawal, moved, now)
                await repository.finish(line, stored.txid, receipt, moved, now)
                self._crash.reach("confirming")
        except IllegalTransition as error:
            await self._alert_outcome_changed(stored, error)
            async with database.transaction():
                await repository.finish(line, stored.txid, receipt, moved, now)
        await service.announce()
        self._crash.reach("confirmed")
        await self._treasury.book_gas(now)
        self._crash.reach("gas_booked")

    async def _settle(self, withdrawal_id: str, moved: bool, now: datetime) -> None:
        if not moved:
            await self._withdrawals.fail(withdrawal_id, "the chain reverted the transaction", now)
            return
        await self._withdrawals.mark_submitted(withdrawal_id, now)
        await self._withdrawals.confirm(withdrawal_id, now)

    async def _resend_or_bump(self, lines: Sequence[Sequence[Stored]]) -> None:
        """Of the unmined ones, send again those that the node has lost and raise the fee of those that take long."""
        final_height = await self._sender.confirmed_height()
        pooled = await self._sender.pooled([line[-1].txid for line in lines])
        final_nonces: dict[str, int] = {}
        nonces: dict[str, int] = {}
        for line, known in zip(lines, pooled, strict=True):
            last, address = line[-1], line[-1].from_address
            if address not in nonces:
                nonces[address] = await self._sender.next_nonce(address)
                final = await self._sender.next_nonce(address, final_height) if final_height >= 0 else 0
                final_nonces[address] = final
            if last.nonce < final_nonces[address]:
                await self._look_for_conflict(line, final_height)
            elif known:
                await self._mark_submitted(last)
            elif last.withdrawal is None or await service.may_be_sent(last.withdrawal):
                await self.broadcast(last)
            else:
                # After a deep reorganisation the failed transaction of a payout may succeed, whose money was released.
                await self._alert("critical", "failed_transaction_loose", last, "a failed payout may go through yet")
                continue
            # The others of an address wait for the first: raising their fees would change nothing.
            if last.nonce == nonces[address]:
                await self._bump_when_due(last)

    async def _look_for_conflict(self, line: Sequence[Stored], final_height: int) -> None:
        """A final transaction has used the nonce, but none of ours has a receipt. Ours has failed only if the final one
        is not ours."""
        last = line[-1]
        txid = await self._sender.who_used(last.from_address, last.nonce, final_height)
        if txid is None:
            await self._alert("critical", "nonce_used", last, "its nonce is used, and the node can't say by what")
            return
        if txid in {stored.txid for stored in line}:
            return  # the node's answers disagree; the next round asks again
        now = clock.now()
        try:
            async with database.transaction():
                if last.withdrawal is not None:
                    await self._withdrawals.fail(last.withdrawal, "another transaction took its place", now)
                await repository.mark_replaced(line, now)
        except IllegalTransition as error:
            await self._alert_outcome_changed(last, error)
            async with database.transaction():
                await repository.mark_replaced(line, now)
        await self._alert(
            "critical", "nonce_taken", last, f"transaction {txid}, not one of ours, was sent from {last.from_address}"
        )
        await service.announce()

    async def _bump_when_due(self, last: Stored) -> None:
        now = clock.now()
        if last.created_at > now - timedelta(seconds=self._network.fee_bump_after_s):
            return
        try:
            data_fee_raw = (await self._sender.with_data_fee(last.draft)).data_fee_raw
            draft = bumped(last, await self._sender.fee_rate(), data_fee_raw, self._is_native_sweep(last))
        except FeeAboveCeiling:
            draft = None
        if draft is None or self._sender.is_above_ceiling(draft):
            if last.withdrawal is not None:
                await set_waiting(last.withdrawal, "the network asks a higher fee than the ceiling")
            await self._alert("warning", "fee_ceiling", last, "a transaction is stuck below the fee ceiling")
            return
        if await self._can_afford(last, draft):
            await self._bump(last, draft, now)
        elif last.withdrawal is not None:
            await set_waiting(last.withdrawal, "the hot wallet holds too little for the fee that the network asks")

    async def _bump(self, last: Stored, draft: Draft, now: datetime) -> None:
        try:
            async with database.transaction():
                await self._wallet.check_signed(last)
                if last.withdrawal is not None:
                    intent = await lock_payable(last.withdrawal, self._network, again=True)
                    approved = (intent.destination, intent.asset, intent.amount_raw)
                    if approved != (draft.to_address, draft.asset_symbol, draft.amount_raw):
                        raise Refused("digest", "it is not what was signed before", held=True)
                if not await repository.lock_open(last.id):
                    return
                stored = await self._wallet.sign(
                    draft,
                    purpose=last.purpose,
                    from_address=last.from_address,
                    withdrawal=last.withdrawal,
                    replaces=last.id,
                    now=now,
                )
        except NotToSign:
            return
        except Refused as refused:
            assert last.withdrawal is not None
            await refuse(last.withdrawal, refused, self._network, now)
            return
        self._crash.reach("bump_signed")
        await self.broadcast(stored)

    async def _can_afford(self, last: Stored, draft: Draft) -> bool:
        """Whether sender and treasury have the additional cost of the bump."""
        assert self._network.native is not None
        more_raw = draft.gas_budget_raw - last.draft.gas_budget_raw
        if await self._treasury.gas_left_raw() < more_raw:
            return False
        coin, sender = self._network.native.symbol, last.from_address
        balance_raw = (await self._sender.balances_raw([sender], coin))[sender]
        reserved = await repository.unmined_raw(self._network.key, sender, coin)
        less_raw = last.amount_raw - draft.amount_raw
        return balance_raw - reserved.get(coin, 0) >= more_raw - less_raw

    def _is_native_sweep(self, stored: Stored) -> bool:
        return (
            stored.purpose == "sweep"
            and self._network.native is not None
            and stored.asset == self._network.native.symbol
        )

    async def _alert_outcome_changed(self, stored: Stored, error: IllegalTransition) -> None:
        """The withdrawal had the other outcome before a deep reorganisation: an operator must decide."""
        await self._alert("critical", "outcome_changed", stored, f"the outcome on chain has changed: {error}")

    async def _alert(self, severity: Severity, kind: str, stored: Stored, message: str) -> None:
        """Alert operators once: the next round comes in a second."""
        key = f"{kind}:{stored.id}"
        if key in self._alerted:
            return
        self._alerted.add(key)
        await raise_alert(
            severity=severity,
            kind=kind,
            dedupe_key=key,
            message=f"{self._network.key}: {message}",
            details={
                "network": self._network.key,
                "txid": stored.txid,
                "nonce": stored.nonce,
                "withdrawal": stored.withdrawal,
            },
            now=clock.now(),
        )


def bumped(last: Stored, rate: FeeRate, data_fee_raw: int, takes_gas_from_amount: bool) -> Draft | None:
    """The same transfer with the same nonce, at a fee at which nodes replace the last one.

    `data_fee_raw` is what a rollup charges for it now. A sweep of the native coin sends the whole balance, so a higher
    fee makes its amount smaller; None if nothing would be left.
    """
    more, of = BUMP
    priority_raw = max(rate.priority_raw, -(-last.priority_fee_raw * more // of))
    max_raw = max(rate.max_raw, -(-last.max_fee_raw * more // of), priority_raw)
    data_fee_raw = max(data_fee_raw, last.data_fee_raw)
    amount_raw = last.amount_raw
    if takes_gas_from_amount:
        priority_raw = max_raw
        amount_raw -= last.gas_limit * (max_raw - last.max_fee_raw) + data_fee_raw - last.data_fee_raw
    if amount_raw <= 0:
        return None
    return Draft(
        to_address=last.to_address,
        asset_symbol=last.asset,
        amount_raw=amount_raw,
        nonce=last.nonce,
        gas_limit=last.gas_limit,
        max_fee_raw=max_raw,
        priority_fee_raw=priority_raw,
        data_fee_raw=data_fee_raw,
    )
