"""The `webhooks` queue: each process numbers events and delivers them, in a slot of arq, and checks endpoints."""

import asyncio
from functools import partial

from app.core import cancelling
from app.jobs import service as jobs
from app.webhooks import checking
from app.wiring import Services
from workers.jobs import Queue

CHECKS_POLL_S = 1.0
"""The longest wait of somebody who has started a check of an endpoint."""


async def check_endpoints(services: Services, stop: asyncio.Event) -> None:
    """Carry out checks that members start in the cabinet, until `stop` is set. One that is under way then is left to
    another process, which goes on with it when the lease has run out."""
    kinds = {checking.JOB_KIND: checking.work(services.outbound, services.settings.data_keys)}
    stopping = asyncio.create_task(stop.wait())
    try:
        while not stop.is_set():
            turn = asyncio.create_task(jobs.run_next(kinds))
            try:
                await asyncio.wait({turn, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if turn.done() and not turn.result():
                    await asyncio.wait({stopping}, timeout=CHECKS_POLL_S)
            finally:
                await cancelling.end(turn)
    finally:
        await cancelling.end(stopping)


QUEUE = Queue(
    name="webhooks",
    loops=lambda services: [partial(check_endpoints, services)],
    slot_loop=lambda services: services.deliver_webhooks,
)
