"""A bitcoind for this machine from Debian's package, unpacked into `node_modules`: not installed, no root needed.

apt downloads Bitcoin Knots and the libraries that it uses, from the Debian mirror that apt has in its own
configuration, and verifies Debian's signature. The version and the checksum of the program's package are pinned here.
The program runs with its own libraries, by its own loader, so it also runs on an older Debian.

`python -m app.sandbox.bitcoind_package` fetches it.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from app.sandbox.home import ROOT
from app.sandbox.processes import ProcessError

PACKAGE, VERSION = "bitcoin-knots", "29.5.knots20260508-1~bpo13+1"
SHA256 = {
    "amd64": "09527a7678cc049dfbe5e1773563f3d6c56b7b6d8c133425ea0cd5ec7ffbd357",
    "arm64": "4eaf4e5d8b5eb10b192bff626f08ecff254d6d9c366dc64fae0afc04c9cba56c",
}
"""The package of each architecture, as Debian's signed index has it."""

RELEASE, BACKPORTS = "trixie", "trixie-backports"
PROGRAMS = ("bitcoind", "bitcoin-cli")
MIRROR_VARIABLE = "DEBIAN_MIRROR"
KEYRINGS = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
FETCH_TIMEOUT_S = 300

HOW_TO_INSTALL = "install Bitcoin Core or Knots 25 or newer, so that `bitcoind` is on PATH, or name it in BITCOIND"
"""What to do where no bitcoind can be fetched."""

# Its dependencies that only serve the installation as a service; apt takes them as installed.
_NOT_NEEDED = ("debconf", "systemd", "systemd-standalone-sysusers")

_LAUNCHER = """#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")
exec "$here/{loader}" --library-path "{libraries}" "$here/{program}" "$@"
"""


def directory() -> Path:
    """Where the fetched package is, or would be."""
    return ROOT / "node_modules" / f".bitcoind-{VERSION}"


def fetched() -> Path | None:
    """The fetched bitcoind; None if there is none."""
    path = directory() / "bin" / "bitcoind"
    return path if path.exists() else None


def fetch() -> Path:
    """Download and unpack bitcoind unless that is done, and return its path. Takes some seconds, and 60 MB.

    Raises ProcessError, with what to install instead, if this machine has no apt, no Debian mirror in apt's
    configuration (DEBIAN_MIRROR names one) or no Debian keyring, if the mirror no longer has the pinned version, or if
    `node_modules` can't be written.
    """
    if (path := fetched()) is not None:
        return path
    try:
        return _fetch_to(directory())
    except OSError as error:
        raise ProcessError(f"bitcoind could not be unpacked ({error}): {HOW_TO_INSTALL}") from None


def _fetch_to(target: Path) -> Path:
    target.parent.mkdir(exist_ok=True)
    with (target.parent / ".bitcoind.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several processes of a test run may need it at once
        if fetched() is None:
            unfinished = target.with_name(f"{target.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            try:
                _fetch_into(unfinished)
                unfinished.rename(target)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return target / "bin" / "bitcoind"


def _fetch_into(target: Path) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ProcessError(f"no bitcoind can be fetched without Debian's apt: {HOW_TO_INSTALL}")
    architecture = _run(["dpkg", "--print-architecture"]).strip()
    if architecture not in SHA256:
        raise ProcessError(f"no bitcoind is pinned for {architecture}: {HOW_TO_INSTALL}")
    apt = _apt_directory(target / "apt", _mirror(), _keyring())
    _run([*apt, "update"])
    wanted = [*apt, "--no-install-recommends", "--yes", "--download-only", "install", f"{PACKAGE}={VERSION}"]
    _run(wanted)
    archives = target / "apt" / "archives"
    _check(next(archives.glob(f"{PACKAGE}_*.deb")), SHA256[architecture])
    for archive in archives.glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(archive), str(target)])
    shutil.rmtree(target / "apt")
    _write_launchers(target)


