"""Letters through an outbox: written in the transaction of what they are about, sent after its commit.

`enqueue` is the only way into the outbox, so every letter counts against its recipient's allowance (letters.py). The
body of a letter is sealed while it waits (sealing.py), and deleted when it is sent or given up. After a crash between
sending and recording it a letter is sent twice; none is lost.
"""

from datetime import datetime, timedelta

from app.core import clock
from app.core.crypto import Undecryptable
from app.core.email_address import EmailAddress
from app.core.logging import get_logger
from app.core.mail import Mailer, MailError
from app.core.zones import zone_of
from app.mail import repository, sealing
from app.mail.letters import ALLOWANCES, Kind, Letter
from app.mail.repository import ClaimedLetter

log = get_logger(__name__)

LEASE_S = 120
"""How long other processes don't touch a letter that is being sent; one attempt takes less (core.mailers)."""

RETRY_DELAYS_S = (60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400, 86_400)
"""After each failed attempt; after the last the letter is given up, and logged as an error."""

MAX_ERROR_CHARS = 300


async def may_write(kind: Kind, recipient: str, now: datetime) -> bool:
    """Whether a mailbox may get one more letter of this kind; the answer holds until the caller's transaction ends.

    `recipient` is an address as it is stored. Call it first where more than the letter depends on it, such as a link
    that would revoke an earlier one. Needs the caller's transaction.
    """
    # Two transactions that write to one mailbox would both count what the other has not committed.
    await repository.lock_mailbox(recipient)
    allowance = ALLOWANCES[kind]
    written = await repository.count_written(recipient, kind.value, now)
    return written.in_an_hour < allowance.per_hour and written.in_a_day < allowance.per_day


async def written_in_a_day(kind: Kind, recipient: str, now: datetime) -> int:
    """How many letters of this kind a mailbox got within a day; exact until the caller's transaction ends, which it
    needs."""
    await repository.lock_mailbox(recipient)
    return (await repository.count_written(recipient, kind.value, now)).in_a_day


async def enqueue(recipient: EmailAddress, letter: Letter, now: datetime) -> bool:
    """Write a letter in the caller's transaction; False where the allowance for its kind is used up."""
    if not await may_write(letter.kind, str(recipient), now):
        log.warning("mail_withheld", kind=letter.kind.value)
        return False
    zone = zone_of(await repository.time_zone(str(recipient)))
    await repository.add(
        recipient=str(recipient),
        kind=letter.kind.value,
        subject=letter.subject,
        body_sealed=sealing.seal(str(recipient), letter.body(now, zone)),
        now=now,
    )
    return True


async def enqueue_to_kept(recipient: str, letter: Letter, now: datetime) -> None:
    """`enqueue` to an address as it is stored. A bad one, of an earlier version, is logged and raises nothing."""
    try:
        address = EmailAddress.parse(recipient)
    except ValueError:
        log.error("mail_address_unusable", kind=letter.kind.value)
        return
    await enqueue(address, letter, now)


async def send_waiting(mailer: Mailer, *, limit: int = 50) -> int:
    """Send up to `limit` letters that are due. Returns how many were sent. Not inside a transaction."""
    sent = 0
    for _ in range(limit):
        letter = await repository.claim(clock.now(), timedelta(seconds=LEASE_S))
        if letter is None:
            break
        try:
            recipient = EmailAddress.parse(letter.recipient)
            await mailer.send(recipient=recipient, subject=letter.subject, body=_body(letter))
        except (
            MailError,
            Undecryptable,
            ValueError,
        ) as error:  # ValueError: an address that an earlier version accepted
            await _record_failure(letter, str(error)[:MAX_ERROR_CHARS])
        else:
            sent += 1
            await repository.record_sent(letter.id, clock.now())
    return sent


def _body(letter: ClaimedLetter) -> str:
    """The body of a letter; one that an earlier version wrote is not sealed. Raises Undecryptable."""
    if letter.body_sealed is None:
        return letter.body
    return sealing.open_sealed(letter.recipient, letter.body_sealed)


async def _record_failure(letter: ClaimedLetter, error: str) -> None:
    if letter.attempts <= len(RETRY_DELAYS_S):
        log.warning("mail_failed", mail=letter.id, attempt=letter.attempts, error=error)
        again_at = clock.now() + timedelta(seconds=RETRY_DELAYS_S[letter.attempts - 1])
        await repository.record_failed(letter.id, error, again_at)
    else:
        log.error("mail_given_up", mail=letter.id, attempt=letter.attempts, error=error)
        await repository.record_given_up(letter.id, error)
