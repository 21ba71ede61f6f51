"""Which invoice a transfer is for, and whether it pays it: pure rules over plain values.

Only one verdict pays: `exact`. Every other needs a human (contract, section 3).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.invoices.pricing import BPS
from app.invoices.states import KEEPS_ADDRESS, Status


class Verdict(StrEnum):
    """What a transfer is to its invoice."""

    EXACT = "exact"
    UNDERPAID = "underpaid"
    OVERPAID = "overpaid"
    LATE = "late"
    CANCELLED = "cancelled"
    SECOND = "second"
    WRONG_ASSET = "wrong_asset"
    IN_REVIEW = "in_review"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Candidate:
    """An invoice that the address has served within the window, newest first in a list of them.

    `tolerance_bps` is its merchant's: how far an amount may be off, in 1/10,000 of what was asked for.
    """

    id: str
    status: Status
    asset: str
    pay_in_raw: int
    expires_at: datetime
    tolerance_bps: int = 0

    def tolerates(self, amount_raw: int) -> bool:
        """Whether the merchant takes this amount for the one that was asked for."""
        return abs(amount_raw - self.pay_in_raw) * BPS <= self.pay_in_raw * self.tolerance_bps


@dataclass(frozen=True, slots=True)
class Match:
    """A transfer's invoice, if it has one, and what the transfer is to it."""

    invoice_id: str | None
    verdict: Verdict


def match(asset: str, amount_raw: int, paid_at: datetime, candidates: Sequence[Candidate]) -> Match:
    """Find the invoice for a transfer that was first in a block at `paid_at`.

    An invoice that asked for just this amount comes first: an open one that is paid in time, else the newest,
    which is how a late payment finds its invoice. Else it is the holder of the address, else the last one that
    held it; there an amount within the merchant's tolerance, in time, counts as exact too.
    """
    exact = [c for c in candidates if c.asset == asset and c.pay_in_raw == amount_raw]
    for candidate in exact:
        if candidate.status == Status.AWAITING_DEPOSIT and paid_at < candidate.expires_at:
            return Match(candidate.id, Verdict.EXACT)
    if exact:
        return Match(exact[0].id, _why_not_paid(exact[0]))
    holders = [c for c in candidates if c.status in KEEPS_ADDRESS]
    for candidate in [*holders, *candidates]:
        open_in_time = candidate.status == Status.AWAITING_DEPOSIT and paid_at < candidate.expires_at
        if open_in_time and candidate.asset == asset and candidate.tolerates(amount_raw):
            return Match(candidate.id, Verdict.EXACT)
        return Match(candidate.id, _mismatch(asset, amount_raw, candidate))
    return Match(None, Verdict.UNKNOWN)


def _why_not_paid(candidate: Candidate) -> Verdict:
    """The verdict on a transfer of the right amount that nevertheless does not pay."""
    if candidate.status in (Status.AWAITING_DEPOSIT, Status.EXPIRED):
        return Verdict.LATE
    if candidate.status == Status.CANCELLED:
        return Verdict.CANCELLED
    if candidate.status == Status.MANUAL_REVIEW:
        return Verdict.IN_REVIEW
    return Verdict.SECOND


def _mismatch(asset: str, amount_raw: int, candidate: Candidate) -> Verdict:
    """The verdict on a transfer whose asset or amount is not what the invoice asked for."""
    if candidate.status != Status.AWAITING_DEPOSIT:
        return _why_not_paid(candidate)
    if candidate.asset != asset:
        return Verdict.WRONG_ASSET
    return Verdict.UNDERPAID if amount_raw < candidate.pay_in_raw else Verdict.OVERPAID
