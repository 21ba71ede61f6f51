"""The signer as in production: a separate process that alone has the keys."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from app.signer import keystore
from tests import commands

PASSWORD = "twelve letters and more"
START_TIMEOUT_S = 60
COMMAND_TIMEOUT_S = 120


def sealed_keys(directory: Path, mnemonic: str) -> dict[str, str]:
    """Write a keystore and its password to files. Returns the signer's environment variables for them."""
    file, password = directory / "keystore.json", directory / "password"
    keystore.write(file, mnemonic, PASSWORD, scrypt_n=2**12)
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    return {"SIGNER_KEYSTORE_FILE": str(file), "SIGNER_KEYSTORE_PASSWORD_FILE": str(password)}


def swap_pay(env: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `swap-pay …` with this environment and wait for its end."""
    return commands.run(*arguments, env={"PATH": os.environ["PATH"], **env}, timeout_s=COMMAND_TIMEOUT_S)


class SignerProcess:
    """A running `swap-pay worker signer`."""

    def __init__(self, process: ForkServerProcess, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        """Send SIGKILL if it still runs."""
        self._process.kill()

    async def wait(self) -> int:
        await asyncio.to_thread(self._process.join)
        assert self._process.exitcode is not None
        return self._process.exitcode


@asynccontextmanager
async def signer_process(env: Mapping[str, str], log: Path) -> AsyncIterator[SignerProcess]:
    """A started signer; killed at the end if it still runs. Its log is appended to `log`."""
    began = log.stat().st_size if log.exists() else 0
    process = commands.start("worker", "signer", env={"PATH": os.environ["PATH"], **env}, log=log)
    running = SignerProcess(process, log)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not log.exists() or b"worker_started" not in log.read_bytes()[began:]:
                assert running.returncode is None, log.read_text()[-3000:]
                await asyncio.sleep(0.02)
        yield running
    finally:
        running.kill()
        await running.wait()
