"""The Dockerfile's build stage, run step by step in a clean folder: this machine need not have Docker."""

import json
import os
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from app.sandbox.home import ROOT
from tests.deploy.files import dockerfile

PREFIX = "/opt/swap-pay"
"""Where the image has the virtual environment."""

REACHES_REGISTRIES = ("PIP_", "UV_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""How names of such variables begin."""


def build(folder: Path, *, whole: bool) -> Path:
    """Run the steps in `folder`. Returns the virtual environment that they made.

    `whole`: with tools fetched by pip, and with byte code for every module. Otherwise the tools are those of this
    environment, packages come from uv's cache if it has them all, and modules are compiled when they are imported.
    """
    source, venv = folder / "src", folder / "swap-pay"
    source.mkdir()
    for instruction, arguments in _build_stage():
        if instruction == "COPY":
            *names, target = arguments.split()
            for name in names:
                _copy(name, source / target)
        if instruction == "RUN":
            command = [word.replace(PREFIX, str(venv)) for word in json.loads(arguments)]
            if whole:
                _run(command, source, {})
            elif "compileall" not in command:
                tools = {"TOOLS": str(Path(sys.executable).parents[1])}
                try:
                    _run(command, source, {**tools, "UV_OFFLINE": "1"})
                except subprocess.CalledProcessError:
                    shutil.rmtree(venv, ignore_errors=True)
                    _run(command, source, tools)
    return venv


def _build_stage() -> list[tuple[str, str]]:
    steps = dockerfile()
    first, second = (number for number, step in enumerate(steps) if step[0] == "FROM")
    return steps[first + 1 : second]


def _copy(name: str, target: Path) -> None:
    """Copy what is part of the context: .dockerignore leaves the rest out."""
    assert is_in_context(name), f"{name} is left out by .dockerignore"
    source = ROOT / name
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "*.env"))
    else:
        place = target / source.name if target.is_dir() else target
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)


def is_in_context(name: str) -> bool:
    """Whether Docker would send this file or folder: the last line of .dockerignore that matches decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if (
            line
            and not line.startswith("#")
            and any(
                fnmatch(part, pattern.removeprefix("**/"))
                for part in _beginnings(name, anywhere=pattern.startswith("**/"))
            )
        ):
            sent = line.startswith("!")
    return sent


def _beginnings(name: str, *, anywhere: bool) -> list[str]:
    """The path and the folders that it is in; their last parts alone for a pattern that matches anywhere."""
    paths = [Path(name), *Path(name).parents][:-1]
    return [path.name if anywhere else str(path) for path in paths]


def _run(command: list[str], folder: Path, more: dict[str, str]) -> None:
    """Run a step with a bare environment, and what this machine needs to reach a registry."""
    reach = {name: value for name, value in os.environ.items() if name.upper().startswith(REACHES_REGISTRIES)}
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHON": sys.executable}
    done = subprocess.run(
        command, cwd=folder, env=reach | environment | more, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(done.stdout, done.stderr, file=sys.stderr)
        done.check_returncode()
