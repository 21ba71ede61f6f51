"""The letters that wait in the outbox, decrypted as by the worker that sends them."""

from dataclasses import dataclass

from app.core import database
from app.mail import sealing


@dataclass(frozen=True)
class Letter:
    """A letter in the outbox."""

    recipient: str
    subject: str
    body: str


async def letters(recipient: str | None = None) -> list[Letter]:
    """The letters to an address, or all, the latest first."""
    rows = await database.fetch_all(
        "SELECT recipient, subject, body_sealed FROM mail_outbox"
        " WHERE body_sealed IS NOT NULL AND ($1::text IS NULL OR recipient = $1) ORDER BY id DESC",
        recipient,
    )
    return [
        Letter(row["recipient"], row["subject"], sealing.open_sealed(row["recipient"], row["body_sealed"]))
        for row in rows
    ]
