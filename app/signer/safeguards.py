"""What the signer checks by files on its own host, whatever the database says."""

import msgspec

from app.signer.approvers import Approvers
from app.signer.journal import Journal


class Safeguards(msgspec.Struct, frozen=True):
    """Whose passkeys must have signed a payment, and what was signed before."""

    approvers: Approvers
    journal: Journal
