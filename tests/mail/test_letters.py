"""Nobody can send text of their own by our letters, or make us flood a mailbox."""

import ast
import asyncio
import inspect
import re
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.accounts.letters import Letters
from app.core import clock, database
from app.core.email_address import EmailAddress
from app.mail import service
from app.mail.letters import ALLOWANCES, Kind, letter, unlinked
from tests.factories.letters import letters

APP = Path(__file__).parents[2] / "app"
VICTIM = EmailAddress("victim", "shop.example")
BAIT = "URGENT: your wallet is frozen, act at https://evil.example/x or www.evil.example\nor mail help@evil.example"
LINKED = re.compile(r"https?://|\bwww\.|\w@\w|(?<=[a-z])\.(?=[a-z])")
"""Text that a mail program may turn into a link."""


async def write(kind: Kind, recipient: EmailAddress = VICTIM) -> bool:
    async with database.transaction():
        return await service.enqueue(recipient, letter(kind, "S", "B\n"), clock.now())


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_mailbox_gets_so_many_letters_of_a_kind_and_no_more(db: str, kind: Kind) -> None:
    allowance = ALLOWANCES[kind]
    sent = await asyncio.gather(*(write(kind) for _ in range(allowance.per_hour + 5)))
    assert sum(sent) == allowance.per_hour
    other = next(each for each in Kind if each is not kind)
    assert await write(other), "one kind does not use another's allowance"
    assert await write(kind, EmailAddress("another", "shop.example"))
    is_day_used = allowance.per_day == allowance.per_hour
    clock.shift(timedelta(hours=1))
    assert await write(kind) is not is_day_used, "an hour later"
    clock.shift(timedelta(days=1))
    assert await write(kind), "a day later"


async def test_letters_are_limited_per_day_too(db: str) -> None:
    sent = 0
    for _ in range(24):
        sent += sum([await write(Kind.UNASKED) for _ in range(3)])
        clock.shift(timedelta(minutes=59))
    assert sent == ALLOWANCES[Kind.UNASKED].per_day
    assert len(await letters(str(VICTIM))) == sent


def test_other_peoples_words_become_no_link() -> None:
    assert unlinked("Example.com\nGmbH") == "Example[.]com GmbH"
    assert unlinked("Mara O'Neil, Jr. & Co: Tea") == "Mara O'Neil, Jr. & Co: Tea"
    assert not LINKED.search(unlinked(BAIT))


def test_no_letter_to_an_account_has_a_link_from_a_name() -> None:
    made = Letters("https://pay.example.test")
    written = []
    for name, write_one in inspect.getmembers(made, inspect.ismethod):
        if name.startswith("_"):
            continue
        names = inspect.signature(write_one).parameters
        ours = {"new": "browser", "browser": "Firefox", "system": "Windows", "address": "192.0.2.1", "how": "passkey"}
        theirs = {"name": BAIT, "passkey": BAIT, "new_email": "help@evil.example"}
        given: dict[str, Any] = {"token": "t", "left": 3, **ours, **theirs}
        written.append(write_one(**{parameter: given[parameter] for parameter in names}))
    assert len(written) >= 14
    for each in written:
        assert "URGENT" not in each.subject
        body = each.body(clock.now(), UTC)
        assert not LINKED.search(re.sub(r"https://pay\.example\.test\S*", "", body)), body


def _calls(name: str) -> list[tuple[Path, ast.Call]]:
    return [
        (path, node)
        for path in APP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


SUBJECTS_FROM_ELSEWHERE = {
    "accounts/letters.py": "subject",  # _notice: its callers give constants, held below
    "merchants/administration.py": "SUBJECTS[action]",
    "merchants/notices.py": "words.subject",  # constants of its table WORDS
    "webhooks/pausing.py": "subject",  # _write_to_merchant: its callers give constants, held below
    # Our own description of the fault with ids and figures, for operators only.
    "alerts/routing.py": "f\"[{alert.severity.upper()}] {alert.kind}: {' '.join(alert.message.split())}\""
    "[:MAX_SUBJECT_CHARS]",
}
GIVEN_A_SUBJECT = {"_notice": 0, "_write_to_merchant": 1}


def test_every_subject_is_ours() -> None:
    for path, call in _calls("letter"):
        subject, place = call.args[1], str(path.relative_to(APP))
        assert isinstance(subject, ast.Constant) or ast.unparse(subject) == SUBJECTS_FROM_ELSEWHERE[place], place
    for name_of_file in ("accounts/letters.py", "webhooks/pausing.py"):
        for node in ast.walk(ast.parse((APP / name_of_file).read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in GIVEN_A_SUBJECT:
                    assert isinstance(node.args[GIVEN_A_SUBJECT[name]], ast.Constant), ast.unparse(node)


def test_letters_are_written_in_one_place() -> None:
    assert _files_with(r"OutgoingMail\b|\bINTO mail_outbox") == ["mail/repository.py", "mail/tables.py"]
    assert _files_with(r"app\.mail\b.*\brepository\b") == ["mail/service.py"]
    assert [path for path, _ in _calls("Letter")] == [APP / "mail" / "letters.py"]


def _files_with(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(APP)) for path in APP.rglob("*.py") if re.search(pattern, path.read_text()))
