"""A base backup and an archive of WAL, as files: what can be said of them before anything is copied.

The base backup is a folder as `pg_basebackup --format=plain`, `pgbackrest restore` or `wal-g backup-fetch` write it.
The archive is a folder with a file for each segment, as `archive_command` has put it there. Where the archive is not
such a folder, a restore command fetches the segments, and Postgres alone finds out whether one is missing.
"""

import re
import shlex
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from app.drill.refusal import DrillRefused

SEGMENTS_PER_LOG_BYTES = 2**32
"""A segment's name has 8 hexadecimal digits for the timeline, 8 for each 4 GiB of WAL, 8 for the segment within
them."""

DEFAULT_SEGMENT_BYTES = 16 * 2**20
"""Postgres's own default (`initdb --wal-segsize`)."""

MAX_NAMED = 5
"""Missing segments that a message names."""

_SEGMENT = re.compile(r"[0-9A-F]{24}")
_STARTS = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$", re.MULTILINE)
_BEGAN = re.compile(r"^START TIME: (\S+ \S+) (?:UTC|GMT)$", re.MULTILINE)


class Base(msgspec.Struct, frozen=True):
    """A base backup. `began_at` is None where it is written in a time zone that only Postgres knows."""

    folder: Path
    major: int
    first_segment: str
    began_at: datetime | None
    size_bytes: int


class Archive(msgspec.Struct, frozen=True):
    """Where segments come from. `newest_at` is when the newest file was archived; it and `missing` are known only of a
    folder."""

    restore_command: str
    missing: tuple[str, ...] = ()
    newest_at: datetime | None = None


def read_base(folder: Path) -> Base:
    """Read what a base backup says of itself. Raises DrillRefused."""
    if not folder.is_dir():
        raise DrillRefused(f"{folder} is not a folder: give the base backup, unpacked")
    if (folder / "base.tar").exists() or list(folder.glob("base.tar.*")):
        raise DrillRefused(f"{folder} holds archives of the base backup: unpack them first, and give that folder")
    try:
        if (folder / "postmaster.pid").exists():
            raise DrillRefused(f"{folder} is used by a running Postgres: a base backup is needed, not its data")
        if not (folder / "backup_label").exists():
            raise DrillRefused(f"{folder} has no backup_label: it is not a base backup, or not a whole one")
        label = (folder / "backup_label").read_text(encoding="utf-8")
        major = int((folder / "PG_VERSION").read_text(encoding="utf-8"))
        if any((folder / "pg_tblspc").iterdir()):
            raise DrillRefused(f"{folder} has tablespaces of its own, which the drill can't move")
        size_bytes = sum(path.lstat().st_size for path in folder.rglob("*"))
    except OSError as error:
        raise DrillRefused(f"{folder} can't be read: {error.strerror}: {error.filename}") from None
    except ValueError:
        raise DrillRefused(f"{folder} is not a base backup: its PG_VERSION is not a number") from None
    if (starts := _STARTS.search(label)) is None:
        raise DrillRefused(f"{folder}/backup_label names no segment to start with")
    began = _BEGAN.search(label)
    began_at = None if began is None else datetime.fromisoformat(began[1]).replace(tzinfo=UTC)
    return Base(folder, major, starts[1], began_at, size_bytes)


def check_files(base: Base, programs: Path) -> str:
    """Check every file of a base backup against its manifest, in words for the report. Raises DrillRefused."""
    program = programs / "pg_verifybackup"
    if not (base.folder / "backup_manifest").exists() or not program.exists():
        return "not checked: there is no manifest, or no pg_verifybackup"
    done = subprocess.run(
        [str(program), "--no-parse-wal", "--quiet", str(base.folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DrillRefused(f"{base.folder} is damaged: {done.stderr.strip().splitlines()[-1]}")
    return "every file is as its manifest says"


def read_archive(folder: Path, base: Base) -> Archive:
    """The archive in a folder, and the segments that are missing in it. Raises DrillRefused."""
    if not folder.is_dir():
        raise DrillRefused(f"{folder} is not a folder: give the archive of WAL, or --restore-command")
    names = {name: path for path in folder.iterdir() if _SEGMENT.fullmatch(name := path.name.partition(".")[0])}
    if not names:
        raise DrillRefused(f"{folder} has no segment of WAL: does archive_command write there?")
    whole = [path for path in names.values() if "." not in path.name]
    if not whole:
        raise DrillRefused(f"the segments in {folder} are packed: give a --restore-command that unpacks them")
    segment_bytes = whole[0].stat().st_size or DEFAULT_SEGMENT_BYTES
    kept = {path.name for path in (base.folder / "pg_wal").glob("*")}
    newest_at = datetime.fromtimestamp(max(path.stat().st_mtime for path in whole), UTC)
    quoted = shlex.quote(str(folder.resolve())).replace("%", "%%")
    missing = _gaps({path.name for path in whole} | kept, base.first_segment, segment_bytes)
    return Archive(f'cp {quoted}/%f "%p"', tuple(missing), newest_at)


def gap_in_words(missing: tuple[str, ...]) -> str:
    """Which segments are missing, for messages."""
    more = f" and {len(missing) - MAX_NAMED} more" if len(missing) > MAX_NAMED else ""
    return f"the archive has a gap: {', '.join(missing[:MAX_NAMED])}{more} missing"


def _gaps(names: set[str], first: str, segment_bytes: int) -> list[str]:
    """The segments that are missing between others of their timeline, from the first one that is needed on."""
    per_log = max(SEGMENTS_PER_LOG_BYTES // segment_bytes, 1)
    by_timeline: dict[str, set[int]] = {}
    for name in (each for each in names if _SEGMENT.fullmatch(each) and each[8:] >= first[8:]):
        number = int(name[8:16], 16) * per_log + int(name[16:], 16)
        by_timeline.setdefault(name[:8], set()).add(number)
    start = int(first[8:16], 16) * per_log + int(first[16:], 16)
    gaps = []
    for timeline, numbers in sorted(by_timeline.items()):
        begin = start if timeline == first[:8] else min(numbers)
        absent = sorted(set(range(begin, max(numbers))) - numbers)
        gaps += [f"{timeline}{number // per_log:08X}{number % per_log:08X}" for number in absent]
    return gaps
