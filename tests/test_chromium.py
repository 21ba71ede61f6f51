"""Tests of pages find a browser without root: npm's, else one on PATH, else Playwright's own."""

import re
from pathlib import Path

from tests.chromium import QUIET, launch_options

TESTS = Path(__file__).parent


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o755)
    return path


def test_a_browser_is_taken_from_npm_then_from_path_then_from_playwright(tmp_path: Path) -> None:
    environment = {"PATH": str(tmp_path / "bin"), "HOME": "/home/nina"}
    unpacked = tmp_path / ".chromium"
    assert launch_options(unpacked, environment) == {"args": QUIET}

    ours = program(tmp_path / "bin" / "google-chrome")
    assert launch_options(unpacked, environment) == {"executable_path": str(ours), "args": QUIET}

    npms = program(unpacked / "chromium")
    chosen = launch_options(unpacked, environment)
    assert chosen["executable_path"] == str(npms)
    assert chosen["env"]["LD_LIBRARY_PATH"].startswith(str(unpacked))
    assert chosen["env"]["HOME"] == "/home/nina"


def test_every_browser_is_started_that_way() -> None:
    launches = {
        path.relative_to(TESTS): options
        for path in TESTS.rglob("*.py")
        for options in re.findall(r"\.chromium\.launch\((.*)\)", path.read_text())
        if path.name != "chromium.py"
    }
    assert len(launches) >= 8
    assert {path: options for path, options in launches.items() if options != "**launch_options()"} == {}
