"""The `default` queue: mail, alerts, pausing of webhooks, and scheduled jobs."""

from app.accounts import (
    form_uses,
    kept_forms_repository,
    known_browsers,
    links_repository,
    passkeys_repository,
    sessions_repository,
    throttle_repository,
)
from app.core import clock
from app.core.mailers import build_mailer
from app.jobs import service as jobs
from app.ledger import checkpoints
from app.mail import service as mail
from app.merchants import invitation_reminders, notices
from app.rates import refresh
from app.rates import repository as rates
from app.reconciliation.service import RunInProgress
from app.reconciliation.watchdog import Watchdog
from app.reports import invoice_figures
from app.web import idempotency
from app.webhooks import attempts_by_month, pausing, retention
from app.wiring import Services
from app.withdrawals.approvals import expire_stale
from workers.jobs import EVERY_SECOND, Context, Job, Queue

SHORT_S = 60
PURGE_S = 600
MAIL_S = 3_100
"""Fifty mails, each to a server that needs a minute to fail (core.mailers)."""
ALERTS_S = 700
"""Fifty requests of thirteen seconds each (core.outbound)."""
JOBS_SLICE_S = 60
"""So long one run takes turns on; the next begins within a second."""
JOBS_S = 300
"""The last turn, and the step that it is in, must end too."""
RATES_S = 30
"""A source may take five seconds, all together no longer; then what they say is stored."""
RECONCILE_S = 3_600
"""Enough for a full run over tens of millions of entries."""

TRIES = 5
"""Of a job that runs every hour or less often. All tries take a quarter of an hour (`jobs.RETRY_S`)."""


async def send_mail(context: Context) -> int:
    """Send waiting mail; return how many."""
    services: Services = context["services"]
    return await mail.send_waiting(build_mailer(services.settings))


async def make_notices(context: Context) -> int:
    """Make what merchants are to be told into emails; return how many notices."""
    services: Services = context["services"]
    return await notices.make_emails(services.settings.public_url, clock.now())


async def remind_invited(context: Context) -> int:
    """Remind people of invitations that end soon; return how many."""
    services: Services = context["services"]
    return await invitation_reminders.send(services.settings.public_url, clock.now())


async def send_alerts(context: Context) -> None:
    """Send new alerts to the recipients in the settings."""
    services: Services = context["services"]
    await services.alert_routes.send(clock.now())


async def pause_failing_webhooks(context: Context) -> int:
    """Pause endpoints that failed too often in a row and write to their merchants; return how many."""
    return await pausing.pause_failing(clock.now())


async def run_requested_reconciliation(context: Context) -> int | None:
    """Run the reconciliation that an operator requested; return its id, or None if none started."""
    services: Services = context["services"]
    try:
        return await services.reconciliation.run_requested(clock.now())
    except RunInProgress:
        return None


async def reconcile(context: Context) -> int | None:
    """Check the books against themselves and the chains; return the run's id, or None while another run is active."""
    services: Services = context["services"]
    try:
        return await services.reconciliation.run_scheduled(clock.now())
    except RunInProgress:
        return None


async def alert_about_stopped_work(context: Context) -> None:
    """Raise alerts about work that has not run for too long."""
    watchdog: Watchdog = context["watchdog"]
    await watchdog.check(clock.now())


async def expire_withdrawals(context: Context) -> int:
    """Reject payouts and refunds that no operator has decided on in time."""
    services: Services = context["services"]
    return await expire_stale(services.withdrawals, services.settings.withdrawal_approval_days, clock.now())


async def sign_checkpoint(context: Context) -> int | None:
    """Sign the state of all ledgers; return the checkpoint's number, or None without a key."""
    services: Services = context["services"]
    keys = services.settings.checkpoint_keys
    return None if keys is None else (await checkpoints.create(keys, clock.now())).number


async def purge_idempotency_records(context: Context) -> int:
    """Delete idempotency records that can't be replayed any more."""
    return await idempotency.purge(clock.now())


async def purge_sessions(context: Context) -> int:
    """Delete what has expired: sessions, known browsers, mailed links, answered challenges, counts of attempts, uses of
    forms, kept forms."""
    now = clock.now()
    purged = (
        await sessions_repository.purge(now) + await links_repository.purge(now) + await throttle_repository.purge(now)
    )
    purged += await known_browsers.purge(now) + await passkeys_repository.purge_answered(now)
    return purged + await form_uses.purge(now) + await kept_forms_repository.purge(now)


