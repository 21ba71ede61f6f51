"""Whether the books may lack what was signed just before: after a restored backup, or the loss of a database host.

Where transactions are limited in time, the books alone keep two attempts at a payment apart. The signer writes every
few seconds that it is there. Where it was away, or finds an older moment than it has written itself, the books may be
older than what was sent: then nothing is paid until all that could have been signed before is over, and our own scan
has every block that could hold it. By then such a transaction is known as one that the books don't have.
"""

from datetime import datetime, timedelta

from app.core import clock
from app.core.logging import get_logger
from app.networks.sending import Reference
from app.networks.tron.config import TronConfig
from app.signer import timed_funds_repository

log = get_logger(__name__)

WRITE_EVERY = timedelta(seconds=5)
AWAY = timedelta(seconds=30)
"""A restart takes less; a backup is restored in more."""


class Presence:
    """The presence of one network's signer. One for each process."""

    def __init__(self, network: TronConfig) -> None:
        self._network = network
        self._written_at: datetime | None = None
        self._may_lack = False
        self._until: datetime | None = None

    async def write(self) -> None:
        """Write that the signer is there, and find out whether it was, by the books."""
        now = clock.now()
        if self._written_at is not None and timedelta() <= now - self._written_at < WRITE_EVERY:
            return
        before = await timed_funds_repository.write_presence(self._network.key, now)
        if self._written_at is not None:
            may_lack = before is None or before < self._written_at
        else:
            may_lack = before is not None and now - before > AWAY
        if may_lack:
            log.warning("signer_was_away", network=self._network.key, before=before)
            self._may_lack, self._until = True, None
        self._written_at = now

    async def may_lack(self, reference: Reference) -> bool:
        """Whether something that the books lack may still be mined, or be in a block that is not scanned."""
        if not self._may_lack:
            return False
        if self._until is None:
            self._until = reference.head_time + timedelta(seconds=self._network.expires_after_s)
        last = await timed_funds_repository.first_height_from(self._network.key, self._until)
        self._may_lack = last is None or last > reference.final.height
        return self._may_lack
