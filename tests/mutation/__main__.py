"""`make mutate`: puts each fault of the table into a copy of the code, one at a time, and checks that its tests fail.

First every named test must pass without a fault. Then a fault counts as noticed only where pytest ran and a test failed
(exit code 1): code that can't be imported proves nothing. Arguments narrow it down to the faults whose names hold them.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from tests.mutation.faults import FAULTS
from tests.mutation.table import ROOT, Fault

AT_ONCE = int(os.environ.get("TEST_PROCESSES", "2"))
TIMEOUT_S = 120
"""For the tests of one fault. A fault that makes a test wait for ever is noticed by the test's own time limit."""

COPIED = ("app", "workers", "tests", "templates", "static", "piccolo_migrations", "docs", "bench")
COPIED_FILES = ("pyproject.toml", "Procfile", "README.md", "Makefile", "CONTRIBUTING.md")
LINKED = ("node_modules", ".venv")
OPTIONS = ("-q", "--no-header", "--tb=short", "--disable-warnings", "-p", "no:cacheprovider", "-p", "no:schemathesis")

PASSED, TESTS_FAILED = 0, 1
"""pytest's exit codes: all passed; tests were collected and run, and some failed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one fault. `trouble` is the reason why it does not count as noticed."""

    fault: Fault
    took_s: float
    trouble: str | None


class Copy:
    """A copy of the project, and the process that runs its tests (worker.py)."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for folder in COPIED:
            shutil.copytree(ROOT / folder, directory / folder, ignore=shutil.ignore_patterns("node_modules"))
        for file in COPIED_FILES:
            shutil.copy2(ROOT / file, directory / file)
        for folder in LINKED:
            (directory / folder).symlink_to(ROOT / folder)
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.worker"],
            cwd=directory,
            env=os.environ | {"PYTHONPATH": str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def pytest(self, arguments: Sequence[str], *, timeout_s: float) -> tuple[int, str]:
        """Run tests as the copy's files are now; Returns pytest's exit code, and the end of its output."""
        assert self._worker.stdin is not None
        assert self._worker.stdout is not None
        request = {"arguments": [*OPTIONS, *arguments], "timeout_s": timeout_s}
        print(json.dumps(request), file=self._worker.stdin, flush=True)
        answer = self._worker.stdout.readline()
        if not answer:
            raise RuntimeError("the process that runs the tests has died")
        answered = json.loads(answer)
        return answered["code"], answered["output"]

    def close(self) -> None:
        """Stop the process and its servers."""
        assert self._worker.stdin is not None
        self._worker.stdin.close()
        self._worker.wait()


def main(wanted: Sequence[str]) -> int:
    """Run the table. Returns the exit code."""
    faults = [fault for fault in FAULTS if not wanted or any(part in fault.name for part in wanted)]
    with tempfile.TemporaryDirectory(prefix="swap-pay-mutation-") as directory, ExitStack() as stack:
        copies: Queue[Copy] = Queue()
        for number in range(AT_ONCE):
            copy = Copy(Path(directory) / str(number))
            stack.callback(copy.close)
            copies.put(copy)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            named = sorted({node for fault in faults for node in fault.nodes})
            shares = [share for start in range(AT_ONCE) if (share := named[start::AT_ONCE])]
            for code, output in pool.map(lambda share: _unchanged(share, copies), shares):
                if code != PASSED:
                    print(f"{output}\nThe tests must pass before faults are put in.", file=sys.stderr)
                    return 1
            outcomes = list(pool.map(lambda fault: _try(fault, copies), faults))
    return _report(outcomes)


def _unchanged(nodes: Sequence[str], copies: "Queue[Copy]") -> tuple[int, str]:
    with _one_of(copies) as copy:
        return copy.pytest(nodes, timeout_s=TIMEOUT_S * 5)


def _try(fault: Fault, copies: "Queue[Copy]") -> Outcome:
    began_s = time.monotonic()
    with _one_of(copies) as copy:
        file = copy.directory / fault.file
        source = file.read_text()
        file.write_text(fault.applied(source))
        try:
            for node in fault.nodes:
                code, output = copy.pytest(["-x", node], timeout_s=TIMEOUT_S)
                if code != TESTS_FAILED:
                    break
        finally:
            file.write_text(source)
    trouble = {TESTS_FAILED: None, PASSED: f"{node} passes"}.get(code, f"pytest ended with {code}:\n{output}")
    outcome = Outcome(fault, time.monotonic() - began_s, trouble)
    word = "noticed" if trouble is None else "SURVIVED" if code == PASSED else "FAILED"
    print(f"{word:8} {outcome.took_s:5.1f} s  {fault.name}", flush=True)
    return outcome


@contextmanager
def _one_of(copies: "Queue[Copy]") -> Iterator[Copy]:
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
