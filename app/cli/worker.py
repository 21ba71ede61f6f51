"""`swap-pay worker`: one process of a queue."""

import click
import uvloop

from app.cli.environment import plain_errors, settings
from app.core import gc_tuning, logging, tracing
from app.core.leaving_out import leave_out_signing_models
from app.signer.environment import refuse_secrets
from app.wiring import running, wire
from workers import process, queues


@click.command()
@click.argument("queue", type=click.Choice(queues.NAMES))
def worker(queue: str) -> None:
    """Run a worker of one queue: chain, signer, webhooks or default.

    `chain` watches networks, `signer` sends what is approved, `webhooks` delivers events, `default` sends mail and
    removes what has expired. Only the signer may have spending keys in its environment."""
    of_the_environment = settings()
    if queue != "signer":
        with plain_errors():
            refuse_secrets()
        leave_out_signing_models()
    logging.configure(level=of_the_environment.log_level, json=of_the_environment.log_format == "json")

    async def work() -> None:
        # The queue `default` prepares exports.
        async with running(wire(of_the_environment), reads_standbys=queue == "default") as services:
            gc_tuning.settle()
            await process.run(queues.queue(queue), services)

    with plain_errors():
        tracing.begin(of_the_environment.traces_url, percent=of_the_environment.traces_percent, process=queue)
        uvloop.run(work())
    tracing.end()
