"""PHP from npm, as WebAssembly: the oldest version that the plug-in supports, and a current one."""

import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
HERE = Path(__file__).parent
PHP = HERE / "php"
PLUGIN = REPOSITORY / "clients/woocommerce/swap-pay-for-woocommerce"

OLDEST, CURRENT = "7.4", "8.4"

TIMEOUT_S = 240
"""Long, for a busy machine: it takes a second on a quiet one."""


def script(name: str) -> list[str]:
    """The beginning of a command that runs one of the scripts in `php`. Fails if PHP is not installed."""
    assert (PHP / "node_modules/@php-wasm/node").is_dir(), (
        "PHP for these tests is missing; this line installs it: make tests/woocommerce/php/node_modules/.stamp"
    )
    return ["node", str(PHP / name)]


def start(version: str, *arguments: str) -> "subprocess.Popen[str]":
    """Start PHP: `lint FILE…`, or `run FILE NAME=VALUE…`."""
    command = [*script("php.mjs"), version, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Wait for its end. Returns its exit code and what it has printed."""
    try:
        printed, _ = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, printed
