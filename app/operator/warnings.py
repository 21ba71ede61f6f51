"""Warnings for an operator before a payment is approved: pure rules over the details of one withdrawal."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from app.backoffice.withdrawals import WithdrawalDetails
from app.networks.config import Asset
from app.operator import words
from app.operator.labels import Labels
from app.withdrawals.conflicts import REASONS, Conflict
from app.withdrawals.limits import STOPPED

Tone = Literal["critical", "caution", "neutral"]

MUCH_LARGER = 3
"""An amount of at least this many times the largest one paid so far gets a warning."""


class ApprovalWarning(msgspec.Struct, frozen=True):
    """A warning. `tone` is critical where the payment is probably wrong."""

    tone: Tone
    title: str
    text: str


def why_not(details: WithdrawalDetails, operator_id: str, conflict: Conflict | None) -> str | None:
    """Why this operator, with that conflict of interest if any, can't approve this now; None where they can."""
    if not details.is_waiting:
        return f"It is {words.state(details.status).lower()}: there is nothing to approve."
    if not details.intact:
        return "Its row was edited after it was requested. Reject it, and find out who did that."
    if details.held:
        return "It is on hold: the hold must be released first."
    if conflict is not None:
        return Labels.sentence(REASONS[conflict])
    if details.merchant_status in STOPPED and details.source == details.merchant_id:
        return f"The merchant is {details.merchant_status}: nothing leaves its balance before it is reinstated."
    if any(approval.account_id == operator_id for approval in details.approvals):
        return "You have approved it: a second operator must."
    return None


def why_not_attach(details: WithdrawalDetails, conflict: Conflict | None) -> str | None:
    """Why an operator with that conflict of interest, if any, can attach no transaction; None where they can."""
    if not details.can_be_rejected:
        return (
            f"It is {words.state(details.status).lower()}{', and has a transaction' if details.transactions else ''}."
        )
    return None if conflict is None else Labels.sentence(REASONS[conflict])


def warnings_about(details: WithdrawalDetails, asset: Asset | None) -> list[ApprovalWarning]:
    """Every warning, the most serious first. `asset` is None where the networks file no longer has it."""
    found = [
        *_integrity(details),
        *_destination(details),
        *_chain(details),
        *_merchant(details),
        *_amount(details, asset),
        *_similar(details),
    ]
    return sorted(found, key=lambda warning: ("critical", "caution", "neutral").index(warning.tone))


def _integrity(details: WithdrawalDetails) -> Iterator[ApprovalWarning]:
    if not details.intact:
        yield ApprovalWarning(
            "critical",
            "This is not what was requested.",
            "The digest that was stored with the request does not fit the row any more: somebody has edited it.",
        )
    if any(not approval.fits for approval in details.approvals):
        yield ApprovalWarning(
            "critical", "An approval has another digest.", "It approves other fields than those shown here."
        )
    if details.held:
        yield ApprovalWarning(
            "caution", "On hold.", details.hold_reason or details.waiting_reason or "The signer has refused it."
        )


def _destination(details: WithdrawalDetails) -> Iterator[ApprovalWarning]:
    history = details.destination_history
    if history.lookalikes and not history.confirmed:
        yield ApprovalWarning(
            "critical",
            "Looks like an address that was paid before, and is another.",
            "It begins and ends alike. Attackers plant such addresses in a wallet’s history to have them copied. "
            f"Paid before: {', '.join(history.lookalikes)}",
        )
    if history.payer_lookalikes:
        yield ApprovalWarning(
            "critical",
            "Looks like an address that paid this invoice, and is another.",
            "It begins and ends alike. Attackers send from such addresses to have them copied for the refund. "
            f"The invoice was paid from: {', '.join(history.payer_lookalikes)}",
        )
    if history.rejected:
        times = "once" if history.rejected == 1 else f"{history.rejected} times"
        yield ApprovalWarning(
            "caution", "Rejected before.", f"Operators have rejected a payment to this address {times}."
        )
    if not history.confirmed and not history.paid_from_here:
        others = history.other_merchants
        known = "" if not others else f" {others} other merchant{'s have' if others > 1 else ' has'} paid it."
        yield ApprovalWarning("caution", "First payment to this address.", f"This merchant has never paid it.{known}")


def _chain(details: WithdrawalDetails) -> Iterator[ApprovalWarning]:
    """What the chain said when the signer looked last, while nothing is signed."""
    seen, asset = details.preview, details.intent.asset
    if seen is None or not details.can_be_rejected:
        return
    if seen.is_frozen:
        yield ApprovalWarning(
            "critical",
            f"The issuer of {asset} has frozen this address.",
            "The recipient could not move what arrives, if it arrives at all. The signer holds such a payment.",
        )
    if seen.is_contract:
        yield ApprovalWarning(
            "caution",
            "The destination is a contract.",
            "What is sent to a contract that does not expect it is lost. Exchanges and wallets of several owners may "
            "have such addresses: ask the merchant whose it is.",
        )
    if seen.is_new_account:
        yield ApprovalWarning(
            "neutral",
            "The destination does not exist on chain yet.",
            "Nobody has sent anything there before; the payment makes the account, which is part of its cost.",
        )
    if seen.is_paused:
        yield ApprovalWarning(
            "caution", f"{asset} is paused by its issuer.", "Once approved, the payment waits until that ends."
        )
    if seen.fee_bps:
        yield ApprovalWarning(
            "caution",
            f"{asset} keeps a fee of each transfer now.",
            f"{Labels.percent(seen.fee_bps)} would not arrive. Once approved, the payment waits until that ends.",
        )


def _merchant(details: WithdrawalDetails) -> Iterator[ApprovalWarning]:
    if details.merchant_status in ("suspended", "banned"):
        yield ApprovalWarning(
            "critical", f"The merchant is {details.merchant_status}.", "Requests from before still wait here."
        )
    if details.merchant_history.balance.available_raw < 0:
        yield ApprovalWarning(
            "critical",
            "The balance is below zero.",
            "A reorganisation removed a payment whose money was already paid out. Nothing should leave until the "
            "balance is above zero again.",
        )


def _amount(details: WithdrawalDetails, asset: Asset | None) -> Iterator[ApprovalWarning]:
    amount_raw, largest_raw = details.intent.amount_raw, details.merchant_history.largest_raw
    if asset is None:
        yield ApprovalWarning("critical", "The asset is not configured.", "The signer will refuse it.")
    elif asset.transaction_ceiling_raw is not None and amount_raw > asset.transaction_ceiling_raw:
        yield ApprovalWarning(
            "caution", "Above the signer’s ceiling for one payment.", "The signer will hold it once approved."
        )
    if largest_raw is not None and amount_raw >= MUCH_LARGER * largest_raw:
        yield ApprovalWarning(
            "caution", "Much larger than usual.", f"It is {amount_raw // largest_raw} times the largest paid so far."
        )


def _similar(details: WithdrawalDetails) -> Iterator[ApprovalWarning]:
    if details.similar:
        count = len(details.similar)
        yield ApprovalWarning(
            "neutral",
            "Easy to confuse.",
            f"{count} other{'s wait' if count > 1 else ' waits'} with the same amount or the same destination: "
            f"{', '.join(one.id for one in details.similar)}.",
        )
