"""No process holds more memory after a busy day than after its first hours, and nothing of the day is lost.

The day is one of a shop with 4,100 sales, of which 1,400 are paid (day.py has what each round does), on real web
processes, all the workers, a real EVM node and a real receiver of webhooks. Only with `SOAK`: some minutes.
`SOAK_ROUNDS=40` makes the day longer.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.web.qr import CODES_KEPT
from tests.operations.day import WEB_PROCESSES, WORKERS, Day, Round, day

if not os.environ.get("SOAK"):
    pytest.skip("only with SOAK: some minutes", allow_module_level=True)

FIRST = Round(invoices=256, paid=1, cancelled=1, followed=1, lists=1, strangers=1)
FIRST_ROUNDS = WEB_PROCESSES * CODES_KEPT // FIRST.invoices
"""They import what is imported when it is first needed, and let the web processes draw about as many QR codes as they
remember, which are the most of what they remember on purpose."""

ROUNDS, WARM = int(os.environ.get("SOAK_ROUNDS", "7")), 2
"""Rounds in all, and those in which the rest of that comes to be."""

MB = 2**20
MOST_OF_WEB_MB, MOST_OF_WORKER_MB = 110.0, 90.0
"""At rest, before the first request, with the share of what several processes have (PSS)."""

MOST_GROWN_MB = 0.8
"""A round, of a process's own memory: 5 kB for each sale that a web process serves."""


@dataclass(frozen=True)
class Memory:
    """In MB of 2^20 bytes: `own` is what no other process has (USS). What several have is divided among them in `share`
    (PSS), and counted for each in `whole` (RSS)."""

    own: float
    share: float
    whole: float

    def __str__(self) -> str:
        return f"{self.own:.1f}/{self.share:.1f}/{self.whole:.1f}"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Day]:
    """The gateway at the beginning of its day."""
    with day(tmp_path) as busy:
        yield busy


@pytest.mark.timeout(1_200 + 300 * ROUNDS)
async def test_memory_is_flat_over_a_days_load(busy: Day) -> None:
    at_rest = memory_of(busy)
    _print("at rest", at_rest)
    for _ in range(FIRST_ROUNDS):
        await busy.pass_round(FIRST)
    history = []
    for number in range(1, ROUNDS + 1):
        began_s = time.monotonic()
        await busy.pass_round(Round())
        history.append(memory_of(busy))
        _print(f"round {number}, {time.monotonic() - began_s:.0f} s", history[-1])
    await busy.check_books()

    too_much = {
        name: memory.share
        for name, memory in at_rest.items()
        if memory.share > (MOST_OF_WORKER_MB if name in WORKERS else MOST_OF_WEB_MB)
    }
    assert too_much == {}
    warm, last = history[WARM - 1], history[-1]
    grown = {name: (last[name].own - warm[name].own) / (ROUNDS - WARM) for name in warm}
    print("grown a round:", *(f"{name} {mb:+.2f} MB" for name, mb in grown.items()))
    assert {name: mb for name, mb in grown.items() if mb > MOST_GROWN_MB} == {}


def memory_of(busy: Day) -> dict[str, Memory]:
    """Of each process."""
    found = {name: process.memory_full_info() for name, process in busy.processes().items()}
    return {name: Memory(each.uss / MB, each.pss / MB, each.rss / MB) for name, each in found.items()}


def _print(when: str, memory: dict[str, Memory]) -> None:
    figures = (f"{name} {each}" for name, each in memory.items())
    print(f"{when} (MB of its own / with its share / whole):", *figures, flush=True)
