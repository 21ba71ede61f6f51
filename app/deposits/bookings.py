"""The kinds and references of a deposit's ledger entries, and the ledgers that they may be in."""

from app.ledger.hashchain import ChainId, Reference
from app.ledger.service import FEES, SUSPENSE, Kind

DEPOSIT_KINDS: tuple[Kind, ...] = ("invoice_credit", "service_fee", "deposit_suspended", "suspense_released")
"""Entries that a deposit makes, and that a reversal undoes."""


def booking_reference(deposit_id: str, times_reversed: int) -> Reference:
    """`DEP-…` for the first booking of a deposit, `DEP-…#2` for the one after a deep reorganisation, and so on.

    A ledger accepts each (kind, reference) once, so no booking can be made twice. A reversal refers to the booking that
    it reverses.
    """
    return Reference("deposit", deposit_id if times_reversed == 0 else f"{deposit_id}#{times_reversed + 1}")


def deposit_chains(merchant_id: str, network: str, asset: str) -> tuple[ChainId, ChainId, ChainId]:
    """The ledgers of a merchant, of fees and of suspense in an asset: all that a deposit's money can be in."""
    return (
        ChainId(owner=merchant_id, network=network, asset=asset),
        ChainId(owner=FEES, network=network, asset=asset),
        ChainId(owner=SUSPENSE, network=network, asset=asset),
    )
