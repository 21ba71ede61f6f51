"""Load from wrk (Debian's package): a C program, so that the generator takes little of the two cores."""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CONNECTIONS = 32
THREADS = 1


@dataclass(frozen=True)
class Load:
    """The result of one load: answers a second, latencies in milliseconds, and how many were not 2xx."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failures: int
    answers: int


def load(
    url: str,
    *,
    seconds: int,
    script: str = "",
    headers: dict[str, str] | None = None,
    connections: int = CONNECTIONS,
) -> Load:
    """Send requests over kept-alive connections for `seconds`."""
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("The load comes from wrk, which is missing: sudo apt-get install -y wrk (macOS: brew install wrk)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.lua"
        path.write_text(script or "-- plain GET")
        command = [wrk, f"-c{connections}", f"-t{THREADS}", f"-d{seconds}s", "--latency", "-s", str(path)]
        for name, value in (headers or {}).items():
            command += ["-H", f"{name}: {value}"]
        output = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    return _read(output)


def _read(output: str) -> Load:
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", output)
    counted = re.search(r"(\d+) requests in", output)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    socket_errors = re.search(r"Socket errors: (.*)", output)
    assert rate is not None, output
    assert counted is not None, output
    if socket_errors:
        print(f"    socket errors: {socket_errors[1]}")
    return Load(
        per_second=float(rate[1]),
        p50_ms=_latency_ms(output, "50%"),
        p99_ms=_latency_ms(output, "99%"),
        failures=int(failed[1]) if failed else 0,
        answers=int(counted[1]),
    )


def _latency_ms(output: str, percentile: str) -> float:
    found = re.search(rf"{re.escape(percentile)}\s+([0-9.]+)(us|ms|s)", output)
    assert found is not None, output
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]
