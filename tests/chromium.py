"""The Chromium for tests of pages: npm's headless shell, else one on PATH, else Playwright's. None of them needs root.

The headless shell comes first because it takes half the CPU of a whole Chromium, and is the same one everywhere.
`python -m tests.chromium` installs it; `make test` calls it.
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

    Without `executable_path` it starts Playwright's own, or fails with instructions to install that.
    """
    if (unpacked / "chromium").exists():
        libraries = {
            "LD_LIBRARY_PATH": str(unpacked / "al2023" / "lib"),
            "FONTCONFIG_FILE": str(unpacked / "fonts" / "fonts.conf"),
        }
        return {"executable_path": str(unpacked / "chromium"), "args": QUIET, "env": {**environment, **libraries}}
    if (on_path := _on_path(environment)) is not None:
        return {"executable_path": on_path, "args": QUIET}
    return {"args": QUIET}


def fetch() -> None:
    """Install the headless shell, or what else there is. Raises CalledProcessError if nothing can be installed."""
    if (UNPACKED / "chromium").exists():
        return
    if sys.platform == "linux" and platform.machine() == "x86_64":
        print("Getting npm's headless Chromium, about 70 MB, for the tests of pages", flush=True)
        try:
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=FOLDER, check=True)
            subprocess.run(["node", "unpack.mjs"], cwd=FOLDER, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"npm's could not be had ({error})", flush=True)
        else:
            return
    if _on_path(os.environ) is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"], check=True)


def _on_path(environment: Mapping[str, str]) -> str | None:
    path = environment.get("PATH", "")
    return next(filter(None, (shutil.which(name, path=path) for name in NAMES)), None)


if __name__ == "__main__":
    try:
        fetch()
    except subprocess.CalledProcessError:
        sys.exit("The tests of pages need a browser: put a chromium on PATH")
