"""The signer as in production: a separate process that alone has the keys."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from app.sandbox.home import ROOT
from app.signer import keystore

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
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_TIMEOUT_S,
    )


class SignerProcess:
    """A running `swap-pay worker signer`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def returncode(self) -> int | None:
        return self._process.returncode

    def kill(self) -> None:
        """Send SIGKILL if it still runs."""
        if self._process.returncode is None:
            self._process.kill()

    async def wait(self) -> int:
        return await self._process.wait()


@asynccontextmanager
async def signer_process(env: Mapping[str, str], log: Path) -> AsyncIterator[SignerProcess]:
    """A started signer; killed at the end if it still runs. Its log is appended to `log`."""
    with log.open("ab") as output:
        began = output.tell()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "worker", "signer", cwd=ROOT, env={"PATH": os.environ["PATH"], **env},
            stdout=output, stderr=output,
        )  # fmt: skip
    running = SignerProcess(process, log)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while b"worker_started" not in log.read_bytes()[began:]:
                assert process.returncode is None, log.read_text()[-3000:]
                await asyncio.sleep(0.05)
        yield running
    finally:
        running.kill()
        await process.wait()
