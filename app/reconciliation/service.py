"""A reconciliation run: compare a snapshot of the ledgers with the chain at fixed blocks; record it, alert on drift."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from app.alerts.service import raise_alert
from app.core import clock, database
from app.core.advisory_lock import Lock, LockKey, LockTaken, held
from app.core.logging import get_logger
from app.core.settings import CheckpointKeys
from app.live import notices, topics
from app.networks.port import NetworkError
from app.networks.registry import Networks
from app.reconciliation import invariants, repository
from app.reconciliation.checks import holdings, withdrawals
from app.reconciliation.findings import Figure, Finding, Result
from app.reconciliation.snapshot import NamedBlock, final_heights, named_blocks, snapshot

log = get_logger(__name__)

ATTEMPTS = 3
RETRY_S = 3.0
"""After this pause a run tries again with a new snapshot: a node lagged, or a reorganisation replaced a block."""

OVERLAP = timedelta(minutes=10)
"""A run that is not full starts this long before the start of the last clean one: clocks and commit times differ."""

FULL_EVERY = timedelta(hours=24)

MOST_ALERTS = 20
"""Findings that get an alert of their own; one more counts the rest."""

RUN_LOCK = LockKey(7_226_007)
"""One run at a time."""

Cause = Literal["schedule", "operator"]


class RunInProgress(Exception):
    """Another process runs reconciliation; its record is the newest."""


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """Runs reconciliation. Without `checkpoint_keys` the signed checkpoints are not checked."""

    networks: Networks
    checkpoint_keys: CheckpointKeys | None

    async def run(self, now: datetime, *, full: bool, cause: Cause = "operator") -> int:
        """Run all checks. Returns the id of the run's record. Not in a transaction. Raises RunInProgress.

        `full` re-computes everything; otherwise tables that only grow are read from the last signed checkpoint or
        the last run without findings on. Each drift raises a critical alert; a part that could not be checked, a
        warning.
        """
        async with _run_lock() as lock:
            run_id = await repository.add_running(cause=cause, full=full, now=now)
            await self._run(run_id, now, full=full, lock=lock)
            return run_id

    async def run_scheduled(self, now: datetime) -> int:
        """Run on schedule: in full once per FULL_EVERY."""
        last_full = await repository.last_whole_run(full=True)
        return await self.run(now, full=last_full is None or now - last_full.started_at > FULL_EVERY, cause="schedule")

    async def run_requested(self, now: datetime) -> int | None:
        """Run the request of an operator. Returns its id; None if there is no request. Raises RunInProgress."""
        if await repository.requested() is None:
            return None
        async with _run_lock() as lock:
            requested = await repository.requested()
            if requested is None:
                return None  # another process ran it in the meantime
            await repository.begin(requested.id, now)
            await self._run(requested.id, now, full=requested.full, lock=lock)
            return requested.id

    async def _run(self, run_id: int, now: datetime, *, full: bool, lock: Lock) -> None:
        started_s = clock.monotonic_s()

        async def at(progress: str) -> None:
            await repository.set_progress(lock, run_id, progress)
            await notices.changed(*topics.of_desk("reconciliation"))

        try:
            blocks, results = await self._check(now, full=full, at=at)
        except BaseException:
            await repository.fail(run_id, clock.now())
            await notices.changed(*topics.of_desk("reconciliation"))
            raise
        await _record(run_id, blocks, results, now)
        log.info("reconciled", run=run_id, full=full, seconds=round(clock.monotonic_s() - started_s, 3))

    async def _check(
        self, now: datetime, *, full: bool, at: Callable[[str], Awaitable[None]]
    ) -> tuple[dict[str, NamedBlock], list[Result]]:
        """Run all checks; with a new snapshot, up to ATTEMPTS times, if a node could not answer for the last one."""
        last = None if full else await repository.last_whole_run()
        since = None if last is None else last.started_at - OVERLAP
        since_heights = None if last is None else {key: block["height"] for key, block in last.blocks.items()}
        results: list[Result] = []
        for attempt in range(1, ATTEMPTS + 1):
            books, payments = {}, {}
            await at("reading the books")
            final = await final_heights(self.networks)
            async with snapshot():
                blocks = await named_blocks(self.networks, final)
                results = await invariants.all_of_them(
                    self.checkpoint_keys, now, full=full, since=since, since_heights=since_heights
                )
                for key, block in blocks.items():
                    network = self.networks.get(key)
                    books[key] = await holdings.read_books(network, block, now, full=full)
                    payments[key] = await withdrawals.confirmed_payments(key, since)
            unreachable = False
            for key in blocks:
                await at(f"comparing with {key}")
                chain = self.networks.chain(key)
                try:
                    found = await withdrawals.compare_with_chain(chain, payments[key]) if payments[key] else []
                    results.append(Result(f"{withdrawals.CHECK}:{key}", {"asked": len(payments[key])}, found))
                    held = await holdings.compare_with_chain(chain, books[key])
                    results.append(Result(f"{holdings.CHECK}:{key}", held.figures, held.findings))
                except NetworkError as error:
                    unreachable = True
                    results.append(_unchecked(key, f"the chain could not be read: {error}"))
            unreachable |= any(network.require_finality and network.key not in final for network in self.networks)
            if not unreachable or attempt == ATTEMPTS:
                break
            await asyncio.sleep(RETRY_S)
        results += [
            _unchecked(network.key, "the network has not been watched yet, or no final block could be read")
            for network in self.networks
            if network.key not in blocks
        ]
        return blocks, results


@asynccontextmanager
async def _run_lock() -> AsyncIterator[Lock]:
    """Hold the lock of runs. Raises RunInProgress; LockLost if the lock is lost during the run.

    While it is held no other run is active: another record with status `running` was left by a crash.
    """
    try:
        async with held(RUN_LOCK) as lock:
            await repository.fail_abandoned(lock, clock.now())
            yield lock
    except LockTaken:
        raise RunInProgress("a reconciliation is under way") from None


def _unchecked(network: str, why: str) -> Result:
    return Result(f"{holdings.CHECK}:{network}", {}, [Finding(holdings.CHECK, network, why, is_drift=False)])


async def _record(run_id: int, blocks: Mapping[str, NamedBlock], results: Sequence[Result], now: datetime) -> None:
    """Record the run's result and raise its alerts in one transaction, so that no drift is without its alert."""
    findings = [finding for result in results for finding in result.findings]
    drift = [finding for finding in findings if finding.is_drift]
    status = "drift" if drift else "incomplete" if findings else "clean"
    figures: dict[str, Mapping[str, Figure]] = {result.check: result.figures for result in results}
    async with database.transaction():
        await repository.add_findings(run_id, findings)
        await repository.finish(run_id, status, blocks, figures, clock.now())
        await notices.changed(*topics.of_desk("reconciliation"))
        for finding in [*drift[:MOST_ALERTS], *(finding for finding in findings if not finding.is_drift)]:
            await _alert(run_id, finding, now)
        if len(drift) > MOST_ALERTS:
            await raise_alert(
                severity="critical",
                kind="drift",
                dedupe_key="drift:more",
                message=f"reconciliation run {run_id} found {len(drift)} faults; the run's record has them all",
                details={"run": run_id, "findings": len(drift)},
                now=now,
            )


async def _alert(run_id: int, finding: Finding, now: datetime) -> None:
    kind = "drift" if finding.is_drift else "reconciliation_incomplete"
    await raise_alert(
        severity="critical" if finding.is_drift else "warning",
        kind=kind,
        dedupe_key=f"{kind}:{finding.check}:{finding.subject}"[:200],
        message=f"{finding.check}: {finding.subject}: {finding.message}",
        details={"run": run_id, "check": finding.check, "subject": finding.subject, **finding.figures},
        now=now,
    )
