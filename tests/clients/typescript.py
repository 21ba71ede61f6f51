"""The TypeScript client in a place of its own: built from its sources, packed and installed as its users do it."""

import shutil
import subprocess
from pathlib import Path

from app.sandbox.home import ROOT

CLIENT = ROOT / "clients" / "typescript"
PACKAGES = CLIENT / "node_modules"
"""Made by `make`, as `FOR_TESTS` of the Makefile has it."""

TIMEOUT_S = 300


def run(*argv: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command; its output. Fails, with the output, if it does."""
    ran = subprocess.run(
        argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert ran.returncode == 0, f"{' '.join(map(str, argv))}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def built(folder: Path) -> Path:
    """A copy of the client's folder in `folder`, with `dist` made of the sources as they are now."""
    shutil.copytree(CLIENT, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    run("node", PACKAGES / "typescript-7" / "bin" / "tsc", "--project", "tsconfig.build.json", cwd=folder)
    return folder


def installed(built: Path, folder: Path) -> Path:
    """Install what `npm pack` makes of a built copy into an empty folder; without network, since it needs no more."""
    folder.mkdir()
    run("npm", "pack", "--silent", "--pack-destination", folder, cwd=built)
    (package,) = folder.glob("*.tgz")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    run("npm", "install", "--offline", "--silent", "--no-audit", "--no-fund", package, cwd=folder)
    return folder
