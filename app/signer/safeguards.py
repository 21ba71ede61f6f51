"""What the signer checks by files on its own host, whatever the database says."""

from dataclasses import dataclass

from app.signer.approvers import Approvers
from app.signer.journal import Journal


@dataclass(frozen=True, slots=True)
class Safeguards:
    """Whose passkeys must have signed a payment, and what was signed before."""

    approvers: Approvers
    journal: Journal
