"""What sends a letter, as its callers see it; what there is: mailers.py, which only the worker that sends needs."""

from typing import Protocol

from app.core.email_address import EmailAddress


class MailError(Exception):
    """The server didn't accept the letter; it can be tried again. The message contains no credentials."""


class Mailer(Protocol):
    """A way to send letters."""

    async def send(self, *, recipient: EmailAddress, subject: str, body: str) -> None:
        """Send one plain-text letter. Raises MailError."""
