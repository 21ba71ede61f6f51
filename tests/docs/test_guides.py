"""The guides in `docs/`: every curl, Python and Node snippet is run, in order, and prints what its guide promises.

A fenced block of `bash`, `python` or `javascript` is run; an `output` block after it lists texts that its output
must contain, in that order. `text` blocks are not run.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from app.api.error_catalogue import MEANINGS
from app.api_keys.scopes import Scope
from app.core import clock, database
from app.core.errors import STATUS, Code
from app.sandbox.home import ROOT
from tests.api.conftest import NewKey
from tests.api.serving import Served
from tests.curl import path_with_curl
from tests.factories.past_invoices import past_invoices
from tests.factories.withdrawals import fund

DOCS = ROOT / "docs"
GUIDES = (
    "quickstart",
    "accepting",
    "refunds",
    "payouts",
    "going-live",
    "networks",
    "authentication",
    "idempotency",
    "invoices",
    "payment-links",
    "errors",
    "testing",
    "statements",
    "versions",
)
IN_THE_SANDBOX = ("sad-paths",)
"""Guides that pay: tests/integrators/test_sad_paths.py runs them in the sandbox."""

# The guides' TypeScript has no annotations, so every Node runs it as it is.
COMMANDS = {
    "bash": ["bash", "-euo", "pipefail", "-c"],
    "python": [sys.executable, "-c"],
    "javascript": ["node", "--input-type=module", "-e"],
    "typescript": ["node", "--input-type=module", "-e"],
}
SNIPPET_TIMEOUT_S = 60
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A piece of a guide that is run, and what it must print."""

    line: int
    language: str
    code: str
    promised: list[str]


def snippets(guide: str) -> list[Snippet]:
    """The runnable blocks of a guide, in order."""
    found: list[Snippet] = []
    for match in _BLOCK.finditer(guide):
        language, code = match.groups()
        line = guide.count("\n", 0, match.start()) + 1
        if language == "output":
            found[-1].promised.extend(code.splitlines())
        elif language != "text":
            assert language in COMMANDS, f"line {line}: {language!r} is not run"
            found.append(Snippet(line, language, code, []))
    return found


async def test_every_snippet_runs_and_prints_what_it_promises(server: Served, new_key: NewKey, tmp_path: Path) -> None:
    path = path_with_curl(os.environ, tmp_path)
    for name in GUIDES:
        key = await new_key()
        await GIVEN.get(name, nothing)(key)
        run_snippets(name, [*COMMANDS], PATH=path, SWAP_PAY_URL=server.url, SWAP_PAY_KEY=key)
    assert server.faults() == []


async def test_a_machine_without_curl_runs_them_too(server: Served, new_key: NewKey, tmp_path: Path) -> None:
    for program in ("bash", "node"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    path = path_with_curl({"PATH": str(tmp_path)}, tmp_path)
    assert shutil.which("curl", path=path) == str(tmp_path / "curl")
    for name in ("authentication", "idempotency", "errors"):
        run_snippets(name, ["bash"], PATH=path, SWAP_PAY_URL=server.url, SWAP_PAY_KEY=await new_key())


async def nothing(key: str) -> None:
    """What most guides begin with."""


async def a_balance(key: str) -> None:
    """100 USDT of the key's merchant."""
    await fund(await merchant_of(key), 100_000_000)


async def a_paid_order(key: str) -> None:
    """The same, and the paid order 5001."""
    await a_balance(key)
    await past_invoices(await merchant_of(key), 1, newest_at=clock.now(), every_s=60, currency=None)
    await database.execute("UPDATE invoices SET order_id = '5001' WHERE merchant = $1", await merchant_of(key))


GIVEN = {"refunds": a_paid_order, "payouts": a_balance}


async def merchant_of(key: str) -> str:
    """The id of the merchant whose key it is."""
    merchant: str = await database.fetch_value("SELECT merchant FROM api_keys WHERE id = $1", key.split("_")[3])
    return merchant


def run_snippets(name: str, languages: list[str], **environment: str) -> None:
    """Run a guide's blocks in these languages, one after the other; each prints what it promises."""
    for snippet in snippets((DOCS / f"{name}.md").read_text()):
        if snippet.language in languages:
            run(name, snippet, environment)


def run(name: str, snippet: Snippet, environment: Mapping[str, str], timeout_s: int = SNIPPET_TIMEOUT_S) -> None:
    """Run one block of a guide; it prints what it promises."""
    place = f"{name}.md:{snippet.line}"
    ran = subprocess.run(
        [*COMMANDS[snippet.language], snippet.code],
        env={"HOME": os.environ.get("HOME", "/"), **environment},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert ran.returncode == 0, f"{place}\n{ran.stdout}\n{ran.stderr}"
    assert snippet.promised, f"{place} promises nothing"
    seen_to = 0
    for piece in snippet.promised:
        assert piece in ran.stdout[seen_to:], f"{place} should print {piece!r}, printed\n{ran.stdout}"
        seen_to = ran.stdout.index(piece, seen_to) + len(piece)


@pytest.mark.parametrize("name", GUIDES + IN_THE_SANDBOX)
def test_guides_use_two_variables(name: str) -> None:
    text = (DOCS / f"{name}.md").read_text()
    used = set(re.findall(r"\$\{?([A-Z_]{3,})|environ\[\"(\w+)\"\]|process\.env\.(\w+)", text))
    assert {variable for groups in used for variable in groups if variable} <= {"SWAP_PAY_URL", "SWAP_PAY_KEY"}


def test_there_is_curl_python_and_node() -> None:
    every = [snippet.language for name in GUIDES for snippet in snippets((DOCS / f"{name}.md").read_text())]
    assert min(every.count(language) for language in ("bash", "python", "typescript")) >= 5


def test_the_table_of_errors_is_the_catalogue() -> None:
    text = (DOCS / "errors.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `([A-Z_]+)` \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(str(STATUS[code]), code.value, MEANINGS[code].advice) for code in Code]


def test_every_scope_is_explained() -> None:
    assert set(re.findall(r"`(\w+\.(?:read|write))`", (DOCS / "authentication.md").read_text())) == set(Scope)
