"""Commands about alerts: see the open ones, acknowledge one."""

import click

from app.alerts import repository, service
from app.cli.running import audit, with_services
from app.core import clock, database
from app.wiring import Services


@click.group()
def alerts() -> None:
    """Alerts that nobody has acknowledged yet."""


@alerts.command("list")
def list_open() -> None:
    """The open alerts, critical ones first."""

    async def read(_: Services) -> list[repository.OpenAlert]:
        return await repository.open_alerts()

    found = with_services(read)
    for alert in found:
        times = f" ({alert.occurrences} times)" if alert.occurrences > 1 else ""
        raised = clock.rfc3339(alert.raised_at)
        click.echo(f"{alert.id:>6}  {alert.severity:8}  {raised}  {alert.kind}: {alert.message}{times}")
    if not found:
        click.echo("No open alerts.")


@alerts.command()
@click.argument("alert_id", type=int)
@click.option("--note", required=True, help="What was found and done.")
def acknowledge(alert_id: int, note: str) -> None:
    """Close an alert."""

    async def close(_: Services) -> None:
        async with database.transaction():
            await service.acknowledge(alert_id, by="cli", note=note, now=clock.now())
            await audit("alert.acknowledged", str(alert_id), note=note)

    with_services(close)
    click.echo(f"Alert {alert_id} is acknowledged.")
