"""Which invoice a transfer is for, and whether it pays it: pure rules over plain values.

`match` judges one transfer: only `exact` pays. `payment` judges all deposits of an invoice together, and finds those
that pay it although none of them did by itself. `part` and `dust` stay in suspense without a review; every other
verdict needs an operator (contract, section 3).
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from app.invoices.pricing import BPS
from app.invoices.states import AWAITS_PAYMENT, KEEPS_ADDRESS, Status

DUST_SHARE = 100
"""Less than 1/DUST_SHARE of the invoice's amount is dust, in its own asset (contract, section 3)."""


class Verdict(StrEnum):
    """How a transfer compares with its invoice."""

    EXACT = "exact"
    """It pays the invoice, or was credited as a part of the payment."""
    PART = "part"
    """It counts towards an invoice that is paid in parts."""
    DUST = "dust"
    """It is too small to count."""
    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    LATE = "late"
    CANCELLED = "cancelled"
    SECOND = "second"
    WRONG_ASSET = "wrong_asset"
    IN_REVIEW = "in_review"
    """It was inferred from a balance: nobody saw it move."""
    UNKNOWN = "unknown"


NEEDS_NO_REVIEW = frozenset({Verdict.EXACT, Verdict.PART, Verdict.DUST})
"""Verdicts that need no operator. Each of the others opens a review."""


