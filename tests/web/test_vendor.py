"""Vendored files are unchanged: the table in the README beside them has every file's hash."""

import hashlib
import re
from pathlib import Path

import pytest

from app.core.resources import STATIC, TEMPLATES
from app.sandbox.chain_driver import TOKEN_ARTEFACT

VENDOR = STATIC / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", re.MULTILINE)
TEXTS = ("README.md", "LICENSE.txt")


@pytest.mark.parametrize("folder", [VENDOR, TOKEN_ARTEFACT.parent], ids=["static", "sandbox"])
def test_every_vendored_file_has_its_recorded_hash(folder: Path) -> None:
    written = dict(ROW.findall((folder / "README.md").read_text()))
    files = {path.name: path for path in folder.iterdir() if not path.name.endswith(TEXTS)}
    assert files
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == written


def test_every_vendored_file_is_used_under_its_version() -> None:
    sources = [*TEMPLATES.rglob("*.html"), *(STATIC / "css").glob("*.css")]
    text = "".join(path.read_text() for path in sources)
    for name in dict(ROW.findall((VENDOR / "README.md").read_text())):
        assert f"vendor/{name}" in text
        assert re.search(r"-\d+\.\d+\.\d+", name)