async def run_background_jobs(context: Context) -> int:
    """Carry out what people asked for on pages, in turns; return how many turns."""
    if not await jobs.some_wait():
        return 0
    from app.cabinet.works import works  # noqa: PLC0415 - 10 MB of pages and their formats, for rare work

    services: Services = context["services"]
    kinds, turns, began_s = works(services), 0, clock.monotonic_s()
    while clock.monotonic_s() - began_s < JOBS_SLICE_S and await jobs.run_next(kinds):
        turns += 1
    return turns


async def keep_invoice_figures(context: Context) -> int:
    """Add up what reports read; return how many rows were written."""
    return await invoice_figures.keep(clock.now())


async def purge_background_jobs(context: Context) -> int:
    """Delete ended jobs, and their files, a day after their end."""
    return await jobs.purge(clock.now())


async def purge_events(context: Context) -> int:
    """Delete events, and implicit endpoints, that are older than the retention."""
    services: Services = context["services"]
    now, days = clock.now(), services.settings.event_retention_days
    purged = await retention.purge_events(now, days)
    return purged + await retention.purge_implicit_endpoints(now, days)


async def keep_attempts_by_month(context: Context) -> int:
    """Make the next months' partitions of attempts, and drop those that are older than the retention; return how many
    were made or dropped."""
    services: Services = context["services"]
    now = clock.now()
    made = await attempts_by_month.keep(now)
    return made + await attempts_by_month.drop_old(now, services.settings.attempt_retention_days)


async def refresh_rates(context: Context) -> int:
    """Ask the sources what the assets are worth; return how many pairs have a rate."""
    services: Services = context["services"]
    return await services.rates.run(clock.now())


async def purge_rates(context: Context) -> int:
    """Delete refreshes that are older than a day. Rates that were used stay."""
    return await rates.purge(clock.now() - refresh.KEPT_FOR)


QUEUE = Queue(
    name="default",
    context=lambda services: {"watchdog": services.watchdog()},
    jobs=(
        Job(work=send_mail, when={"second": set(range(0, 60, 2))}, timeout_s=MAIL_S, at_start=True),
        Job(work=make_notices, when=EVERY_SECOND, timeout_s=SHORT_S),
        Job(work=send_alerts, when=EVERY_SECOND, timeout_s=ALERTS_S),
        Job(work=pause_failing_webhooks, when=EVERY_SECOND, timeout_s=SHORT_S),
        Job(work=run_background_jobs, when=EVERY_SECOND, timeout_s=JOBS_S),
        Job(work=run_requested_reconciliation, when=EVERY_SECOND, timeout_s=RECONCILE_S),
        Job(work=alert_about_stopped_work, when={"second": {0, 30}}, timeout_s=SHORT_S, at_start=True),
        Job(
            work=refresh_rates,
            when={"second": set(range(0, 60, refresh.REFRESH_S))},
            timeout_s=RATES_S,
            at_start=True,
        ),
        Job(work=keep_invoice_figures, when={"second": 20}, timeout_s=PURGE_S),
        Job(work=purge_background_jobs, when={"minute": set(range(0, 60, 5))}, timeout_s=PURGE_S),
        Job(work=purge_rates, when={"minute": 53}, timeout_s=PURGE_S, max_tries=TRIES),
        Job(
            work=reconcile,
            when={"hour": {0, 6, 12, 18}, "minute": 30},
            timeout_s=RECONCILE_S,
            max_tries=TRIES,
        ),
        Job(
            work=sign_checkpoint,
            when={"minute": 0, "second": 20},
            timeout_s=PURGE_S,
            max_tries=TRIES,
            at_start=True,
        ),
        Job(work=purge_idempotency_records, when={"minute": 7}, timeout_s=PURGE_S, max_tries=TRIES, at_start=True),
        Job(work=expire_withdrawals, when={"minute": 23}, timeout_s=PURGE_S, max_tries=TRIES),
        Job(work=remind_invited, when={"minute": 33}, timeout_s=PURGE_S, max_tries=TRIES),
        Job(work=purge_sessions, when={"minute": 41}, timeout_s=PURGE_S, max_tries=TRIES),
        Job(work=purge_events, when={"minute": 17}, timeout_s=PURGE_S, max_tries=TRIES),
        Job(work=keep_attempts_by_month, when={"minute": 47}, timeout_s=PURGE_S, max_tries=TRIES, at_start=True),
    ),
)
