"""The watchdog: raises an alert when a regular job has not run for too long.

It runs in the `default` worker. That this worker itself runs must be monitored from outside: `/metrics` has the
time since the last reconciliation for that (docs/operations.md).
"""

from datetime import datetime, timedelta

import msgspec

from app.alerts.service import raise_alert
from app.core import clock
from app.core.logging import get_logger
from app.ledger import checkpoints_repository
from app.networks.registry import Networks
from app.reconciliation import repository

log = get_logger(__name__)

RECONCILED_WITHIN = timedelta(hours=7)
"""Six hours between runs, and one hour for the run itself."""

WATCHED_WITHIN = timedelta(minutes=5)
"""A watcher polls its node every few seconds."""

CHECKPOINT_WITHIN = timedelta(minutes=130)
"""Checkpoints are hourly: two were missed."""


class Watchdog(msgspec.Struct, frozen=True, kw_only=True):
    """Checks that reconciliation, watchers and checkpoints run. `checkpoints`: whether a checkpoint key is set."""

    networks: Networks
    checkpoints: bool
    started_at: datetime

    async def check(self, now: datetime) -> None:
        """Raise a critical alert for each job that has stopped.

        Time counts from the start of this process at the earliest: after a stop of the whole gateway, the other
        jobs get the same time to run again.
        """
        reconciled_at = await repository.last_finished_at()
        if now - self._silent_since(reconciled_at) > RECONCILED_WITHIN:
            await self._stopped("reconciliation", "reconciliation has not run", reconciled_at, now)
        await self._check_watchers(now)
        if self.checkpoints:
            signed_at = await checkpoints_repository.last_signed_at()
            if now - self._silent_since(signed_at) > CHECKPOINT_WITHIN:
                await self._stopped("checkpoints", "no checkpoint of the ledgers was signed", signed_at, now)

    async def _check_watchers(self, now: datetime) -> None:
        cursors = {cursor.network: cursor for cursor in await repository.watched_networks()}
        for network in self.networks:
            cursor = cursors.get(network.key)
            checked_at = None if cursor is None else cursor.checked_at
            if cursor is not None and cursor.halted_reason is not None:
                await raise_alert(
                    severity="critical",
                    kind="watcher_halted",
                    dedupe_key=f"watcher_halted:{network.key}",
                    message=f"the watcher of {network.key} has halted: {cursor.halted_reason}",
                    details={"network": network.key},
                    now=now,
                )
            elif now - self._silent_since(checked_at) > WATCHED_WITHIN:
                await self._stopped(f"watcher:{network.key}", f"{network.key} is not watched", checked_at, now)

    def _silent_since(self, last_at: datetime | None) -> datetime:
        return self.started_at if last_at is None else max(last_at, self.started_at)

    async def _stopped(self, what: str, message: str, last_at: datetime | None, now: datetime) -> None:
        since = "since this gateway was set up" if last_at is None else f"since {clock.rfc3339(last_at)}"
        await raise_alert(
            severity="critical",
            kind="stopped",
            dedupe_key=f"stopped:{what}",
            message=f"{message} {since}",
            details={"what": what, "last_at": None if last_at is None else clock.rfc3339(last_at)},
            now=now,
        )
