"""How fast ledgers are verified, beside the raw SHA-256 limit of this machine, and with how much memory.

    python -m bench.ledger [--entries 1000000] [--ledgers 1]

Starts a Postgres of its own, makes chains with right hashes (COPY, with the guards off while it fills), signs a
checkpoint, and times in one run:

- SHA-256 over the same bytes, in a loop that does nothing else: what no verification can beat in one process;
- encoding and hashing alone, entries in memory;
- reading alone, entries as they come from Postgres;
- a verification in full, and one that starts from the checkpoint.
"""

import argparse
import asyncio
import hashlib
import io
import os
import resource
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil

from app.core import clock, database
from app.core.migrations import migrate
from app.core.settings import CheckpointKeys
from app.ledger import checkpoints, repository
from app.ledger.hashchain import ChainId, Entry, Reference, State, entry_hash, hashed_bytes, next_entry, state_after
from app.reconciliation.checks import hash_chains
from app.reconciliation.snapshot import snapshot
from app.sandbox import postgres
from bench.report import Limit, Report

BEGUN_AT = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLE = 50_000
COPY_LINES = 20_000
AFTER_CHECKPOINT = 10_000


def main() -> None:
    """Parse the options, start Postgres, measure."""
    parser = argparse.ArgumentParser(description="Verification speed of ledgers.")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--ledgers", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as folder:
        home = Path(folder) / "postgres"
        server = postgres.start(home, settings=postgres.FAST)
        try:
            server.create_database("bench")
            asyncio.run(migrate(server.dsn("bench")))
            with Report("ledger") as report:
                asyncio.run(measure(report, server.dsn("bench"), arguments.entries, arguments.ledgers))
        finally:
            server.stop()
            postgres.remove(home)


