"""Which kinds of worker there are. Each may run many times, on as many hosts as you like."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from arq.cron import cron

from app.core.mail import build_mailer
from app.mail import service as mail
from app.signer.crash_points import CrashPoints
from app.signer.settings import load_keys
from app.wiring import Services
from workers import jobs
from workers.process import Loop, Queue

MAIL_POLL_S = 2.0
"""How often letters that wait are looked for: nobody notices two seconds in a mail."""


def _chain(services: Services) -> Sequence[Loop]:
    return [watcher.run for watcher in services.watchers()]


def _signer(services: Services) -> Sequence[Loop]:
    """The one process with spending keys. Raises SignerSettingsError."""
    is_production = services.settings.is_production
    keys = load_keys(is_production=is_production)
    return [signer.run for signer in services.signers(keys, CrashPoints(is_production=is_production))]


def _webhooks(services: Services) -> Sequence[Loop]:
    return [services.deliver_webhooks]


def _default(services: Services) -> Sequence[Loop]:
    mailer = build_mailer(services.settings)

    async def send_mail(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await mail.send_waiting(mailer)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), MAIL_POLL_S)

    return [send_mail, services.alert_routes.run, services.watchdog().run, services.reconciliation.serve_requests]


QUEUES = {
    queue.name: queue
    for queue in (
        Queue("chain", _chain),
        Queue("signer", _signer),
        Queue("webhooks", _webhooks),
        Queue(
            "default",
            _default,
            cron_jobs=[
                cron(jobs.forget_replays, minute=7, second=0, run_at_startup=True),  # type: ignore[arg-type] # no *args
                cron(jobs.forget_sessions, minute=41, second=0),  # type: ignore[arg-type] # no *args
                cron(jobs.expire_withdrawals, minute=23, second=0),  # type: ignore[arg-type] # no *args
                cron(jobs.sign_checkpoint, minute=0, second=20, run_at_startup=True),  # type: ignore[arg-type] # no *args
                cron(
                    jobs.reconcile,  # type: ignore[arg-type] # no *args
                    hour={0, 6, 12, 18},
                    minute=30,
                    second=0,
                    timeout=jobs.RECONCILE_TIMEOUT_S,
                ),
                cron(jobs.forget_events, hour=3, minute=17, second=0),  # type: ignore[arg-type] # no *args
            ],
        ),
    )
}
