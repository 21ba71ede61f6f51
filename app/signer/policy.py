"""Whether a withdrawal may be paid: the signer's own check of the row and its approvals.

The database may have been edited by an attacker. What is trusted is what operators approved, as a digest over the
payment, and the limits in the signer's own configuration (limits.py). With a file of approvers, what operators have
approved is what their passkeys have signed (approvers.py); else it is what the database says of it.
"""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from app.alerts.service import raise_alert
from app.core import database
from app.networks.config import NetworkConfig
from app.networks.sending import Payment
from app.signer import balances_repository, repository
from app.signer.approvers import Approvers
from app.signer.refusal import Refused
from app.withdrawals import approvals_repository, limits
from app.withdrawals import repository as withdrawals
from app.withdrawals.digest import Intent, digest
from app.withdrawals.repository import RequestedWithdrawal


class Payable(msgspec.Struct, frozen=True):
    """A withdrawal that may be paid: the payment by its row, and the digest that operators have approved."""

    intent: Intent
    approved: bytes

    def with_payment(self, payment: Payment) -> Intent:
        """The same withdrawal with the payment of signed bytes: has the same digest only if that was approved."""
        return replace(
            self.intent,
            destination=payment.to_address,
            asset=payment.asset_symbol,
            amount_raw=payment.amount_raw,
        )


class NotToSign(Exception):
    """The withdrawal no longer waits for a signature: it was rejected, held, or signed meanwhile."""


async def lock_payable(
    withdrawal_id: str, network: NetworkConfig, approvers: Approvers | None, *, again: bool = False
) -> Payable:
    """Lock a withdrawal and return what may be paid. Needs the caller's transaction.

    Raises NotToSign, Refused. `approvers` are those of the signer's own file, None where it has none. `again` is for a
    fee bump: the payment was signed before, and counts in the day already.
    """
    row = await withdrawals.lock_requested(withdrawal_id)
    if row is None or row.held or row.network != network.key:
        raise NotToSign
    if row.status != "approved" and not (again and row.status == "submitted"):
        raise NotToSign
    if not again and await repository.signed_for([withdrawal_id]):
        raise NotToSign
    intent = row.intent
    asset = network.asset(intent.asset)
    # The row's own figure may have been edited; the threshold of our configuration may not.
    required = max(row.approvals_required, asset.approvals_required(intent.amount_raw) if asset is not None else 1)
    await _check_approvals(intent, row.digest, required, again=again)
    if approvers is not None:
        approvers.check(intent, network, await approvals_repository.signatures(intent.id))
    _check_destination(intent, network)
    if not again:
        await _check_source(row)
        await _check_merchant(row.source)
    return Payable(intent, row.digest)


async def refuse(withdrawal_id: str, refused: Refused, network: NetworkConfig, now: datetime) -> None:
    """Hold the withdrawal if `refused.held`, write the reason that merchants and operators see, and raise an alert, in
    one transaction."""
    async with database.transaction():
        if refused.held:
            await withdrawals.hold(withdrawal_id)
        await withdrawals.set_waiting(withdrawal_id, refused.reason)
        await raise_alert(
            severity=refused.severity,
            kind=f"signer_refused_{refused.kind}",
            dedupe_key=f"signer_refused:{refused.kind}:{withdrawal_id}",
            message=f"The signer refused {withdrawal_id}: {refused.reason}",
            details={"withdrawal": withdrawal_id, "network": network.key, "reason": refused.reason},
            now=now,
        )


async def _check_approvals(intent: Intent, stated: bytes, required: int, *, again: bool) -> None:
    """Raise Refused unless enough different operators have approved exactly this digest.

    An operator who has joined the merchant since does not count any more, except in a bump: it pays nothing new, and
    later transactions would wait for it.
    """
    approvals = await approvals_repository.given(intent.id)
    recomputed = digest(intent)
    if stated != recomputed or any(approval.digest != recomputed for approval in approvals):
        raise Refused("digest", "it is not what was approved: it was changed afterwards", held=True)
    operators = {approval.account for approval in approvals if again or approval.conflict is None}
    if len(operators) < max(required, 1):
        raise Refused("approvals", "it has not been approved by enough operators", held=True)


async def _check_source(row: RequestedWithdrawal) -> None:
    """Raise Refused while the ledger that pays is below zero, as a deep reorganisation may leave it: later credits
    fill it first, and nothing is paid until then (contract, section 5), whatever was locked before."""
    available_raw = await balances_repository.available_raw(row.source, row.network, row.asset)
    if available_raw is None or available_raw < 0:
        raise Refused("below_zero", "the balance is below zero after a reorganisation", held=False)


async def _check_merchant(source: str) -> None:
    """Raise Refused while the merchant is suspended or banned: its approved withdrawals wait until that ends."""
    if stopped := await limits.stopped(source):
        raise Refused("merchant", f"the merchant is {stopped}", held=False, severity="warning")


def has_destination(intent: Intent, network: NetworkConfig) -> bool:
    """Whether the destination is an address of the network, in canonical form and without a memo."""
    try:
        return network.normalise_address(intent.destination) == intent.destination and intent.destination_memo is None
    except ValueError:
        return False


def _check_destination(intent: Intent, network: NetworkConfig) -> None:
    if not has_destination(intent, network):
        raise Refused("destination", "the destination is not an address of this network", held=True)
