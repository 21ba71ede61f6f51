"""Attach a transaction that is missing from the books to the withdrawal that it paid.

After a backup is restored, the chain may have transactions of the hot wallet that were signed after the backup, and
the books show their withdrawals as unpaid. An operator names the transaction; everything else is proved: the hot
wallet signed it, it is final, and it moved exactly the requested amount to the requested destination. Attaching it
counts as the operator's approval where one is missing; so above a threshold two different operators have to agree.
"""

from datetime import datetime

import asyncpg
import msgspec

from app.audit import service as audit
from app.core import database
from app.networks.config import NetworkConfig
from app.networks.port import NetworkError, NotATransfer, OnChain, Parsed, Payment, Receipt, Sender
from app.networks.registry import Networks
from app.signer import account_nonces_repository, repository
from app.signer.outcome import Outcome, outcome
from app.withdrawals import repository as withdrawals_repository
from app.withdrawals.approvals import (
    EDITED,
    ON_HOLD,
    ApprovalRefused,
    ApprovalService,
    announce_with_invoice,
    facts_of,
    refuse_conflict,
    refuse_other_than_shown,
    refuse_unfit,
)
from app.withdrawals.digest import Intent
from app.withdrawals.repository import RequestedWithdrawal
from app.withdrawals.service import WithdrawalService
from app.withdrawals.states import Status


class AdoptionRefused(ApprovalRefused):
    """The transaction did not pay this withdrawal, or that is not certain; the message is for the operator."""


class _Payment(msgspec.Struct, frozen=True):
    """A final transaction that paid a withdrawal, and what its bytes say."""

    on_chain: OnChain
    parsed: Parsed
    receipt: Receipt


class AdoptionService:
    """Adopts transactions. One per process."""

    def __init__(self, networks: Networks, withdrawals: WithdrawalService, approvals: ApprovalService) -> None:
        self._networks = networks
        self._withdrawals = withdrawals
        self._approvals = approvals

    async def adopt(
        self,
        withdrawal_id: str,
        txid: str,
        operator_id: str,
        totp_code: str,
        reason: str,
        now: datetime,
        *,
        shown: bytes | None = None,
        address: str | None = None,
    ) -> None:
        """Attach a transaction, and confirm the withdrawal with its bookings and events.

        `shown` is the digest of what the operator was shown, `address` the client's. Raises CodeRefused,
        ApprovalRefused. Calls a node: not inside a transaction.
        """
        if not reason.strip():
            raise AdoptionRefused("a reason is required")
        await self._approvals.prove_operator(operator_id, totp_code, now)
        row = await withdrawals_repository.requested(withdrawal_id)
        if row is None:
            raise AdoptionRefused(f"there is no {withdrawal_id}")
        network = self._networks.get(row.network)
        payment = await _prove(self._networks.sender(network.key), network, row.intent, txid.strip().lower())
        try:
            async with database.transaction():
                await self._withdrawals.lock(withdrawal_id)
                row = await _adoptable(withdrawal_id, operator_id, shown)
                if row.status == Status.PENDING_APPROVAL:
                    await self._approve(row, operator_id, now, address)
                await self._attach(row, payment, now)
                await _audit(row, payment, f"account:{operator_id}", reason, now, address)
        except asyncpg.UniqueViolationError:
            raise AdoptionRefused("the books have that transaction, or another one with its nonce") from None
        except asyncpg.RestrictViolationError as error:
            raise AdoptionRefused(f"the database refuses it: {error.args[0]}") from None
        await announce_with_invoice(withdrawal_id)

    async def _approve(self, row: RequestedWithdrawal, operator_id: str, now: datetime, address: str | None) -> None:
        await refuse_unfit(row, operator_id)
        if await self._approvals.record(row, operator_id, now, address) != Status.APPROVED:
            raise AdoptionRefused("another operator must approve it first: you would be the first of two")

    async def _attach(self, row: RequestedWithdrawal, payment: _Payment, now: datetime) -> None:
        stored = await repository.add(
            network=row.network,
            purpose="withdrawal",
            withdrawals=[row.id],
            draft=payment.on_chain.draft,
            parsed=payment.parsed,
            signed=payment.on_chain.signed,
            replaces=None,
            now=now,
        )
        await repository.finish([stored], stored.txid, payment.receipt, True, now)
        if stored.from_address is not None:
            await account_nonces_repository.step_past_used(row.network, stored.from_address)
        await self._withdrawals.mark_submitted(row.id, now)
        await self._withdrawals.confirm(row.id, now)


async def _adoptable(withdrawal_id: str, operator_id: str, shown: bytes | None) -> RequestedWithdrawal:
    """The locked withdrawal, if this operator may attach a transaction to it. Raises ApprovalRefused."""
    row = await withdrawals_repository.requested(withdrawal_id)
    assert row is not None
    if row.is_edited:
        raise AdoptionRefused(EDITED)
    refuse_other_than_shown(row, shown)
    if row.status not in (Status.PENDING_APPROVAL, Status.APPROVED):
        raise AdoptionRefused(f"it is {row.status}")
    if row.held:
        raise AdoptionRefused(ON_HOLD)
    if await repository.signed_for([withdrawal_id]):
        raise AdoptionRefused("the books have a transaction of it already")
    await refuse_conflict(withdrawal_id, operator_id)
    return row


async def _prove(sender: Sender, network: NetworkConfig, intent: Intent, txid: str) -> _Payment:
    """The transaction and its receipt, if it paid this withdrawal and is final. Raises AdoptionRefused."""
    try:
        on_chain = await sender.look_up(txid)
        receipt = (await sender.receipts([txid])).get(txid) if on_chain is not None else None
    except NotATransfer as error:
        raise AdoptionRefused(str(error)) from None
    except NetworkError as error:
        raise AdoptionRefused(f"the network's node gives no answer now: {error}") from None
    if on_chain is None or receipt is None:
        raise AdoptionRefused(f"{network.display_name} has no such transaction in a block")
    if parsed.sender is None:
        raise AdoptionRefused(f"a transaction on {network.display_name} names no sender, so it can't be attached")
    if parsed.sender != network.hot_wallet_address:
        raise AdoptionRefused(f"it was sent by {parsed.sender}, not by the hot wallet")
    requested = Payment(intent.destination, intent.asset, intent.amount_raw)
    if parsed.payments != (requested,):
        sends = ", ".join(f"{p.amount_raw} minor units of {p.asset_symbol} to {p.to_address}" for p in parsed.payments)
        raise AdoptionRefused(f"it sends {sends}: not what was requested")
    if outcome(receipt, parsed.payments, parsed.sender) is not Outcome.PAID:
        raise AdoptionRefused("it failed: nothing was moved")
    if receipt.confirmations < network.confirmations:
        raise AdoptionRefused(f"it has {receipt.confirmations} of {network.confirmations} confirmations: wait")
    return _Payment(on_chain, parsed, receipt)


async def _audit(
    row: RequestedWithdrawal, payment: _Payment, actor: str, reason: str, now: datetime, address: str | None
) -> None:
    await audit.record(
        actor=actor,
        action="withdrawal.transaction_adopted",
        subject=row.id,
        merchant_id=row.merchant,
        address=address,
        details={
            **facts_of(row),
            "digest": row.digest.hex(),
            "txid": payment.on_chain.signed.txid,
            "nonce": payment.parsed.nonce,
            "reason": reason,
        },
        now=now,
    )
