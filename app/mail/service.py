"""Letters by outbox: the intent is written with the fact, sent after the commit, marked when it is gone.

`enqueue` is the only way into the outbox, so every letter counts against its recipient's allowance (letters.py). What
a letter says is sealed while it waits (sealing.py), and forgotten when it is sent or given up. A crash between sending
and marking sends a letter twice, never not at all.
"""

from datetime import datetime, timedelta

from app.core import clock, database
from app.core.crypto import Undecryptable
from app.core.email_address import EmailAddress
from app.core.logging import get_logger
from app.core.mail import Mailer, MailError
from app.mail import sealing
from app.mail.letters import ALLOWANCES, Kind, Letter

log = get_logger(__name__)

LEASE_S = 120
"""A letter that is being sent is left alone by others for so long; one attempt takes less (core.mail)."""

RETRY_DELAYS_S = (60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400, 86_400)
"""After each failed attempt; past the last the letter is given up, and logged as an error."""

MAX_ERROR_CHARS = 300

ALLOWANCE_LOCK_SPACE = 7_226_020
"""First key of the advisory lock under which letters to one mailbox are counted; the second is the mailbox's hash."""


async def may_write(kind: Kind, recipient: str, now: datetime) -> bool:
    """Whether a mailbox may get one more letter of this kind now; it holds until the caller's transaction ends.

    `recipient` is an address as it is kept. Ask first where more than the letter depends on it, such as a link that
    would end an earlier one. Needs the caller's transaction.
    """
    database.in_transaction()
    # Two transactions that write to one mailbox would both count what the other has not committed.
    await database.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", ALLOWANCE_LOCK_SPACE, recipient)
    allowance = ALLOWANCES[kind]
    row = await database.fetch_one(
        """
        SELECT count(*) FILTER (WHERE created_at > $3) AS in_an_hour, count(*) AS in_a_day
        FROM mail_outbox WHERE recipient = $1 AND kind = $2 AND created_at > $4
        """,
        recipient,
        kind.value,
        now - timedelta(hours=1),
        now - timedelta(days=1),
    )
    assert row is not None, "an aggregate has a row"
    return bool(row["in_an_hour"] < allowance.per_hour and row["in_a_day"] < allowance.per_day)


async def enqueue(recipient: EmailAddress, letter: Letter, now: datetime) -> bool:
    """Write a letter in the caller's transaction; False where the mailbox has had enough of its kind."""
    if not await may_write(letter.kind, str(recipient), now):
        log.warning("mail_withheld", kind=letter.kind.value)
        return False
    await database.execute(
        """
        INSERT INTO mail_outbox (recipient, kind, subject, body, body_sealed, attempts, next_attempt_at, created_at)
        VALUES ($1, $2, $3, '', $4, 0, $5, $5)
        """,
        str(recipient),
        letter.kind.value,
        letter.subject,
        sealing.seal(str(recipient), letter.body),
        now,
    )
    return True


async def enqueue_to_kept(recipient: str, letter: Letter, now: datetime) -> None:
    """The same to an address out of a table. One that an earlier version took and that is none fails no use case."""
    try:
        address = EmailAddress.parse(recipient)
    except ValueError:
        log.error("mail_address_unusable", kind=letter.kind.value)
        return
    await enqueue(address, letter, now)


async def send_waiting(mailer: Mailer, *, limit: int = 50) -> int:
    """Send up to `limit` letters that are due; how many went out. Not to be called in a transaction."""
    sent = 0
    for _ in range(limit):
        letter = await _claim()
        if letter is None:
            break
        try:
            recipient = EmailAddress.parse(letter["recipient"])
            await mailer.send(recipient=recipient, subject=letter["subject"], body=_body(letter))
        except (MailError, Undecryptable, ValueError) as error:  # ValueError: an address that an earlier version took
            await _failed(letter, str(error)[:MAX_ERROR_CHARS])
        else:
            sent += 1
            await database.execute(
                """
                UPDATE mail_outbox SET sent_at = $2, next_attempt_at = NULL, last_error = NULL, body = '',
                    body_sealed = NULL
                WHERE id = $1
                """,
                letter["id"],
                clock.now(),
            )
    return sent


async def _claim() -> database.Row | None:
    now = clock.now()
    return await database.fetch_one(
        """
        UPDATE mail_outbox SET attempts = attempts + 1, next_attempt_at = $2
        WHERE id = (
            SELECT id FROM mail_outbox WHERE next_attempt_at <= $1
            ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
        )
        RETURNING id, recipient, subject, body, body_sealed, attempts
        """,
        now,
        now + timedelta(seconds=LEASE_S),
    )


def _body(letter: database.Row) -> str:
    """What a letter says; one that an earlier version wrote is not sealed. Raises Undecryptable."""
    if letter["body_sealed"] is None:
        return str(letter["body"])
    return sealing.open_sealed(letter["recipient"], letter["body_sealed"])


async def _failed(letter: database.Row, error: str) -> None:
    again_at = None
    if letter["attempts"] <= len(RETRY_DELAYS_S):
        again_at = clock.now() + timedelta(seconds=RETRY_DELAYS_S[letter["attempts"] - 1])
        log.warning("mail_failed", mail=letter["id"], attempt=letter["attempts"], error=error)
    else:
        log.error("mail_given_up", mail=letter["id"], attempt=letter["attempts"], error=error)
    await database.execute(
        """
        UPDATE mail_outbox SET next_attempt_at = $2, last_error = $3,
            body = CASE WHEN $2::timestamptz IS NULL THEN '' ELSE body END,
            body_sealed = CASE WHEN $2::timestamptz IS NULL THEN NULL ELSE body_sealed END
        WHERE id = $1
        """,
        letter["id"],
        again_at,
        error,
    )
