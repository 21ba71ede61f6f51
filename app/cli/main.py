"""`swap-pay …`: the commands of operators, and those that the Procfile runs."""

from typing import Any, cast

import click
import uvloop

from app.cli import (
    alerts,
    books,
    creation,
    developers,
    doctor,
    drill,
    keys,
    operators,
    reviews,
    schema,
    web,
    withdrawals,
)
from app.cli.running import audit as _audit
from app.cli.running import plain_errors as _plain_errors
from app.cli.running import settings as _settings
from app.cli.running import with_services as _with_services
from app.cli.sandbox import sandbox
from app.cli.signer import signer
from app.core import clock, database, logging, tracing
from app.merchants import service as merchants
from app.signer.settings import refuse_secrets
from app.wiring import Services, running, wire
from workers import process, queues


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Swap Pay: a self-hosted crypto payment gateway. Settings come from the environment (docs/configuration.md)."""


main.add_command(sandbox)


@main.command()
@click.argument("queue", type=click.Choice(list(queues.QUEUES)))
def worker(queue: str) -> None:
    """Run a worker: `chain` watches networks, `signer` sends what is approved, `webhooks` delivers events,
    `default` sends mail and removes what has expired. Only the signer may have spending keys in its environment."""
    settings = _settings()
    if queue != "signer":
        with _plain_errors():
            refuse_secrets()
    logging.configure(level=settings.log_level, json=settings.log_format == "json")

    async def work() -> None:
        async with running(wire(settings), reads_standbys=queue == "default") as services:  # it prepares exports
            await process.run(queues.QUEUES[queue], services)

    with _plain_errors():
        tracing.begin(settings.traces_url, percent=settings.traces_percent, process=queue)
        uvloop.run(work())
    tracing.end()


@main.command()
@click.argument("name", type=click.Choice(["invoices", "payouts", "refunds"]))
@click.argument("state", type=click.Choice(["pause", "resume"]))
@click.option("--reason", default="", help="Why, for the audit log.")
def switch(name: str, state: str, reason: str) -> None:
    """Pause new invoices, payouts or refunds for all merchants, or resume them."""

    async def turn(_: Services) -> None:
        async with database.transaction():
            if state == "pause":
                await merchants.pause(cast(Any, name), reason, clock.now())
            else:
                await merchants.resume(cast(Any, name))
            await _audit(f"switch.{state}d", name, reason=reason)

    _with_services(turn)
    click.echo(f"{name}: {state}d")


for commands in (
    web,
    schema,
    creation,
    books,
    alerts,
    keys,
    operators,
    doctor,
    drill,
    withdrawals,
    reviews,
    developers,
):
    commands.register(main)
main.add_command(signer)
