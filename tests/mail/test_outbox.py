"""Letters leave after the commit, once, and not at all for facts that were rolled back."""

import asyncio
import mailbox
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from app.core import clock, database
from app.core.mail import LoggedMailer, MaildirMailer, SmtpMailer, build_mailer
from app.core.settings import SettingsError, load
from app.mail import service


@asynccontextmanager
async def submission_server(taken: list[bytes], *, refuse: bool = False) -> AsyncIterator[int]:
    """A submission server without TLS, as far as one letter needs it (RFC 5321): its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            if verb == b"RCPT" and refuse:
                writer.write(b"451 come back later\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
                writer.write(b"250 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            else:
                writer.write(b"250 fine\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def enqueue(recipient: str = "owner@shop.example") -> None:
    await service.enqueue(recipient=recipient, subject="Zahlung ✓", body="Grüße\n", now=clock.now())


async def test_a_letter_lands_in_the_maildir_once(db: str, tmp_path: Path) -> None:
    mailer = MaildirMailer(tmp_path / "mail", "Swap Pay <pay@example.com>")
    async with database.transaction():
        await enqueue()
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            await enqueue("never@shop.example")
            raise ZeroDivisionError
    assert sum(await asyncio.gather(*(service.send_waiting(mailer) for _ in range(4)))) == 1
    (letter,) = mailbox.Maildir(tmp_path / "mail")
    assert letter["To"] == "owner@shop.example"
    assert "Grüße" in letter.get_payload(decode=True).decode()


async def test_a_letter_leaves_by_smtp_and_is_tried_again_after_a_refusal(db: str) -> None:
    taken: list[bytes] = []
    await enqueue()
    async with submission_server(taken, refuse=True) as port:
        assert await service.send_waiting(SmtpMailer(f"smtp://127.0.0.1:{port}", "pay@example.com")) == 0
    assert "451" in await database.fetch_value("SELECT last_error FROM mail_outbox")
    async with submission_server(taken) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", "pay@example.com")
        assert await service.send_waiting(mailer) == 0, "before its time"
        clock.shift(timedelta(seconds=61))
        assert await service.send_waiting(mailer) == 1
    assert len(taken) == 1
    assert b"To: owner@shop.example" in taken[0]


async def test_credentials_never_travel_without_tls(db: str) -> None:
    taken: list[bytes] = []
    await enqueue()
    async with submission_server(taken) as port:
        mailer = SmtpMailer(f"smtp://user:canary@127.0.0.1:{port}", "pay@example.com")
        assert await service.send_waiting(mailer) == 0
    assert not taken
    assert "canary" not in await database.fetch_value("SELECT last_error FROM mail_outbox")


async def test_an_address_that_is_none_holds_up_nobody(db: str, tmp_path: Path) -> None:
    mailer = MaildirMailer(tmp_path / "mail", "pay@example.com")
    await enqueue("bad\r\nBcc: all@example.com")
    await enqueue()
    assert await service.send_waiting(mailer) == 1
    assert len(mailbox.Maildir(tmp_path / "mail")) == 1


def test_the_setting_names_the_mailer(environment: dict[str, str]) -> None:
    assert isinstance(build_mailer(load(environment)), LoggedMailer)
    assert isinstance(build_mailer(load(environment | {"MAIL_URL": "maildir:/var/mail/x"})), MaildirMailer)
    smtp = load(environment | {"MAIL_URL": "smtps://u:canary@mail.example.com", "MAIL_FROM": "Pay <p@example.com>"})
    assert isinstance(build_mailer(smtp), SmtpMailer)
    assert "canary" not in repr(smtp)


@pytest.mark.parametrize("url", ["http://mail", "smtp://", "maildir:relative", "maildir://host/x", "smtp://h:x"])
def test_a_mail_url_that_leads_nowhere_is_refused(environment: dict[str, str], url: str) -> None:
    with pytest.raises(SettingsError, match="MAIL_URL"):
        load(environment | {"MAIL_URL": url})
