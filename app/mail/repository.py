"""Every statement on `mail_outbox`."""

from datetime import datetime, timedelta

import msgspec
from piccolo.query.functions import Count
from piccolo.querystring import QueryString

from app.core import database
from app.core.statement import Command, Param, Statement, insert, is_one
from app.mail.tables import OutgoingMail

ALLOWANCE_LOCK_SPACE = 7_226_020
"""First key of the advisory lock under which letters to one mailbox are counted; the second is the mailbox's hash."""


class LettersWritten(msgspec.Struct, frozen=True):
    """How many letters of one kind were written to a mailbox lately."""

    in_an_hour: int
    in_a_day: int


class ClaimedLetter(msgspec.Struct, frozen=True):
    """A letter that the caller has claimed. `attempts` counts the one that it is about to make.

    `body_sealed` is None in a letter that an earlier version wrote; its text is in `body`.
    """

    id: int
    recipient: str
    subject: str
    body: str
    body_sealed: str | None
    attempts: int


async def lock_mailbox(recipient: str) -> None:
    """Wait for other transactions that count letters to this mailbox; held until the caller's transaction ends."""
    database.in_transaction()
    # SQL, since the builder has no statement without a table.
    await database.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", ALLOWANCE_LOCK_SPACE, recipient)


async def count_written(recipient: str, kind: str, now: datetime) -> LettersWritten:
    """How many letters of this kind were written to a mailbox within the last hour and the last day."""
    return await _COUNT_WRITTEN.one(
        recipient=recipient, kind=kind, an_hour_ago=now - timedelta(hours=1), a_day_ago=now - timedelta(days=1)
    )


_COUNT_WRITTEN = Statement(
    OutgoingMail.select(
        QueryString(
            "count(*) FILTER (WHERE {} > {})", OutgoingMail.created_at, Param("an_hour_ago"), alias="in_an_hour"
        ),
        Count(alias="in_a_day"),
    ).where(
        OutgoingMail.recipient == Param("recipient"),
        OutgoingMail.kind == Param("kind"),
        OutgoingMail.created_at > Param("a_day_ago"),
    ),
    LettersWritten,
)


async def time_zone(recipient: str) -> str | None:
    """The name of the time zone of the account with this address; None where there is no account, or it has none."""
    # SQL, since the table is of a floor above.
    name: str | None = await database.fetch_value("SELECT time_zone FROM accounts WHERE email = $1", recipient)
    return name


async def add(*, recipient: str, kind: str, subject: str, body_sealed: str, now: datetime) -> None:
    """Add a letter, due at once."""
    await _ADD.run(
        recipient=recipient,
        kind=kind,
        subject=subject,
        body="",
        body_sealed=body_sealed,
        attempts=0,
        next_attempt_at=now,
        created_at=now,
    )


_ADD = Command(
    insert(
        OutgoingMail,
        OutgoingMail.recipient,
        OutgoingMail.kind,
        OutgoingMail.subject,
        OutgoingMail.body,
        OutgoingMail.body_sealed,
        OutgoingMail.attempts,
        OutgoingMail.next_attempt_at,
        OutgoingMail.created_at,
    )
)


async def claim(now: datetime, lease: timedelta) -> ClaimedLetter | None:
    """Take the letter that has been due longest, for `lease`; None where none is due."""
    return await _CLAIM.first(now=now, leased_until=now + lease)


_CLAIM = Statement(
    OutgoingMail.update(
        {OutgoingMail.attempts: OutgoingMail.attempts + 1, OutgoingMail.next_attempt_at: Param("leased_until")}
    )
    .where(
        is_one(
            OutgoingMail.id,
            OutgoingMail.select(OutgoingMail.id)
            .where(OutgoingMail.next_attempt_at <= Param("now"))
            .order_by(OutgoingMail.next_attempt_at)
            .limit(1)
            .lock_rows("UPDATE", skip_locked=True),
        )
    )
    .returning(
        OutgoingMail.id,
        OutgoingMail.recipient,
        OutgoingMail.subject,
        OutgoingMail.body,
        OutgoingMail.body_sealed,
        OutgoingMail.attempts,
    ),
    ClaimedLetter,
)


async def record_sent(letter_id: int, now: datetime) -> None:
    """Record that a letter was sent, and delete its body."""
    await _RECORD_SENT.run(id=letter_id, now=now)


_IS_IT = OutgoingMail.id == Param("id")
_RECORD_SENT = Command(
    OutgoingMail.update(
        {
            OutgoingMail.sent_at: Param("now"),
            OutgoingMail.next_attempt_at: None,
            OutgoingMail.last_error: None,
            OutgoingMail.body: "",
            OutgoingMail.body_sealed: None,
        }
    ).where(_IS_IT)
)


async def record_failed(letter_id: int, error: str, again_at: datetime) -> None:
    """Record a failed attempt; the next one is due at `again_at`."""
    await _RECORD_FAILED.run(id=letter_id, error=error, again_at=again_at)


_RECORD_FAILED = Command(
    OutgoingMail.update(
        {OutgoingMail.next_attempt_at: Param("again_at"), OutgoingMail.last_error: Param("error")}
    ).where(_IS_IT)
)


async def record_given_up(letter_id: int, error: str) -> None:
    """Record that a letter failed and won't be tried again, and delete its body."""
    await _RECORD_GIVEN_UP.run(id=letter_id, error=error)


_RECORD_GIVEN_UP = Command(
    OutgoingMail.update(
        {
            OutgoingMail.next_attempt_at: None,
            OutgoingMail.last_error: Param("error"),
            OutgoingMail.body: "",
            OutgoingMail.body_sealed: None,
        }
    ).where(_IS_IT)
)