class Candidate(msgspec.Struct, frozen=True):
    """An invoice that the address has served within the window, newest first in a list of them.

    Of an invoice with a price it is the quote for which the address was leased: `quote_id`, with the quote's own asset,
    amount and end. `tolerance_bps` is its merchant's: how far an amount may be off, in 1/10,000 of the invoice's
    amount. `received_raw` is the sum of its deposits in its asset at this address. `was_cancelled`: a deposit after its
    cancellation put it into `manual_review`.
    """

    id: str
    status: Status
    asset: str
    pay_in_raw: int
    expires_at: datetime
    tolerance_bps: int = 0
    accept_parts: bool = False
    received_raw: int = 0
    was_cancelled: bool = False
    quote_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether a payment that was made in time still pays it, whatever else came before."""
        return self.status in AWAITS_PAYMENT or (self.status == Status.MANUAL_REVIEW and not self.was_cancelled)

    def can_be_paid_at(self, paid_at: datetime) -> bool:
        """Whether a payment that was first in a block at `paid_at` can pay it."""
        return self.is_open and paid_at < self.expires_at

    def asks_for(self, amount_raw: int) -> bool:
        """Whether its page shows, or showed, exactly this amount: the whole amount, or what is missing of it."""
        return amount_raw == self.pay_in_raw or (
            self.accept_parts and amount_raw == self.pay_in_raw - self.received_raw
        )

    def tolerates(self, amount_raw: int) -> bool:
        """Whether this amount is within the merchant's tolerance of the invoice's amount."""
        return abs(amount_raw - self.pay_in_raw) * BPS <= self.pay_in_raw * self.tolerance_bps


class Match(msgspec.Struct, frozen=True):
    """A transfer's invoice, if it has one, and how the transfer compares with it; of an invoice with a price, the quote
    that it came for."""

    invoice_id: str | None
    verdict: Verdict
    quote_id: str | None = None


def match(
    asset: str, amount_raw: int, paid_at: datetime, candidates: Sequence[Candidate], dust_limit_raw: int = 0
) -> Match:
    """Find the invoice for a transfer that was first in a block at `paid_at`.

    An invoice that asks for exactly this amount comes first: an open one that is paid in time, else the newest, so that
    a late payment finds its invoice. Else it is the invoice that holds the address, else the last one that held it;
    there an amount within the merchant's tolerance, in time, counts as exact too. A transfer that does not pay and is
    less than `dust_limit_raw`, or less than 1/DUST_SHARE of the invoice in its asset, is dust.
    """
    candidate = _find(asset, amount_raw, paid_at, candidates)
    if candidate is None:
        return Match(None, Verdict.DUST if amount_raw < dust_limit_raw else Verdict.UNKNOWN)
    verdict = _judge(asset, amount_raw, paid_at, candidate)
    if verdict != Verdict.EXACT and is_dust(asset, amount_raw, candidate, dust_limit_raw):
        verdict = Verdict.DUST
    return Match(candidate.id, verdict, candidate.quote_id)


def is_dust(asset: str, amount_raw: int, invoice: Candidate, dust_limit_raw: int) -> bool:
    """Whether an amount is too small to count towards the invoice that it came for."""
    return amount_raw < dust_limit_raw or (asset == invoice.asset and amount_raw * DUST_SHARE < invoice.pay_in_raw)


def _find(asset: str, amount_raw: int, paid_at: datetime, candidates: Sequence[Candidate]) -> Candidate | None:
    asked = [c for c in candidates if c.asset == asset and c.asks_for(amount_raw)]
    payable = [c for c in asked if c.can_be_paid_at(paid_at)]
    holders = [c for c in candidates if c.status in KEEPS_ADDRESS]
    return next(iter([*payable, *asked, *holders, *candidates]), None)


def _judge(asset: str, amount_raw: int, paid_at: datetime, candidate: Candidate) -> Verdict:
    """The verdict on a transfer for this invoice, before the check for dust."""
    if candidate.asset == asset and candidate.can_be_paid_at(paid_at):
        if candidate.tolerates(amount_raw):
            return Verdict.EXACT
        if candidate.accept_parts:
            return Verdict.PART
    if candidate.asset == asset and candidate.asks_for(amount_raw):
        return _why_not_paid(candidate)
    if not candidate.is_open:
        return _why_not_paid(candidate)
    if candidate.asset != asset:
        return Verdict.WRONG_ASSET
    return Verdict.UNDERPAID if amount_raw < candidate.pay_in_raw else Verdict.OVERPAID


def _why_not_paid(candidate: Candidate) -> Verdict:
    """The verdict on a transfer that comes at the wrong time, whatever its amount."""
    if candidate.status == Status.CANCELLED:
        return Verdict.CANCELLED
    if candidate.status == Status.MANUAL_REVIEW and candidate.was_cancelled:
        return Verdict.CANCELLED
    if candidate.status in (*AWAITS_PAYMENT, Status.EXPIRED, Status.MANUAL_REVIEW):
        return Verdict.LATE
    return Verdict.SECOND


class TimelyDeposit(msgspec.Struct, frozen=True):
    """A deposit of an invoice, in its asset and made in time, on which no operator has decided."""

    id: str
    amount_raw: int
    is_dust: bool


def payment(invoice: Candidate, deposits: Sequence[TimelyDeposit]) -> Sequence[TimelyDeposit]:
    """Which of the deposits, given in the order in which they were made, pay the invoice together; empty if none do.

    One of the exact amount, else one within the merchant's tolerance. Else, where parts are accepted, the first ones
    whose sum is the amount: all of them, with dust, or those that are not dust. Because of the order, deposits after
    the last part don't change the sum.
    """
    exact = [deposit for deposit in deposits if deposit.amount_raw == invoice.pay_in_raw]
    tolerated = [deposit for deposit in deposits if invoice.tolerates(deposit.amount_raw)]
    if single := next(iter([*exact, *tolerated]), None):
        return [single]
    if not invoice.accept_parts:
        return []
    all_raw = solid_raw = 0
    for position, deposit in enumerate(deposits, start=1):
        all_raw += deposit.amount_raw
        solid_raw += 0 if deposit.is_dust else deposit.amount_raw
        if all_raw == invoice.pay_in_raw:
            return deposits[:position]
        if solid_raw == invoice.pay_in_raw:
            return [each for each in deposits[:position] if not each.is_dust]
    return []


def overshoots(invoice: Candidate, deposits: Sequence[TimelyDeposit], amount_raw: int) -> bool:
    """Whether one more part is larger than the missing amount, so that the parts can't add up to it any more."""
    return sum(deposit.amount_raw for deposit in deposits if not deposit.is_dust) + amount_raw > invoice.pay_in_raw
