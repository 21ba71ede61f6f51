"""Letters are sent once, after the commit, and not after a rollback."""

import asyncio
import contextlib
import mailbox
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email import policy
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core import clock, database
from app.core.email_address import EmailAddress
from app.core.mailers import LoggedMailer, MaildirMailer, SmtpMailer, build_mailer
from app.core.settings import SettingsError, load
from app.mail import service
from app.mail.letters import Kind, letter
from tests.factories.letters import letters

ADDRESSES_TRIED = 300 if os.environ.get("SOAK") else 30


def text_of(sent: Message) -> str:
    """The decoded text of a letter in a Maildir."""
    payload = sent.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


@asynccontextmanager
async def submission_server(
    received: list[bytes], recipients: list[bytes] | None = None, *, refuse: bool = False
) -> AsyncIterator[int]:
    """A submission server without TLS, with the commands that one letter needs (RFC 5321). Yields its port."""
    recipients = [] if recipients is None else recipients

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            if verb == b"RCPT" and refuse:
                writer.write(b"451 come back later\r\n")
            elif verb == b"RCPT":
                recipients.append(line.strip())
                writer.write(b"250 fine\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                received.append(await reader.readuntil(b"\r\n.\r\n"))
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


async def enqueue(recipient: str = "owner@shop.example", body: str = "Grüße\n") -> None:
    written = letter(Kind.SECURITY, "Zahlung ✓", body)
    async with database.transaction():
        await service.enqueue(EmailAddress.parse(recipient), written, clock.now())


async def test_a_letter_is_written_to_the_maildir_once(db: str, tmp_path: Path) -> None:
    mailer = MaildirMailer(tmp_path / "mail", "Swap Pay <pay@example.com>")
    await enqueue()
    with pytest.raises(ZeroDivisionError):
        async with database.transaction():
            never = letter(Kind.SECURITY, "Never", "sent\n")
            await service.enqueue(EmailAddress.parse("never@shop.example"), never, clock.now())
            raise ZeroDivisionError
    assert sum(await asyncio.gather(*(service.send_waiting(mailer) for _ in range(4)))) == 1
    (sent,) = mailbox.Maildir(tmp_path / "mail")
    assert sent["To"] == "owner@shop.example"
    assert "Grüße" in text_of(sent)


async def test_a_letter_is_sent_by_smtp_and_tried_again_after_a_refusal(db: str) -> None:
    received: list[bytes] = []
    await enqueue()
    async with submission_server(received, refuse=True) as port:
        assert await service.send_waiting(SmtpMailer(f"smtp://127.0.0.1:{port}", "pay@example.com")) == 0
    assert "451" in await database.fetch_value("SELECT last_error FROM mail_outbox")
    async with submission_server(received) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", "pay@example.com")
        assert await service.send_waiting(mailer) == 0, "too early"
        clock.shift(timedelta(seconds=61))
        assert await service.send_waiting(mailer) == 1
    assert len(received) == 1
    assert b"To: owner@shop.example" in received[0]


async def test_a_link_is_never_in_the_outbox_in_clear_and_gone_once_it_is_sent(db: str, tmp_path: Path) -> None:
    async def at_rest() -> str:
        return str(await database.fetch_value("SELECT string_agg(m::text, '') FROM mail_outbox m"))

    link = "https://pay.example/reset?token=canary"
    await enqueue(body=f"Open {link}\n")
    assert "token" not in await at_rest()
    async with submission_server([], refuse=True) as port:
        assert await service.send_waiting(SmtpMailer(f"smtp://127.0.0.1:{port}", "pay@example.com")) == 0
    assert "token" not in await at_rest()
    clock.shift(timedelta(seconds=61))
    mailer = MaildirMailer(tmp_path / "mail", "pay@example.com")
    assert await service.send_waiting(mailer) == 1
    (sent,) = mailbox.Maildir(tmp_path / "mail")
    assert link in text_of(sent)
    assert await letters() == []
    assert await database.fetch_value("SELECT body_sealed IS NULL AND body = '' FROM mail_outbox")


async def test_the_body_of_a_letter_that_is_given_up_is_deleted(db: str) -> None:
    await enqueue()
    async with submission_server([], refuse=True) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", "pay@example.com")
        for delay_s in service.RETRY_DELAYS_S:
            await service.send_waiting(mailer)
            assert len(await letters()) == 1
            clock.shift(timedelta(seconds=delay_s + 1))
        await service.send_waiting(mailer)
    assert await letters() == []
    row = await database.fetch_one("SELECT sent_at, next_attempt_at, last_error FROM mail_outbox")
    assert row is not None
    assert (row["sent_at"], row["next_attempt_at"], "451" in row["last_error"]) == (None, None, True)


async def test_a_letter_whose_address_was_changed_is_not_sent(db: str, tmp_path: Path) -> None:
    """An attacker who can write to the database redirects a letter with a link to an address of theirs."""
    await enqueue()
    await database.execute("UPDATE mail_outbox SET recipient = 'thief@example.test'")
    assert await service.send_waiting(MaildirMailer(tmp_path / "mail", "pay@example.com")) == 0
    assert "ciphertext" in await database.fetch_value("SELECT last_error FROM mail_outbox")


async def test_a_letter_that_an_earlier_version_wrote_is_sent(db: str, tmp_path: Path) -> None:
    await enqueue()
    await database.execute("UPDATE mail_outbox SET body = 'from before', body_sealed = NULL")
    assert await service.send_waiting(MaildirMailer(tmp_path / "mail", "pay@example.com")) == 1
    (sent,) = mailbox.Maildir(tmp_path / "mail")
    assert "from before" in text_of(sent)
    assert await database.fetch_value("SELECT body FROM mail_outbox") == ""


@given(st.one_of(st.emails(), st.text(',:;<>()[]"\\ @.ab', min_size=1).map("victim{}@shop.example".format)))
@settings(max_examples=ADDRESSES_TRIED, deadline=None)
def test_every_accepted_address_is_one_recipient(text: str) -> None:
    with contextlib.suppress(ValueError):
        asyncio.run(is_sent_to(EmailAddress.parse(text)))


async def is_sent_to(address: EmailAddress) -> None:
    """Both the envelope and a strict reader of the header name this mailbox and no other."""
    received: list[bytes] = []
    recipients: list[bytes] = []
    async with submission_server(received, recipients) as port:
        mailer = SmtpMailer(f"smtp://127.0.0.1:{port}", "pay@example.com")
        await mailer.send(recipient=address, subject="S", body="B\n")
    assert recipients == [f"RCPT TO:<{address}>".encode()]
    to = BytesParser(policy=policy.default).parsebytes(received[0])["To"].addresses
    assert [each.addr_spec for each in to] == [str(address)]


async def test_an_address_reaches_the_server_as_it_is_stored() -> None:
    for text, kept in (
        ("O'Brien+Shop@Shop.Example", "o'brien+shop@shop.example"),
        ("a@Exämple.de", "a@xn--exmple-cua.de"),
    ):
        assert str(EmailAddress.parse(text)) == kept
        await is_sent_to(EmailAddress.parse(text))


async def test_credentials_never_travel_without_tls(db: str) -> None:
    received: list[bytes] = []
    await enqueue()
    async with submission_server(received) as port:
        mailer = SmtpMailer(f"smtp://user:canary@127.0.0.1:{port}", "pay@example.com")
        assert await service.send_waiting(mailer) == 0
    assert not received
    assert "canary" not in await database.fetch_value("SELECT last_error FROM mail_outbox")


async def test_a_bad_address_of_an_earlier_version_delays_no_other_letter(db: str, tmp_path: Path) -> None:
    mailer = MaildirMailer(tmp_path / "mail", "pay@example.com")
    await enqueue()
    await database.execute("UPDATE mail_outbox SET recipient = $1", "bad\r\nBcc: all@example.com")
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
