"""`swap-pay trigger TYPE`: the sandbox does what leads to an event. Its parts are imported only when it is called."""

import os
from urllib.parse import urlsplit

import click

from app.cli.sandbox import plain_errors, running


@click.command()
@click.argument("types", metavar="TYPE…", nargs=-1)
@click.option("--list", "lists", is_flag=True, help="Print the types, and what each does.")
def trigger(types: tuple[str, ...], lists: bool) -> None:
    """Make an event happen in the running sandbox, for real: invoices are created by API and paid on the chain.

    Such as `swap-pay trigger invoice.paid`. Returns once the event is there, and prints all that came meanwhile.
    """
    with plain_errors():
        from app.sandbox.triggers import NOT_HERE, TRIGGERS, world_of  # noqa: PLC0415 - development packages

    if lists:
        for type, each in TRIGGERS.items():
            click.echo(f"{type:<26}  {each.does}")
        for type, reason in NOT_HERE.items():
            click.echo(f"{type:<26}  can't be triggered: {reason}")
        return
    if not types:
        raise click.UsageError("name a type, such as invoice.paid; --list shows all")
    for type in types:
        if type in NOT_HERE:
            raise click.ClickException(f"{type} can't be triggered: {NOT_HERE[type]}")
        if type not in TRIGGERS:
            raise click.ClickException(f"there is no event {type}; swap-pay trigger --list shows all")
    with running() as (interface, customers):
        from app.sandbox.home import Home  # noqa: PLC0415 - development packages
        from app.sandbox.operator import SandboxOperator  # noqa: PLC0415 - it imports the whole gateway

        _refuse_another_gateway(interface.base_url)
        world = world_of(interface, customers.get("ethereum"), SandboxOperator(Home(), interface), click.echo)
        for type in types:
            subject = world.trigger(type)
            click.secho(f"✓ {type} of {subject}", fg="green")


def _refuse_another_gateway(sandbox_url: str) -> None:
    """Refuse where SWAP_PAY_URL names another gateway: whoever set it means that one, where nothing is triggered."""
    named = os.environ.get("SWAP_PAY_URL")
    if named is None:
        return
    meant, sandbox = urlsplit(named), urlsplit(sandbox_url)
    if meant.port != sandbox.port or meant.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise click.ClickException(
            f"SWAP_PAY_URL is {named}, but events are triggered only in the sandbox, which is at {sandbox_url}. "
            "In test mode of a gateway, pay a test invoice from a wallet."
        )
