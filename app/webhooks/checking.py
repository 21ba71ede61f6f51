"""A check of an endpoint as a background job: what starts it, and what a worker does (`integration_checks.py`).

Workers of the queue `webhooks` do it: they alone may reach merchants' servers on every port (docs/deploy.md).
"""

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import msgspec

from app.audit import service as audit
from app.core import clock
from app.core.crypto import Undecryptable
from app.core.errors import ApiError, invalid
from app.core.settings import DataKeys
from app.jobs import repository as jobs
from app.jobs.repository import Job
from app.jobs.service import JobStopped, Step, Work
from app.webhooks import endpoints_repository, integration_checks, secrets, service
from app.webhooks.integration_checks import Endpoint, Result
from app.webhooks.sender import Sender
from app.webhooks.service import Actor

JOB_KIND = "endpoint_check"

MOST, WINDOW = 10, timedelta(hours=1)
"""Checks that a merchant may start within a time: each sends some fifteen requests to a server of somebody's."""


async def audit_start(merchant_id: str, endpoint_id: str, actor: Actor) -> None:
    """Record who has an endpoint checked, in the transaction that starts the job.

    Raises INVALID_INPUT, so that the job is not started, where there were MOST within WINDOW.
    """
    now = clock.now()
    if await jobs.count_started(merchant_id, JOB_KIND, now - WINDOW) > MOST:
        raise invalid("job", f"{MOST} checks were started within an hour: wait until the first is an hour old")
    await audit.record(
        actor=actor.name,
        action="webhook.checked",
        subject=endpoint_id,
        merchant_id=merchant_id,
        address=actor.address,
        details={},
        now=now,
    )


def work(sender: Sender, keys: DataKeys) -> Work:
    """What a worker does with a job of this kind: a check with each step.

    One that is repeated after the death of a worker sends events with the same ids.
    """

    async def check(job: Job) -> AsyncIterator[Step]:
        results = list(results_of(job))
        try:
            endpoint = await _endpoint_of(job, keys)
        except ApiError:
            raise JobStopped("The endpoint was deleted meanwhile.") from None
        except Undecryptable:
            raise JobStopped("The signing secret can’t be read. Rotate it, then check again.") from None
        total = len(integration_checks.checks_of(job.mode))
        async for result in integration_checks.run(sender, endpoint, results):
            results.append(result)
            yield Step(done=len(results), total=total, place=msgspec.to_builtins(results))
        yield Step(done=total, total=total, outcome={"results": msgspec.to_builtins(results)})

    return check


async def _endpoint_of(job: Job, keys: DataKeys) -> Endpoint:
    """The endpoint of a job, with the secrets that sign now. Raises ApiError WEBHOOK_NOT_FOUND, Undecryptable."""
    endpoint_id = msgspec.json.decode(job.request)["endpoint"]
    found = await endpoints_repository.signing_endpoint(job.merchant, job.mode, endpoint_id)
    if found is None:
        raise service.not_found()
    return Endpoint(
        url=found.url,
        secrets=secrets.signing_secrets(
            keys,
            endpoint_id,
            sealed=found.secret_sealed,
            previous_sealed=found.previous_secret_sealed,
            previous_until=found.previous_secret_until,
            now=clock.now(),
        ),
        merchant_id=job.merchant,
        mode=job.mode,
        name=endpoint_id,
        run=uuid.uuid5(uuid.NAMESPACE_URL, job.id),
        started_at=job.created_at,
    )


def results_of(job: Job) -> Sequence[Result]:
    """What a job has found so far, in the order of the checks."""
    if job.outcome is not None and job.state == "done":
        return msgspec.convert(msgspec.json.decode(job.outcome)["results"], list[Result])
    return [] if job.place is None else msgspec.json.decode(job.place, type=list[Result])
