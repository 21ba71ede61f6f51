"""`swap-pay migrate`."""

import asyncio

import click

from app.cli.environment import plain_errors, settings
from app.core import migrations


@click.command()
def migrate() -> None:
    """Migrate the database to the schema of this version, and print what was applied. Safe to repeat."""
    database_url = settings().database_url
    with plain_errors():
        done = asyncio.run(migrations.migrate(database_url))
    if not done.applied:
        click.echo(f"The schema is up to date: {done.before} migrations, none to apply.")
        return
    for name in done.applied:
        click.echo(f"applied {name}")
    click.echo(f"The schema is up to date: {len(done.applied)} migrations applied now, {done.before} before.")