async def measure(report: Report, dsn: str, count: int, ledgers: int) -> None:
    """Fill the ledgers, then time each step."""
    print(f"{count:,} entries in {ledgers} ledger(s)")
    per_ledger = count // ledgers
    later = min(AFTER_CHECKPOINT, per_ledger // 10)
    await database.open_pool(dsn, max_size=4)
    started = time.perf_counter()
    await database.execute("INSERT INTO assets (network, symbol, decimals) VALUES ('ethereum:test', 'USDT', 6)")
    states = {chain_of(n): State() for n in range(ledgers)}
    for chain in states:
        states[chain] = await fill(dsn, chain, State(), per_ledger - later)
    await checkpoints.create(CheckpointKeys({"b1": os.urandom(32)}), clock.now())
    for chain, state in states.items():
        await fill(dsn, chain, state, later)
    await database.execute("ANALYZE ledger_entries")
    print(f"filled in {time.perf_counter() - started:.1f} s\n")

    sample = await sample_of(chain_of(0), min(SAMPLE, per_ledger))
    hashed = [hashed_bytes(chain_of(0), entry) for entry in sample]
    limit = rate(len(sample), lambda: [hashlib.sha256(data).hexdigest() for data in hashed])
    encoding = rate(len(sample), lambda: [entry_hash(chain_of(0), entry) for entry in sample])
    reading = await reading_rate(count)
    with Memory() as small:
        await timed_check(full=False)
    incremental_s = small.seconds
    with Memory() as whole:
        read = await timed_check(full=True)

    print(f"{sum(map(len, hashed)) / len(hashed):.0f} bytes are hashed for an entry")
    sha256 = Limit("SHA-256 of the same bytes, nothing else", limit)
    report.add("encoding and hashing, in memory", encoding, "/s", limit=sha256)
    report.add("reading from Postgres alone", reading, "/s", limit=sha256)
    report.add("verified, whole", read / whole.seconds, "/s", limit=sha256)
    report.add(f"from a checkpoint, {later * ledgers:,} entries", incremental_s, "s", better="lower")
    report.add("memory gained while verifying", whole.peak_mb - whole.begun_mb, "MB", better="lower")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    report.add("memory of the process at its most", peak_mb, "MB", better="lower")
    await database.close_pool()


def chain_of(number: int) -> ChainId:
    """The bench's chains."""
    return ChainId(owner=f"MCH-{number:010d}", network="ethereum:test", asset="USDT")


async def fill(dsn: str, chain: ChainId, state: State, count: int) -> State:
    """Continue a chain by COPY, with the triggers off. Returns its new state."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET session_replication_role = replica")
        ledger = await connection.fetchval(
            """
            INSERT INTO ledger_heads (owner, network, asset, seq, available_raw, locked_raw, head_hash)
            VALUES ($1, $2, $3, 0, 0, 0, repeat('0', 64))
            ON CONFLICT (owner, network, asset) DO UPDATE SET owner = excluded.owner RETURNING id
            """,
            chain.owner,
            chain.network,
            chain.asset,
        )
        lines: list[str] = []
        async with connection.transaction():
            for entry in continued(chain, state, count):
                lines.append(copy_line(ledger, entry))
                state = state_after(entry)
                if len(lines) == COPY_LINES:
                    await copy(connection, lines)
            await copy(connection, lines)
            await connection.execute(
                f"UPDATE ledger_heads SET seq = {state.seq}, available_raw = {state.available_raw},"
                f" head_hash = '{state.hash}' WHERE id = {ledger}"
            )
    finally:
        await connection.close()
    return state


def continued(chain: ChainId, state: State, count: int) -> Iterator[Entry]:
    """`count` credits that continue a chain."""
    for seq in range(state.seq + 1, state.seq + count + 1):
        entry = next_entry(
            chain,
            state,
            kind="invoice_credit",
            available_delta_raw=4_960_000 + seq % 99,
            locked_delta_raw=0,
            reference=Reference("deposit", f"DEP-{seq:010d}"),
            now=BEGUN_AT + timedelta(microseconds=1_500_001 * seq),
        )
        state = state_after(entry)
        yield entry


COLUMNS = [
    "ledger",
    "seq",
    "kind",
    "available_delta_raw",
    "locked_delta_raw",
    "available_after_raw",
    "locked_after_raw",
    "reference_type",
    "reference_id",
    "created_at",
    "prev_hash",
    "hash",
]


def copy_line(ledger: int, entry: Entry) -> str:
    """The entry in COPY's text format."""
    return "\t".join(
        (
            str(ledger),
            str(entry.seq),
            entry.kind,
            entry.available_delta_raw,
            entry.locked_delta_raw,
            entry.available_after_raw,
            entry.locked_after_raw,
            entry.reference.type,
            entry.reference.id,
            entry.created_at,
            entry.prev_hash,
            entry.hash,
        )
    )


async def copy(connection: asyncpg.Connection, lines: list[str]) -> None:
    """Send the collected lines."""
    if lines:
        source = io.BytesIO(("\n".join(lines) + "\n").encode())
        await connection.copy_to_table("ledger_entries", source=source, columns=COLUMNS)
        lines.clear()


async def sample_of(chain: ChainId, count: int) -> list[Entry]:
    """The first entries of a chain."""
    head = await repository.head(chain)
    assert head is not None
    sample = []
    async for entry in repository.entries(head.ledger):
        sample.append(entry)
        if len(sample) == count:
            break
    return sample


def rate(count: int, work: object) -> float:
    """Entries a second, the best of three."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        work()  # type: ignore[operator]
        best = min(best, time.perf_counter() - started)
    return count / best


async def reading_rate(count: int) -> float:
    """Entries a second as `repository.entries` gives them."""
    started = time.perf_counter()
    for head in await repository.heads():
        async for _ in repository.entries(head.ledger):
            pass
    return count / (time.perf_counter() - started)


async def timed_check(*, full: bool) -> int:
    """Verify the ledger as reconciliation does. Returns the number of entries read."""
    async with snapshot():
        result = await hash_chains.check(None, full=full)
    assert not result.findings, result.findings
    return int(str(result.figures["entries_read"]))


class Memory:
    """Duration and resident memory of a `with` block, sampled ten times a second."""

    def __enter__(self) -> "Memory":
        self._process = psutil.Process()
        self.begun_mb = self.peak_mb = self._process.memory_info().rss / 2**20
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look)
        self._watch.start()
        self._started = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self._ended.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._ended.wait(0.1):
            self.peak_mb = max(self.peak_mb, self._process.memory_info().rss / 2**20)


if __name__ == "__main__":
    main()
