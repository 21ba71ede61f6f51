"""One thing has one word, on every page, in every email and in the docs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN = {
    "email": r"e-mails?|mails?|mailed|(a|our|that|the|this|your) letters?",
    "Audit log": r"deeds?",
    "payout or refund": r"withdrawals?",
    "Reject": r"turn(s|ed|ing)? down",
    "Send again": r"replay(s|ed|ing)?",
    "Awaiting approval": r"pending",
}
"""What people read in place of words that must not be on a page."""

WHOLE = {
    "IP, deposit, destination or email address": "Address",
    "Destination address": "To|To address",
    "a day": "From",
}
"""Labels that say too little. `From` names the first day of a filter, and nothing else."""

DAYS = ("From", "To")
"""Names of filters for the first and the last day."""

PAGES = ("cabinet", "components", "errors", "identity", "frame.html", "identity.html")
MODULES = ("app/cabinet", "app/identity")
WITH_EMAILS = (
    "app/accounts/letters.py",
    "app/alerts/routing.py",
    "app/merchants/administration.py",
    "app/merchants/applications.py",
    "app/merchants/invitation_reminders.py",
    "app/merchants/invitations.py",
    "app/security_checklist/service.py",
    "app/webhooks/pausing.py",
)

_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_CODE = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_STRING = re.compile(r'"([^"]*)"|(?<![\w’])\'([^\']*)\'')
_TAG = re.compile(r"<[^>]*>")


def files(*places: str, suffix: str) -> list[Path]:
    """The files of this suffix below the places, which may be files themselves."""
    found = [
        path
        for place in places
        for path in ([ROOT / place] if (ROOT / place).is_file() else (ROOT / place).rglob(f"*{suffix}"))
    ]
    assert found, places
    return sorted(found)


def is_read(text: str) -> bool:
    """Whether a string is words for people: names of fields, states and paths are one word in lower case."""
    return bool(re.search(r"\s", text.strip())) or text[:1].isupper()


def words_of_template(text: str) -> Iterator[str]:
    """Text between tags, and strings that macros show."""
    text = _COMMENT.sub("", text)
    for code in _CODE.findall(text):
        yield from (one or other for one, other in _STRING.findall(code) if is_read(one or other))
    for piece in _TAG.sub("\n", _CODE.sub(" ", text)).split("\n"):
        yield piece.strip()


def words_of_module(source: str) -> Iterator[str]:
    """Strings that are no docstrings."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docs
            and is_read(node.value)
        ):
            yield node.value


def wrong(words: str) -> list[str]:
    """What should be said instead of what these words say."""
    found = [better for better, worse in FORBIDDEN.items() if re.search(rf"\b({worse})\b", words, re.IGNORECASE)]
    return found + [better for better, worse in WHOLE.items() if re.fullmatch(worse, words)]


def test_the_test_finds_words_in_templates_and_modules() -> None:
    assert [
        *words_of_template('{{ button("Replay", "replay") }}<p class="mail">An e-mail {# letter #}{{ x }}</p>')
    ] == [
        "Replay",
        "",
        "An e-mail",
        "",
    ]
    assert [*words_of_module('"""A letter."""\nx = {"pending": "Pending"}\ny = f"{x} by mail"')] == [
        "Pending",
        " by mail",
    ]
    assert wrong("Replay it") == ["Send again"]
    assert wrong("An e-mail was sent") == ["email"]
    assert wrong("Address") == ["IP, deposit, destination or email address"]
    assert wrong("Email address") == []


@pytest.mark.parametrize(
    "path",
    files(*(f"templates/{name}" for name in PAGES), suffix=".html"),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_pages_have_one_word_for_one_thing(path: Path) -> None:
    found = {words: wrong(words) for words in words_of_template(path.read_text()) if wrong(words)}
    if path.name in ("_filters.html", "audit.html", "exports.html"):
        found = {words: better for words, better in found.items() if words not in DAYS}
    assert found == {}


def test_what_modules_say_has_one_word_for_one_thing() -> None:
    found = [
        (path.relative_to(ROOT).as_posix(), words, wrong(words))
        for path in files(*MODULES, *WITH_EMAILS, suffix=".py")
        for words in words_of_module(path.read_text())
        if wrong(words) and words not in DAYS
    ]
    assert found == []


@pytest.mark.parametrize("path", files("templates/operator", suffix=".html"), ids=lambda path: path.name)
def test_the_desk_has_one_word_for_one_thing(path: Path) -> None:
    """Its labels may be short: on its pages an address is of the gateway's wallets, too."""
    found = {words: wrong(words) for words in words_of_template(path.read_text()) if wrong(words)}
    assert {words: better for words, better in found.items() if not re.fullmatch("|".join(WHOLE.values()), words)} == {}


def test_the_docs_have_one_word_for_one_thing() -> None:
    worse = re.compile(r"\b(e-mails?|deeds?|turn(ed|s)? down|by mail|in letters)\b", re.IGNORECASE)
    for path in files("docs", "README.md", suffix=".md"):
        found = [line for line in path.read_text().splitlines() if worse.search(line)]
        assert found == [], path