def _mirror() -> str:
    """The Debian mirror of apt's own configuration, as apt itself prints its addresses."""
    if mirror := os.environ.get(MIRROR_VARIABLE):
        return mirror.rstrip("/")
    addresses = _run(["apt-get", "update", "--print-uris"])
    found = re.search(r"^'(\S+/debian)/dists/\S+/main/binary-", addresses, re.MULTILINE)
    if found is None:
        raise ProcessError(
            f"no bitcoind can be fetched, because apt has no Debian mirror here ({MIRROR_VARIABLE} names one): "
            f"{HOW_TO_INSTALL}"
        )
    return found[1]


def _keyring() -> Path:
    for name in KEYRINGS:
        if (path := Path("/usr/share/keyrings") / name).exists():
            return path
    raise ProcessError(f"no bitcoind can be fetched without the package debian-archive-keyring: {HOW_TO_INSTALL}")


def _apt_directory(place: Path, mirror: str, keyring: Path) -> list[str]:
    """Make apt's directories in `place`. Returns apt-get with options that keep it there, away from the system's."""
    for part in ("lists/partial", "archives/partial", "parts"):
        (place / part).mkdir(parents=True)
    sources = "".join(f"deb [signed-by={keyring}] {mirror} {suite} main\n" for suite in (RELEASE, BACKPORTS))
    (place / "sources.list").write_text(sources)
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: 999\nDescription: not needed\n\n"
        for name in _NOT_NEEDED
    )
    (place / "status").write_text(status)
    options = {
        "Dir::Etc::sourcelist": str(place / "sources.list"),
        "Dir::Etc::sourceparts": str(place / "parts"),
        "Dir::Etc::preferencesparts": str(place / "parts"),
        "Dir::Etc::preferences": str(place / "parts" / "none"),
        "Dir::State": str(place),
        "Dir::State::lists": str(place / "lists"),
        "Dir::State::status": str(place / "status"),
        "Dir::Cache": str(place),
        "Dir::Cache::archives": str(place / "archives"),
        "APT::Sandbox::User": "root",  # apt's own account could not write here
        "APT::Update::Error-Mode": "any",  # else an unreachable mirror is a warning
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": "20",
        "Acquire::Languages": "none",
        "Debug::NoLocking": "1",
    }
    return ["apt-get", "--quiet=2", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]


def _check(archive: Path, sha256: str) -> None:
    if hashlib.sha256(archive.read_bytes()).hexdigest() != sha256:
        raise ProcessError(f"{archive.name} is not the package that is pinned: its checksum is another")


def _write_launchers(target: Path) -> None:
    loader = next(path for path in sorted(target.rglob("ld-linux*.so.*")) if path.exists())
    libraries = sorted({path.parent.relative_to(target) for path in target.glob("usr/lib*/**/*.so.*")})
    (target / "bin").mkdir()
    for name in PROGRAMS:
        launcher = target / "bin" / name
        launcher.write_text(
            _LAUNCHER.format(
                loader=loader.relative_to(target),
                libraries=":".join(f"$here/{library}" for library in libraries),
                program=f"usr/bin/{name}",
            )
        )
        launcher.chmod(0o755)


def _run(argv: list[str]) -> str:
    """Run a program to its end and return its output. Raises ProcessError with its message and what to do instead."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("APT_")}
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=FETCH_TIMEOUT_S,
            env=environment | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProcessError(f"bitcoind could not be fetched ({error}): {HOW_TO_INSTALL}") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        reason = next((line for line in lines if line.startswith("E: ")), lines[-1])  # apt's first error is the cause
        raise ProcessError(f"bitcoind could not be fetched ({argv[0]}: {reason}): {HOW_TO_INSTALL}")
    return done.stdout


if __name__ == "__main__":
    try:
        print(fetch())
    except ProcessError as error:
        sys.exit(str(error))
