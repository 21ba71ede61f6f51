"""Sending letters: by SMTP, into a maildir for the sandbox, or only into the log where nothing is set up."""

import asyncio
import mailbox
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from app.core import clock
from app.core.email_address import EmailAddress
from app.core.logging import get_logger
from app.core.mail import Mailer, MailError
from app.core.settings import Settings

log = get_logger(__name__)

SMTP_TIMEOUT_S = 30
"""For each step of the SMTP dialogue; RFC 5321 waits minutes, but our letters can be sent again."""

SEND_TIMEOUT_S = 60
"""For one whole letter."""


def build_mailer(settings: Settings) -> Mailer:
    """The mailer that `MAIL_URL` names."""
    if settings.mail_url is None:
        return LoggedMailer()
    parts = urlsplit(settings.mail_url)
    if parts.scheme == "maildir":
        return MaildirMailer(Path(unquote(parts.path)), settings.mail_from)
    return SmtpMailer(settings.mail_url, settings.mail_from)


class SmtpMailer:
    """A submission server. `smtps` speaks TLS from the start; `smtp` upgrades where the server offers STARTTLS.

    With a user name STARTTLS is required: credentials are never sent unencrypted.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._host = parts.hostname or "localhost"
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587)
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def send(self, *, recipient: EmailAddress, subject: str, body: str) -> None:
        """Submit the letter. Raises MailError."""
        must_upgrade = True if self._username is not None and not self._tls else None
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await aiosmtplib.send(
                    compose(self._sender, recipient, subject, body),
                    recipients=[str(recipient)],
                    hostname=self._host,
                    port=self._port,
                    username=self._username,
                    password=self._password,
                    use_tls=self._tls,
                    start_tls=False if self._tls else must_upgrade,
                    timeout=SMTP_TIMEOUT_S,
                )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise MailError(f"{type(error).__name__}: {error}") from error


class MaildirMailer:
    """A folder of letters in Maildir format, for the sandbox and tests."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, *, recipient: EmailAddress, subject: str, body: str) -> None:
        """Put the letter into `new/`. Raises MailError."""
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            mailbox.Maildir(self._folder, create=True).add(compose(self._sender, recipient, subject, body))
        except OSError as error:
            raise MailError(f"{type(error).__name__}: {error}") from error


class LoggedMailer:
    """No mail is set up: the log records that there was a letter to send."""

    async def send(self, *, recipient: EmailAddress, subject: str, body: str) -> None:
        """Log the subject; the body may contain secrets."""
        log.warning("mail_not_configured", recipient=str(recipient), subject=subject)


def compose(sender: str, recipient: EmailAddress, subject: str, body: str) -> EmailMessage:
    """A plain-text letter. Line breaks in a header are refused by the library (ValueError)."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = Address(username=recipient.local, domain=recipient.domain)
    message["Subject"] = subject
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2].strip("> ") or "localhost")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
    message.set_content(body)
    return message
