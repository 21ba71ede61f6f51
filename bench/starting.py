"""What starting costs, and what processes hold when they have nothing to do: `python -m bench.starting`.

Processor time is the least of several new interpreters, which a busy machine changes little. Memory is RSS, what a
process has in memory, and PSS, in which memory that several processes share is divided among them.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import psutil

from app.sandbox import ports, processes
from app.sandbox.processes import Process
from bench.report import Goal, Limit, Report
from bench.stack import API, Stack, running_stack

STARTS = int(os.environ.get("BENCH_STARTS", "3"))
INVOICES = 45
PAGES_OF = 10
"""Two requests for each invoice, and the page of some: a customer may not open many in a minute."""

WEB_PROCESSES = 2
QUEUES = ("default", "webhooks", "chain")
COMMANDS = ("listen", "new-secret", "doctor")
"""Those that people run often, or that should answer at once."""

REST_S = 5.0
"""What a worker gets after its first heartbeat, for its first jobs."""

MB = 2**20

IMPORTED = """
import sys, time
{statement}
print(time.process_time(), open("/proc/self/statm").read().split()[1])
"""

CAN_ANSWER = """
import asyncio
from app.core import gc_tuning
with gc_tuning.importing():
    import app.asgi
app.asgi.serve()
"""


class Start(NamedTuple):
    """What an interpreter has used."""

    cpu_s: float
    rss_mb: float


def main() -> None:
    """Print the figures, and write their JSON."""
    with (
        Report("starting") as report,
        running_stack(web_processes=1) as stack,
        TemporaryDirectory(prefix="swap-pay-bench-") as home,
    ):
        # The web process of the sandbox would import the sandbox's tools too.
        environment = {**os.environ, **stack.environment, "SWAP_PAY_ENV": "test"}
        stack.web.stop()
        _imports(report, environment)
        _commands(report, environment)
        _web(report, stack, environment, Path(home))
        _workers(report, environment, Path(home))


def _imports(report: Report, environment: Mapping[str, str]) -> None:
    framework = _least("import litestar", environment)
    app = _least("import app.asgi", environment)
    ready = _least(CAN_ANSWER, environment)
    cpu = Limit("import litestar", framework.cpu_s)
    rss = Limit("import litestar", framework.rss_mb)
    report.add("CPU of import app.asgi", app.cpu_s, "s", better="lower", limit=cpu)
    report.add("CPU until the app can answer", ready.cpu_s, "s", better="lower", limit=cpu, goal=Goal("at most", 1.2))
    report.add("RSS after import app.asgi", app.rss_mb, "MB", better="lower", limit=rss, goal=Goal("at most", 110))
    for queue in QUEUES:
        statement = f"import app.wiring; from workers import queues; queues.queue({queue!r})"
        worker = _least(statement, environment)
        report.add(f"CPU of import of worker {queue}", worker.cpu_s, "s", better="lower", limit=cpu)


def _commands(report: Report, environment: Mapping[str, str]) -> None:
    limit = Limit("python -c pass", min(_cpu_s(["-c", "pass"], environment) for _ in range(STARTS)))
    for name, arguments in (("", ["--help"]), *((f"{each} ", [each, "--help"]) for each in COMMANDS)):
        cpu_s = min(_cpu_s(["-m", "app.cli", *arguments], environment) for _ in range(STARTS))
        goal = None if name else Goal("at most", 0.3)
        report.add(f"CPU of swap-pay {name}--help", cpu_s, "s", better="lower", limit=limit, goal=goal)


def _web(report: Report, stack: Stack, environment: Mapping[str, str], home: Path) -> None:
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    own = {"WEB_PORT": str(port), "PUBLIC_URL": url, "WEB_WORKERS": str(WEB_PROCESSES)}
    web = _started("web", ["web"], {**environment, **own}, home, ready=lambda _: _answers(f"{url}/readyz"))
    try:
        report.add("CPU of web until it answers, all processes", _tree_cpu_s(web), "s", better="lower")
        for number in range(INVOICES):
            _invoice(url, stack.key, number)
        leader = psutil.Process(web.pid)
        serving = [each for each in leader.children(recursive=True) if _memory_mb(each).rss > 40]
        busiest = max((_memory_mb(each) for each in serving), key=lambda memory: memory.rss)
        goal = Goal("at most", 110)
        report.add("web RSS of a process at rest", busiest.rss, "MB", better="lower", goal=goal)
        report.add("web PSS of a process at rest", busiest.pss, "MB", better="lower", goal=goal)
        report.add("web RSS of the process that forks them", _memory_mb(leader).rss, "MB", better="lower", goal=goal)
        total = sum(_memory_mb(each).pss for each in (leader, *serving))
        report.add(f"web PSS of all, {len(serving)} that serve", total, "MB", better="lower")
    finally:
        web.stop()


def _workers(report: Report, environment: Mapping[str, str], home: Path) -> None:
    for queue in QUEUES:
        beat = home / f"{queue}.beat"
        own = {"HEARTBEAT_FILE": str(beat)}
        worker = _started(
            queue, ["worker", queue], {**environment, **own}, home, ready=lambda _, beat=beat: _exists(beat)
        )
        try:
            time.sleep(REST_S)
            memory = _memory_mb(psutil.Process(worker.pid))
        finally:
            worker.stop()
        report.add(f"worker {queue} RSS at rest", memory.rss, "MB", better="lower", goal=Goal("at most", 90))


class Memory(NamedTuple):
    """In MB of 2^20 bytes."""

    rss: float
    pss: float


def _memory_mb(process: psutil.Process) -> Memory:
    found = process.memory_full_info()
    return Memory(found.rss / MB, found.pss / MB)


def _least(statement: str, environment: Mapping[str, str]) -> Start:
    """The least that several new interpreters need for a statement."""
    starts = []
    for _ in range(STARTS):
        printed = subprocess.run(
            [sys.executable, "-c", IMPORTED.format(statement=statement)],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        starts.append(Start(float(printed[0]), int(printed[1]) * os.sysconf("SC_PAGE_SIZE") / MB))
    return Start(min(each.cpu_s for each in starts), min(each.rss_mb for each in starts))


def _cpu_s(arguments: list[str], environment: Mapping[str, str]) -> float:
    """The processor time of a whole interpreter."""
    with subprocess.Popen([sys.executable, *arguments], env=dict(environment), stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def _tree_cpu_s(process: Process) -> float:
    leader = psutil.Process(process.pid)
    return sum(sum(each.cpu_times()[:2]) for each in (leader, *leader.children(recursive=True)))


def _started(name: str, arguments: list[str], environment: Mapping[str, str], home: Path, *, ready: object) -> Process:
    return processes.start(
        name,
        [sys.executable, "-m", "app.cli", *arguments],
        var_dir=home,
        env=environment,
        ready=ready,  # type: ignore[arg-type]
        ready_timeout_s=60,
    )


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        time.sleep(0.05)
        return False


def _exists(file: Path) -> bool:
    time.sleep(0.05)
    return file.exists()


def _invoice(url: str, key: str, number: int) -> None:
    """Create an invoice, read it, and open its page where it is one of the first."""
    authorization = {"Authorization": f"Bearer {key}"}
    body = json.dumps({"amount": "5.00", "currency": "USDT", "chain": "ethereum"}).encode()
    headers = {**authorization, "Content-Type": "application/json", "Idempotency-Key": f"rest-{number}"}
    invoice = json.loads(_read(urllib.request.Request(f"{url}{API}/invoices", body, headers)))
    _read(urllib.request.Request(f"{url}{API}/invoices/{invoice['id']}", headers=authorization))
    if number < PAGES_OF:
        _read(urllib.request.Request(invoice["payment_url"]))


def _read(request: urllib.request.Request) -> bytes:
    with urllib.request.urlopen(request) as answer:
        content: bytes = answer.read()
    return content


if __name__ == "__main__":
    main()
