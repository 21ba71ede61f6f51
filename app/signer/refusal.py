"""The signer's refusal of one payment, and ours of what an operator says of a transaction."""

from app.alerts.service import Severity


class Refused(Exception):
    """The withdrawal must not be paid now. `held`: it is put on hold until an operator releases it. `kind` and
    `severity` are the alert's."""

    def __init__(self, kind: str, reason: str, *, held: bool, severity: Severity = "critical") -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.held = held
        self.severity = severity


class NothingToAccountFor(Exception):
    """There is no such transaction that the signer stops at, not yet, or it paid somebody; the message is for the
    operator."""
