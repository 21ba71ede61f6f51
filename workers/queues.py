"""Which kinds of worker there are. Each may run many times, on as many hosts as you like."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from arq.cron import cron

from app.core.mail import build_mailer
from app.gateway import Gateway
from app.mail import service as mail
from app.withdrawals.crash_points import CrashPoints
from app.withdrawals.signer_settings import load_keys
from workers import jobs
from workers.process import Loop, Queue

MAIL_POLL_S = 2.0
"""How often letters that wait are looked for: nobody notices two seconds in a mail."""


def _chain(gateway: Gateway) -> Sequence[Loop]:
    return [watcher.run for watcher in gateway.watchers()]


def _signer(gateway: Gateway) -> Sequence[Loop]:
    """The one process with spending keys. Raises SignerSettingsError."""
    is_production = gateway.settings.is_production
    keys = load_keys(is_production=is_production)
    return [signer.run for signer in gateway.signers(keys, CrashPoints(is_production=is_production))]


def _webhooks(gateway: Gateway) -> Sequence[Loop]:
    return [gateway.deliver_webhooks]


def _default(gateway: Gateway) -> Sequence[Loop]:
    mailer = build_mailer(gateway.settings)

    async def send_mail(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await mail.send_waiting(mailer)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), MAIL_POLL_S)

    return [send_mail, gateway.alert_routes.run, gateway.watchdog().run, gateway.reconciliation.serve_requests]


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
