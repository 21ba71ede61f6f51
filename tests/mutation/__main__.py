"""`make mutate`: puts each fault of the table into a copy of the code, alone, and sees its tests fail.

First every named test must pass without a fault. Then a fault counts as noticed only where pytest ran and a test failed
(exit code 1): code that can't be imported proves nothing. Arguments narrow it down to the faults whose names hold them.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from tests.mutation.faults import FAULTS
from tests.mutation.table import ROOT, Fault

AT_ONCE = int(os.environ.get("TEST_PROCESSES", "2"))
TIMEOUT_S = 240
"""For the tests of one fault. A fault that makes a test wait for ever is noticed by the test's own time limit."""

COPIED = ("app", "workers", "tests", "templates", "static", "piccolo_migrations", "docs")
COPIED_FILES = ("pyproject.toml", "Procfile", "README.md", "Makefile", "CONTRIBUTING.md")
LINKED = ("node_modules",)
TESTS_FAILED = 1
"""pytest's exit code for "tests were collected and run but some of the tests failed"."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one fault went. `trouble` says why it does not count as noticed."""

    fault: Fault
    took_s: float
    trouble: str | None


def main(wanted: Sequence[str]) -> int:
    """Run the table; the exit code."""
    faults = [fault for fault in FAULTS if not wanted or any(part in fault.name for part in wanted)]
    with tempfile.TemporaryDirectory(prefix="swap-pay-mutation-") as directory:
        copies: Queue[Path] = Queue()
        for number in range(AT_ONCE):
            copies.put(_copy(Path(directory) / str(number)))
        with _one_of(copies) as copy:
            named = sorted({test for fault in faults for test in fault.nodes})
            code, output = _pytest(copy, named, timeout_s=TIMEOUT_S * 4)
            if code != 0:
                print(output, file=sys.stderr)
                print("The tests must pass before faults are put in.", file=sys.stderr)
                return 1
        with ThreadPoolExecutor(AT_ONCE) as pool:
            outcomes = list(pool.map(lambda fault: _try(fault, copies), faults))
    return _report(outcomes)


def _try(fault: Fault, copies: "Queue[Path]") -> Outcome:
    began_s = time.monotonic()
    with _one_of(copies) as copy:
        file = copy / fault.file
        source = file.read_text()
        file.write_text(fault.applied(source))
        try:
            code, output = _pytest(copy, ["-x", *fault.nodes], timeout_s=TIMEOUT_S)
        finally:
            file.write_text(source)
    trouble = {TESTS_FAILED: None, 0: "SURVIVED"}.get(code, f"pytest ended with {code}:\n{output}")
    outcome = Outcome(fault, time.monotonic() - began_s, trouble)
    print(
        f"{'noticed ' if trouble is None else 'SURVIVED' if code == 0 else 'FAILED  '} {outcome.took_s:5.1f} s  {fault.name}"
    )
    return outcome


def _pytest(copy: Path, arguments: Sequence[str], *, timeout_s: float) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    environment = os.environ | {"PYTHONPATH": str(copy)}
    try:
        done = subprocess.run(
            [*command, *arguments], cwd=copy, env=environment, capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end within {timeout_s} s"
    return done.returncode, (done.stdout + done.stderr)[-4_000:]


def _copy(target: Path) -> Path:
    for folder in COPIED:
        shutil.copytree(ROOT / folder, target / folder, ignore=shutil.ignore_patterns("node_modules"))
    for file in COPIED_FILES:
        shutil.copy2(ROOT / file, target / file)
    for folder in LINKED:
        (target / folder).symlink_to(ROOT / folder)
    return target


@contextmanager
def _one_of(copies: "Queue[Path]") -> Iterator[Path]:
    copy = copies.get()
    try:
        yield copy
    finally:
        copies.put(copy)


def _report(outcomes: Sequence[Outcome]) -> int:
    troubles = [outcome for outcome in outcomes if outcome.trouble is not None]
    for outcome in troubles:
        print(f"\n{outcome.fault.name}\n  {outcome.fault.harm}\n  {outcome.trouble}", file=sys.stderr)
    print(f"\n{len(outcomes)} faults, {len(troubles)} not noticed")
    return 1 if troubles or not outcomes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
