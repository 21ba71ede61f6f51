"""Jobs by the clock: thin, and safe to run twice. arq keeps two workers from running one at once."""

from typing import Any

from app.accounts import form_uses, links_repository, sessions_repository, throttle_repository
from app.core import clock
from app.ledger import checkpoints
from app.reconciliation.service import RunInProgress
from app.web import idempotency
from app.webhooks import retention
from app.wiring import Services
from app.withdrawals.approvals import expire_stale

RECONCILE_TIMEOUT_S = 3_600
"""Of a run: tens of millions of entries in full. arq's own five minutes would end it halfway."""


async def forget_replays(context: dict[str, Any]) -> int:
    """Delete idempotency records that can't be replayed any more."""
    return await idempotency.purge(clock.now())


async def forget_events(context: dict[str, Any]) -> int:
    """Delete events, and implicit endpoints, that are older than the retention."""
    services: Services = context["gateway"]
    now, days = clock.now(), services.settings.event_retention_days
    purged = await retention.purge_events(now, days)
    return purged + await retention.purge_implicit_endpoints(now, days)


async def forget_sessions(context: dict[str, Any]) -> int:
    """Delete sessions, mailed links, counts of tries and uses of forms that have run out."""
    now = clock.now()
    purged = (
        await sessions_repository.purge(now) + await links_repository.purge(now) + await throttle_repository.purge(now)
    )
    return purged + await form_uses.purge(now)


async def expire_withdrawals(context: dict[str, Any]) -> int:
    """Reject payouts and refunds that no operator has decided on in time."""
    services: Services = context["gateway"]
    return await expire_stale(services.withdrawals, services.settings.withdrawal_approval_days, clock.now())


async def sign_checkpoint(context: dict[str, Any]) -> int | None:
    """Sign where all ledgers stand, if there is a key; the checkpoint's number."""
    services: Services = context["gateway"]
    keys = services.settings.checkpoint_keys
    return None if keys is None else (await checkpoints.create(keys, clock.now())).number


async def reconcile(context: dict[str, Any]) -> int | None:
    """Check the books against themselves and the chains; the run's id, None if somebody is at it already."""
    services: Services = context["gateway"]
    try:
        return await services.reconciliation.run_scheduled(clock.now())
    except RunInProgress:
        return None
