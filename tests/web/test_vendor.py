"""What others wrote is served as it came: the table in static/vendor/README.md has every file's hash."""

import hashlib
import re

from app.web.pages import ROOT, STATIC_DIR

VENDOR = STATIC_DIR / "vendor"
ROW = re.compile(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", re.MULTILINE)
TEXTS = ("README.md", "LICENSE.txt")


def test_every_vendored_file_is_the_one_that_was_written_down() -> None:
    written = dict(ROW.findall((VENDOR / "README.md").read_text()))
    files = {path.name: path for path in VENDOR.iterdir() if not path.name.endswith(TEXTS)}
    assert files
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == written


def test_every_vendored_file_is_used_under_its_version() -> None:
    sources = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "static" / "css").glob("*.css")]
    text = "".join(path.read_text() for path in sources)
    for name in dict(ROW.findall((VENDOR / "README.md").read_text())):
        assert f"vendor/{name}" in text
        assert re.search(r"-\d+\.\d+\.\d+", name)
