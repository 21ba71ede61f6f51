"""The Chromium for tests of pages: one on PATH, else npm's, else Playwright's own. None of them needs root.

`python -m tests.chromium` installs one if there is none; `make test` calls it.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "browser"
UNPACKED = FOLDER / "node_modules" / ".chromium"
"""npm's: a headless shell of Chromium 147 for Linux on x86-64, see `browser/unpack.mjs`."""

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def launch_options(unpacked: Path = UNPACKED, environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """The arguments for Playwright: `browser = playwright.chromium.launch(**launch_options())`.

    Without the first two it starts Playwright's own, or fails with instructions to install that.
    """
    if (on_path := _on_path(environment)) is not None:
        return {"executable_path": on_path, "args": QUIET}
    if (unpacked / "chromium").exists():
        libraries = {
            "LD_LIBRARY_PATH": str(unpacked / "al2023" / "lib"),
            "FONTCONFIG_FILE": str(unpacked / "fonts" / "fonts.conf"),
        }
        return {"executable_path": str(unpacked / "chromium"), "args": QUIET, "env": {**environment, **libraries}}
    return {"args": QUIET}


def fetch() -> None:
    """Install a Chromium if there is none. Raises CalledProcessError if that fails."""
    if _on_path(os.environ) is not None or (UNPACKED / "chromium").exists():
        return
    if sys.platform == "linux" and platform.machine() == "x86_64":
        print("There is no chromium on PATH: getting npm's, about 70 MB, for the tests of pages", flush=True)
        try:
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, check=True)
            subprocess.run(["node", "unpack.mjs"], cwd=FOLDER, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"npm's could not be had ({error}): getting Playwright's", flush=True)
        else:
            return
    subprocess.run([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"], check=True)


def _on_path(environment: Mapping[str, str]) -> str | None:
    path = environment.get("PATH", "")
    return next(filter(None, (shutil.which(name, path=path) for name in NAMES)), None)


if __name__ == "__main__":
    try:
        fetch()
    except subprocess.CalledProcessError:
        sys.exit("The tests of pages need a browser: put a chromium on PATH")
