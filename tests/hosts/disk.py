"""A disk of its own for each database, as root: a file system in memory, which can be full."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = "1g"
"""The databases of some tests, and the WAL between two checkpoints. Only what is filled takes memory."""

_CHUNK = bytes(2**20)


@contextmanager
def disks(run: str, folders: Mapping[str, Path]) -> Iterator[None]:
    """Mount one at each of these folders, by the name of its host; `run` tells them from those of other runs."""
    _unmount(run)
    try:
        for name, folder in folders.items():
            folder.mkdir(parents=True)
            options = f"size={SIZE},mode=700"
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, f"{run}-{name}", str(folder)], check=True)
        yield
    finally:
        _unmount(run)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Inside, there is no byte left on this disk."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(_CHUNK)
    try:
        yield
    finally:
        ballast.unlink()


def _unmount(run: str) -> None:
    """Also what a killed run has left."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    for source, folder, *_ in mounts:
        if source.startswith(f"{run}-"):
            subprocess.run(["umount", "--lazy", folder], check=True)
