"""`swap-pay switch`: pause or resume a use of the gateway for all merchants."""

from typing import Any, cast

import click

from app.cli.running import audit, with_services
from app.core import clock, database
from app.merchants import service as merchants
from app.wiring import Services


@click.command()
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
            await audit(f"switch.{state}d", name, reason=reason)

    with_services(turn)
    click.echo(f"{name}: {state}d")
