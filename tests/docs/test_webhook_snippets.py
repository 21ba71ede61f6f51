"""The verification snippets of docs/webhooks.md, run as by a merchant."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.events.types import EVENT_TYPES
from app.webhooks import signing

GUIDE = Path(__file__).parents[2] / "docs/webhooks.md"
BODY = '{"event_id":"5f0c","type":"invoice.paid","data":{"description":"Tee für zwei ☕"}}'.encode()
RUNNERS = {"python": ["python3", "snippet.py"], "javascript": ["node", "snippet.js"], "php": ["php", "snippet.php"]}
RUNNERS["go"] = ["go", "run", "snippet.go"]


def snippet(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(params=["python", "javascript", *(language for language in ("php", "go") if shutil.which(language))])
def verifies(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """Run the snippet; whether it accepted the event. PHP and Go only if they are installed."""
    command = RUNNERS[request.param]
    (tmp_path / command[-1]).write_text(snippet(request.param))

    def run(secret: str, header: str, body: bytes) -> bool:
        environment = {**os.environ, "WEBHOOK_SECRET": secret}
        done = subprocess.run([*command, header], input=body, env=environment, cwd=tmp_path, timeout=60, check=False)
        return done.returncode == 0

    return run


def test_the_snippet_accepts_our_webhooks_only(verifies: Callable[[str, str, bytes], bool]) -> None:
    old, new, now = signing.new_secret(), signing.new_secret(), int(time.time())
    assert verifies(new, signing.swap_pay_signature(now, BODY, [new]), BODY)
    assert verifies(old, signing.swap_pay_signature(now, BODY, [new, old]), BODY), "while a rotation overlaps"
    assert not verifies(new, signing.swap_pay_signature(now, BODY, [old]), BODY), "another secret"
    assert not verifies(new, signing.swap_pay_signature(now, BODY, [new]), BODY + b" "), "another body"
    assert not verifies(new, signing.swap_pay_signature(now - 301, BODY, [new]), BODY), "too old"


def test_every_type_of_event_is_explained() -> None:
    table = GUIDE.read_text().partition("| type | when |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(invoice\.[a-z_]+)`", table))
    assert named == {each for each in EVENT_TYPES if each.startswith("invoice.")}
    states = re.findall(r"`([a-z_]+)`", table)
    assert {f"{noun}.{state}" for noun in ("payout", "refund") for state in states} == EVENT_TYPES - named
