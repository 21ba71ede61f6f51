"""`swap-pay …`: what an operator types, and what the Procfile runs."""

import resource
from typing import Any, cast

import click
import uvloop
from granian import Granian
from granian.constants import Interfaces, Loops

from app.commands import alerts, books, creation, doctor, keys, operators, schema
from app.commands.running import audit as _audit
from app.commands.running import plain_errors as _plain_errors
from app.commands.running import settings as _settings
from app.commands.running import with_gateway as _with_gateway
from app.commands.signer import signer
from app.core import clock, database, logging
from app.gateway import Gateway, running, wire
from app.merchants import service as merchants
from app.refunds.cli import reviews_group
from app.sandbox.cli import sandbox
from app.withdrawals import cli as withdrawals_cli
from app.withdrawals.signer_settings import refuse_secrets
from workers import process, queues

STOP_TIMEOUT_S = 30
"""How long a web process that was told to stop may finish its requests."""

BACKLOG = 2_048
"""Connections that may wait to be accepted."""

CONNECTIONS_PER_PROCESS = 12_000
"""Held at once: the streams of open checkout pages (`app.checkout.live.MAX_STREAMS`), and room beside them. Granian
would allow a share of BACKLOG, and then a thousand open pages would keep everybody else waiting."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Swap Pay: a self-hosted crypto payment gateway. Settings come from the environment (docs/configuration.md)."""


main.add_command(sandbox)


@main.command()
def web() -> None:
    """Serve the API and the pages."""
    settings = _settings()
    with _plain_errors():
        refuse_secrets()
    _allow_files()
    Granian(
        # The sandbox's app has a wallet that pays; it is not so much as imported anywhere else.
        "app.sandbox.asgi:serve" if settings.environment == "sandbox" else "app.asgi:serve",
        factory=True,
        address=settings.web_host,
        port=settings.web_port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=settings.web_workers,
        workers_kill_timeout=STOP_TIMEOUT_S,
        backlog=BACKLOG,
        backpressure=CONNECTIONS_PER_PROCESS,
        respawn_failed_workers=True,
        log_access=False,
    ).serve()


def _allow_files() -> None:
    """Lift the soft limit on open files, 1,024 by habit, as far as the hard one lets us: a connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = CONNECTIONS_PER_PROCESS + 1_000
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@main.command()
@click.argument("queue", type=click.Choice(list(queues.QUEUES)))
def worker(queue: str) -> None:
    """Run a worker: `chain` watches networks, `signer` sends what is approved, `webhooks` delivers events,
    `default` sends mail and tidies up. The signer alone may have spending keys in its environment."""
    settings = _settings()
    if queue != "signer":
        with _plain_errors():
            refuse_secrets()
    logging.configure(level=settings.log_level, json=settings.log_format == "json")

    async def work() -> None:
        async with running(wire(settings)) as gateway:
            await process.run(queues.QUEUES[queue], gateway)

    with _plain_errors():
        uvloop.run(work())


@main.command()
@click.argument("name", type=click.Choice(["invoices", "payouts", "refunds"]))
@click.argument("state", type=click.Choice(["pause", "resume"]))
@click.option("--reason", default="", help="Why, for the audit log.")
def switch(name: str, state: str, reason: str) -> None:
    """Pause new invoices, payouts or refunds for all merchants, or resume them."""

    async def turn(_: Gateway) -> None:
        async with database.transaction():
            if state == "pause":
                await merchants.pause(cast(Any, name), reason, clock.now())
            else:
                await merchants.resume(cast(Any, name))
            await _audit(f"switch.{state}d", name, reason=reason)

    _with_gateway(turn)
    click.echo(f"{name}: {state}d")


for commands in (schema, creation, books, alerts, keys, operators, doctor):
    commands.register(main)


for group in [*withdrawals_cli.groups(_with_gateway), reviews_group(_with_gateway)]:
    main.add_command(group)
main.add_command(signer)


if __name__ == "__main__":
    main()
