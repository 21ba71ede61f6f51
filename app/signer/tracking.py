"""From signed to final: send a transaction, find it on chain, send it again, raise its fee.

Nothing here makes a second payment. Sending again uses the stored bytes, or a bump that claims the same and pays the
same. A transaction that isn't found may still be mined; a payment has failed only when its transaction was reverted, or
when another transaction that uses what it claims is final.

Where transactions are limited in time, another attempt is signed only after the last one is dead: no block can hold it.
Should a dead one be in a block after all, its withdrawals are held, the later attempt is not sent any more, and no
third one is signed; once the later one is dead too, the first is the final one.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from app.alerts.service import Severity, raise_alert
from app.core import clock, database
from app.core.logging import get_logger
from app.networks.config import NetworkConfig
from app.networks.port import FeeAboveCeiling, WouldFail
from app.networks.sending import Broadcast, Draft, Payment, Receipt, Sender
from app.signer import repository
from app.signer.account_book import EXPIRED_MINED, alert_mined_after_all
from app.signer.approvers import Approvers
from app.signer.crash_points import CrashPoints
from app.signer.funds import Funds, NotNow, Standing
from app.signer.outcome import Outcome, outcome
from app.signer.policy import NotToSign, lock_payable, refuse
from app.signer.refusal import Refused
from app.signer.repository import Stored
from app.signer.treasury import Treasury
from app.signer.wallet import Wallet
from app.withdrawals import service
from app.withdrawals.digest import Intent, digest
from app.withdrawals.repository import hold, is_held, set_waiting
from app.withdrawals.service import WithdrawalService
from app.withdrawals.states import IllegalTransition

log = get_logger(__name__)

OVER = "the network did not take the transaction in time; another one is signed once no block can hold this one"

WAITING_REASONS = {
    Broadcast.UNDERPRICED: "the node finds the fee too low; it is raised in a while",
    Broadcast.SHORT: "the hot wallet holds too little for gas",
    Broadcast.REFUSED: "the node does not take the transaction; it is sent again",
}


class Mined(Exception):
    """A transaction that seemed to be in no block is in one."""


class Tracker:
    """Tracks our transactions on one network."""

    def __init__(
        self,
        network: NetworkConfig,
        sender: Sender,
        wallet: Wallet,
        funds: Funds,
        treasury: Treasury,
        withdrawals: WithdrawalService,
        crash: CrashPoints,
        approvers: Approvers | None,
    ) -> None:
        self._network = network
        self._approvers = approvers
        self._sender = sender
        self._wallet = wallet
        self._funds = funds
        self._treasury = treasury
        self._withdrawals = withdrawals
        self._crash = crash
        self._alerted: set[str] = set()

    async def track(self) -> None:
        """Check every transaction that is not final, once. Raises NetworkError; results found before it are stored."""
        lineages = await repository.under_way(self._network.key)
        txids = [stored.txid for lineage in lineages for stored in lineage]
        receipts = await self._sender.receipts(txids) if txids else {}
        unmined: list[list[Stored]] = []
        for lineage in lineages:
            living = [stored for stored in lineage if stored.is_living]
            found = next((stored for stored in living if stored.txid in receipts), None)
            await self._record_blocks(living, receipts)
            if found is None:
                unmined.append(lineage)
            elif await self._funds.is_final(found, receipts[found.txid]):
                await self._finish(lineage, found, receipts[found.txid])
            else:
                await self._mark_submitted(found)
        if unmined:
            await self._resend_or_bump(unmined, receipts)
        await self._treasury.book_fees(clock.now())

    async def broadcast(self, stored: Stored) -> Broadcast:
        """Send stored bytes, for the first time or again, and record what the node answered.

        Raises NodeUnavailable where the outcome is unknown: the next round sends the same bytes again.
        """
        answer = await self._funds.send(stored)
        log.info("transaction_sent", txid=stored.txid, nonce=stored.nonce, purpose=stored.purpose, outcome=answer.value)
        self._crash.reach("sent")
        if answer is Broadcast.ACCEPTED:
            await self._mark_submitted(stored)
            self._crash.reach("submitted")
        elif answer in WAITING_REASONS:
            await self._set_waiting(stored, WAITING_REASONS[answer])
            if answer is Broadcast.REFUSED:
                await self._alert("warning", "transaction_refused", stored, "a node refuses a signed transaction")
        return answer

    async def _record_blocks(self, lineage: Sequence[Stored], receipts: dict[str, Receipt]) -> None:
        for stored in lineage:
            receipt = receipts.get(stored.txid)
            height, block_hash = (receipt.height, receipt.block_hash) if receipt else (None, None)
            if (stored.block_height, stored.block_hash) != (height, block_hash):
                await repository.mark_block(stored.id, height, block_hash)
                if receipt is not None and stored.status == "submitted":
                    await self._set_waiting(stored, None)

    async def _mark_submitted(self, stored: Stored) -> None:
        """Mark a transaction that is in a node's pool or in a block as submitted, if it is not yet."""
        if stored.status != "signed":
            return
        now = clock.now()
        async with database.transaction():
            for withdrawal_id in sorted(stored.withdrawal_ids):
                if not await self._withdrawals.mark_submitted(withdrawal_id, now):
                    await set_waiting(withdrawal_id, None)  # a bump, and nothing delays it any more
            await repository.mark_submitted(stored.id, now)
        await service.announce()

    async def _finish(self, lineage: Sequence[Stored], stored: Stored, receipt: Receipt) -> None:
        """Book a final transaction: all its withdrawals are confirmed, or have failed and their money is available.

        One that has moved something else than it should stays under way: its money must neither be paid again nor count
        as paid before an operator has looked.
        """
        done = outcome(
            receipt, stored.payments, stored.from_address, silence_is_failure=self._network.silence_is_failure
        )
        if done is Outcome.OTHERWISE:
            await self._set_waiting(stored, "the network has moved something else than was approved")
            await self._alert("critical", "moved_otherwise", stored, "a final transaction has not moved what it should")
            return
        self._crash.reach("mined")
        now = clock.now()
        moved = done is Outcome.PAID
        try:
            async with database.transaction():
                await self._settle(stored, moved, now)
                await repository.finish(lineage, stored.txid, receipt, moved, now)
                self._crash.reach("confirming")
        except IllegalTransition as error:
            await self._alert_outcome_changed(stored, error)
            async with database.transaction():
                await repository.finish(lineage, stored.txid, receipt, moved, now)
        await service.announce()
        self._crash.reach("confirmed")
        await self._treasury.book_fees(now)
        self._crash.reach("fee_booked")

    async def _settle(self, stored: Stored, moved: bool, now: datetime) -> None:
        if len(stored.withdrawal_ids) > 1:  # the steps of one take its locks in their order
            await self._withdrawals.lock(*stored.withdrawal_ids)
        for withdrawal_id in stored.withdrawal_ids:
            if not moved:
                await self._withdrawals.fail(withdrawal_id, "the chain reverted the transaction", now)
                continue
            await self._withdrawals.mark_submitted(withdrawal_id, now)
            await self._withdrawals.confirm(withdrawal_id, now)

    async def _resend_or_bump(self, lineages: Sequence[Sequence[Stored]], receipts: Mapping[str, Receipt]) -> None:
        """Of the unmined ones, send again those that the node has lost, raise the fee of those that take long, and sign
        those anew that no block can hold any more."""
        standings = await self._funds.standings(lineages)
        pooled = await self._sender.pooled([lineage[-1].txid for lineage in lineages])
        for lineage, standing, known in zip(lineages, standings, pooled, strict=True):
            last = lineage[-1]
            if revived := _revived(lineage, standing, receipts):
                await self._settle_revived(lineage, revived, standing, receipts)
                continue
            if standing.is_used:
                await self._replaced_by_another(lineage, standing)
            elif standing.is_dead:
                await self._renew(lineage)
            elif standing.is_over:
                await self._set_waiting(last, OVER)
            elif known:
                await self._mark_submitted(last)
            elif len(lineage) > 1 and not lineage[0].is_living and await self._is_held(last):
                continue  # an earlier attempt was in a block after all: an operator decides
            elif await self._may_be_sent(last):
                await self.broadcast(last)
            else:
                # After a deep reorganisation the failed transaction of a payout may succeed, whose money was released.
                await self._alert("critical", "failed_transaction_loose", last, "a failed payout may go through yet")
                continue
            if not standing.is_used and standing.is_next:
                await self._bump_when_due(last)

    async def _settle_revived(
        self, lineage: Sequence[Stored], revived: Stored, standing: Standing, receipts: Mapping[str, Receipt]
    ) -> None:
        """A block holds an attempt that no block could hold. The later one is not sent any more; once it can't be in a
        block either, this one is the final one."""
        now = clock.now()
        if f"revived:{revived.id}" not in self._alerted:
            self._alerted.add(f"revived:{revived.id}")
            async with database.transaction():
                for withdrawal_id in sorted(revived.withdrawal_ids):
                    await hold(withdrawal_id)
                    await set_waiting(withdrawal_id, EXPIRED_MINED)
                await alert_mined_after_all(self._network.key, revived.id, revived.txid, revived.withdrawal_ids, now)
        receipt = receipts.get(revived.txid)
        if standing.is_dead and receipt is not None and await self._funds.is_final(revived, receipt):
            await self._finish(lineage, revived, receipt)

    async def _renew(self, lineage: Sequence[Stored]) -> None:
        """Sign another attempt in the place of one that no block can hold. A move between our own addresses is only
        given up: it is made anew where it is still worth it."""
        assert self._funds.renewal is not None
        last, now = lineage[-1], clock.now()
        if not last.withdrawal_ids:
            with suppress(Mined):
                async with database.transaction():
                    await self._mark_dead(lineage, now)
            return
        await self._wallet.check_signed(last)
        try:
            draft = await self._funds.renewal.renew(last)
        except FeeAboveCeiling:
            await self._set_waiting(last, "the network asks a higher fee than the ceiling")
        except WouldFail as error:
            await self._set_waiting(last, "the network would refuse this transfer now")
            await self._alert("warning", "transfer_would_fail", last, f"another attempt would fail: {error}")
        except NotNow as error:
            await self._set_waiting(last, error.reason)
        except Refused as refused:
            await refuse(last.withdrawal_ids[0], refused, self._network, now)
        else:
            await self._wallet.forget_dead(
                [self._digest(*each) for each in zip(last.withdrawal_ids, last.payments, strict=True)]
            )
            with suppress(Mined):
                await self._sign_again(lineage, draft, now, is_dead=True)

    async def _mark_dead(self, lineage: Sequence[Stored], now: datetime) -> None:
        """Mark a lineage as dead, in the caller's transaction. Raises Mined where our own scan has it in a block by
        now: the row's lock makes this or the watcher see the other."""
        assert self._funds.renewal is not None
        await repository.mark_replaced(lineage, now)
        if await self._funds.renewal.is_mined([stored.txid for stored in lineage]):
            raise Mined

    async def _may_be_sent(self, stored: Stored) -> bool:
        return all([await service.may_be_sent(withdrawal_id) for withdrawal_id in stored.withdrawal_ids])

    async def _is_held(self, stored: Stored) -> bool:
        return any([await is_held(withdrawal_id) for withdrawal_id in stored.withdrawal_ids])

    async def _replaced_by_another(self, lineage: Sequence[Stored], standing: Standing) -> None:
        """A final transaction has used what a lineage claims, but none of ours has a receipt. Ours has failed only if
        the final one is not ours."""
        last = lineage[-1]
        if standing.used_by is None:
            await self._alert("critical", "nonce_used", last, "its nonce is used, and the node can't say by what")
            return
        if standing.used_by in {stored.txid for stored in lineage}:
            return  # the node's answers disagree; the next round asks again
        now = clock.now()
        try:
            async with database.transaction():
                if len(last.withdrawal_ids) > 1:
                    await self._withdrawals.lock(*last.withdrawal_ids)
                for withdrawal_id in last.withdrawal_ids:
                    await self._withdrawals.fail(withdrawal_id, "another transaction took its place", now)
                await repository.mark_replaced(lineage, now)
        except IllegalTransition as error:
            await self._alert_outcome_changed(last, error)
            async with database.transaction():
                await repository.mark_replaced(lineage, now)
        whose = f", was sent from {last.from_address}" if last.from_address else ", has spent the same"
        await self._alert("critical", "nonce_taken", last, f"transaction {standing.used_by}, not one of ours{whose}")
        await service.announce()

    async def _bump_when_due(self, last: Stored) -> None:
        now = clock.now()
        if last.created_at > now - timedelta(seconds=self._network.fee_bump_after_s):
            return
        await self._wallet.check_signed(last)
        try:
            draft = await self._funds.bump(last)
        except FeeAboveCeiling:
            await self._set_waiting(last, "the network asks a higher fee than the ceiling")
            await self._alert("warning", "fee_ceiling", last, "a transaction is stuck below the fee ceiling")
        except NotNow as error:
            await self._set_waiting(last, error.reason)
        else:
            await self._sign_again([last], draft, now, is_dead=False)

    async def _sign_again(self, lineage: Sequence[Stored], draft: Draft, now: datetime, *, is_dead: bool) -> None:
        """Sign, store and send another attempt at the payments of the last one: with what it claims, or, once that is
        dead, with a claim of its own."""
        last, checked = lineage[-1], ""
        try:
            async with database.transaction():
                payables = []
                for checked, payment in zip(last.withdrawal_ids, draft.payments, strict=False):
                    payable = await lock_payable(checked, self._network, self._approvers, again=True)
                    if payable.intent != payable.with_payment(payment):
                        raise Refused("digest", "it is not what was signed before", held=True)
                    payables.append(payable)
                if not await repository.lock_open(last.id):
                    return
                if is_dead:
                    await self._mark_dead(lineage, now)
                    draft = await self._funds.lock(draft)
                stored = await self._wallet.sign(draft, purpose=last.purpose, payables=payables, replaces=last, now=now)
                await self._funds.record(stored)
        except NotToSign:
            return
        except Refused as refused:
            await refuse(checked, refused, self._network, now)
            return
        self._crash.reach("bump_signed")
        await self.broadcast(stored)

    def _digest(self, withdrawal_id: str, payment: Payment) -> bytes:
        asset, amount_raw, destination = payment.asset_symbol, payment.amount_raw, payment.to_address
        return digest(Intent(withdrawal_id, asset, self._network.key, amount_raw, destination, None))

    async def _set_waiting(self, stored: Stored, reason: str | None) -> None:
        for withdrawal_id in stored.withdrawal_ids:
            await set_waiting(withdrawal_id, reason)

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
                "withdrawal": ", ".join(stored.withdrawal_ids) or None,
            },
            now=clock.now(),
        )


def _revived(lineage: Sequence[Stored], standing: Standing, receipts: Mapping[str, Receipt]) -> Stored | None:
    """The attempt that counted as dead and is in a block: by our own scan, or as a node says."""
    dead = [stored for stored in lineage if not stored.is_living]
    return next((stored for stored in dead if stored.txid == standing.revived or stored.txid in receipts), None)
