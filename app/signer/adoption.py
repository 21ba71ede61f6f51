"""Attach a transaction that is missing from the books to the withdrawal that it paid.

After a backup is restored, the chain may have transactions of the hot wallet that were signed after the backup, and
the books show their withdrawals as unpaid. An operator names the transaction; everything else is proved: our key
signed it, it is final, and it moved exactly the requested amount to the requested destination. Attaching it counts as
the operator's approval where one is missing; so above a threshold two different operators have to agree.

A batch is attached as a whole: each of its other payments must be one of an approved withdrawal too.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from app.audit import service as audit
from app.core import database
from app.networks.config import NetworkConfig
from app.networks.port import NetworkError, NotATransfer
from app.networks.recognition import recognise
from app.networks.registry import Networks
from app.networks.sending import Draft, OnChain, Parsed, Payment, Receipt, Sender
from app.signer import account_nonces_repository, coin_adoption, repository
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
    """A final transaction that paid a withdrawal, what it was signed from, and what its bytes say."""

    on_chain: OnChain
    draft: Draft
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
        """Attach a transaction, and confirm the withdrawal and all others that it paid, with their bookings and events.

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
        if (words := recognise(txid.strip())) is not None:
            raise AdoptionRefused(f"this is {words}, not a transaction")
        payment = await _prove(self._networks.sender(network.key), network, row.intent, txid.strip().lower())
        paid = await _paid_by(row, payment.parsed.payments)
        try:
            async with database.transaction():
                await self._withdrawals.lock(*paid)
                rows = [await _adoptable(each, operator_id, shown if each == withdrawal_id else None) for each in paid]
                for row in rows:
                    if row.status == Status.PENDING_APPROVAL and row.id != withdrawal_id:
                        raise AdoptionRefused(f"it also pays {row.id}, which must be approved first")
                    if row.status == Status.PENDING_APPROVAL:
                        await self._approve(row, operator_id, now, address)
                await self._attach(rows, payment, now)
                for row in rows:
                    await _audit(row, payment, f"account:{operator_id}", reason, now, address)
        except asyncpg.UniqueViolationError:
            raise AdoptionRefused("the books have that transaction, or another one with its nonce") from None
        except asyncpg.RestrictViolationError as error:
            raise AdoptionRefused(f"the database refuses it: {error.args[0]}") from None
        for each in paid:
            await announce_with_invoice(each)

    async def _approve(self, row: RequestedWithdrawal, operator_id: str, now: datetime, address: str | None) -> None:
        await refuse_unfit(row, operator_id)
        if await self._approvals.record(row, operator_id, now, address) != Status.APPROVED:
            raise AdoptionRefused("another operator must approve it first: you would be the first of two")

    async def _attach(self, rows: Sequence[RequestedWithdrawal], payment: _Payment, now: datetime) -> None:
        network = rows[0].network
        stored = await repository.add(
            network=network,
            purpose="withdrawal",
            withdrawals=[row.id for row in rows],
            draft=payment.draft,
            parsed=payment.parsed,
            signed=payment.on_chain.signed,
            replaces=None,
            now=now,
        )
        await repository.finish([stored], stored.txid, payment.receipt, True, now)
        if stored.from_address is not None and stored.nonce is not None:
            await account_nonces_repository.step_past_used(network, stored.from_address)
        for row in rows:
            await self._withdrawals.mark_submitted(row.id, now)
            await self._withdrawals.confirm(row.id, now)


async def _paid_by(row: RequestedWithdrawal, payments: Sequence[Payment]) -> list[str]:
    """The withdrawals that these payments are of, `row` among them, in their order. Raises AdoptionRefused."""
    paid: list[str] = []
    for payment in payments:
        found = await withdrawals_repository.unpaid(
            row.network, payment.asset_symbol, payment.amount_raw, payment.to_address
        )
        signed = await repository.signed_for([each.id for each in found])
        possible = [each for each in found if each.id not in signed and each.id not in paid]
        if payment == _requested(row.intent) and row.id not in paid:
            paid.append(row.id)
        elif not possible:
            raise AdoptionRefused(
                f"it also pays {payment.amount_raw} minor units to {payment.to_address}, which no withdrawal has"
                " requested: request that again first"
            )
        elif len({each.source for each in possible}) > 1:
            raise AdoptionRefused(f"it also pays {payment.to_address}, and withdrawals of several owners fit")
        else:
            paid.append(possible[0].id)
    return paid


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
        if on_chain is None or receipt is None:
            raise AdoptionRefused(f"{network.display_name} has no such transaction in a block")
        draft = on_chain.draft
        if network.has_coins:
            draft = await coin_adoption.draft_of(network, sender, on_chain)
        parsed = sender.parse(on_chain.signed.raw, draft)
    except NotATransfer as error:
        raise AdoptionRefused(str(error)) from None
    except NetworkError as error:
        raise AdoptionRefused(f"the network's node gives no answer now: {error}") from None
    if not network.has_coins and parsed.sender != network.hot_wallet_address:
        raise AdoptionRefused(f"it was sent by {parsed.sender}, not by the hot wallet")
    if _requested(intent) not in parsed.payments:
        sends = ", ".join(f"{p.amount_raw} minor units of {p.asset_symbol} to {p.to_address}" for p in parsed.payments)
        raise AdoptionRefused(f"it sends {sends}: not what was requested")
    if outcome(receipt, parsed.payments, parsed.sender) is not Outcome.PAID:
        raise AdoptionRefused("it failed: nothing was moved")
    if receipt.confirmations < network.confirmations:
        raise AdoptionRefused(f"it has {receipt.confirmations} of {network.confirmations} confirmations: wait")
    return _Payment(on_chain, draft, parsed, receipt)


def _requested(intent: Intent) -> Payment:
    return Payment(intent.destination, intent.asset, intent.amount_raw)


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
