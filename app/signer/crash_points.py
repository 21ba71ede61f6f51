"""Named points between approval and confirmation at which a test may kill the signer, as a power cut would.

`SIGNER_CRASH_AT=<name>` is ignored in production.
"""

import os
import signal
from collections.abc import Mapping

POINTS = (
    "approved",  # an approved withdrawal was found, nothing is signed
    "signing",  # signed and inserted, not committed
    "signed",  # committed, not sent
    "sent",  # the node has it, its row does not say so yet
    "submitted",  # its row says that it was sent
    "bump_signed",  # a bump is committed, not sent
    "mined",  # its receipt is final, nothing is booked
    "confirming",  # booked, not committed
    "confirmed",  # committed, its fee is not booked
    "fee_booked",
)


class CrashPoints:
    """Kills this process at the point that `SIGNER_CRASH_AT` names."""

    def __init__(self, *, is_production: bool, env: Mapping[str, str] = os.environ) -> None:
        """Raise ValueError where `SIGNER_CRASH_AT` names no point."""
        self._at = "" if is_production else env.get("SIGNER_CRASH_AT", "")
        if self._at and self._at not in POINTS:
            raise ValueError(f"SIGNER_CRASH_AT: not one of {', '.join(POINTS)}")

    def reach(self, point: str) -> None:
        """Call this where a point is reached."""
        assert point in POINTS
        if point == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
