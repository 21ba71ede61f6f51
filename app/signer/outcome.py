"""What a final transaction has done, by its receipt alone: plain rules."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from app.networks.sending import Payment, Receipt


class Outcome(StrEnum):
    """What a final transaction has done with the payments that it was signed for."""

    PAID = "paid"
    """It has made each of them: recipient, asset and amount."""
    NOTHING = "nothing"
    """It has moved nothing of ours: it failed, or a token returned false without reverting."""
    OTHERWISE = "otherwise"
    """It has moved something else, less, as a token that takes a fee, or to somebody else; or what it has moved is not
    known."""


def outcome(
    receipt: Receipt, payments: Sequence[Payment], sender: str | None, *, silence_is_failure: bool = True
) -> Outcome:
    """What a transaction of `sender` has done. Two equal payments need two transfers; one without payments, a move of
    staked coin, has done what it should where it succeeded. `silence_is_failure`: one that succeeded and shows no
    transfer has moved nothing (`NetworkConfig.silence_is_failure`)."""
    if not receipt.succeeded:
        return Outcome.NOTHING
    if not payments:
        return Outcome.PAID
    ours = [transfer for transfer in receipt.transfers if transfer.from_address == sender]
    moved = Counter(Payment(transfer.to_address, transfer.asset_symbol, transfer.amount_raw) for transfer in ours)
    if not Counter(payments) - moved:
        return Outcome.PAID
    assets = {payment.asset_symbol for payment in payments}
    if any(transfer.asset_symbol in assets for transfer in ours) or not silence_is_failure:
        return Outcome.OTHERWISE
    return Outcome.NOTHING
