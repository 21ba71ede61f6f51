"""`swap-pay approvals …` and `swap-pay holds …`: what operators decide on payouts and refunds."""

import click

from app.cli.operator_actions import as_operator, operator_options, with_identified_operator
from app.cli.running import with_services
from app.core import clock
from app.core.clock import rfc3339
from app.wiring import Services
from app.withdrawals import approvals as withdrawal_approvals
from app.withdrawals import holds as withdrawal_holds


@click.group()
def approvals() -> None:
    """Payouts and refunds that wait for an operator."""


@approvals.command("list")
def list_waiting() -> None:
    """List payouts and refunds that wait, oldest first."""

    async def read(_: Services) -> list[withdrawal_approvals.Waiting]:
        return await withdrawal_approvals.waiting()

    for waiting in with_services(read):
        click.echo(
            f"{waiting.id}  {waiting.kind}  {waiting.amount_raw} raw {waiting.asset} on {waiting.network}"
            f"  to {waiting.destination}  from {waiting.source}  by {waiting.requested_by}"
            f"  {waiting.approvals}/{waiting.approvals_required} approvals"
            f"{'  ON HOLD' if waiting.held else ''}  since {rfc3339(waiting.created_at)}"
        )


@approvals.command()
@click.argument("withdrawal_id")
@operator_options
def approve(withdrawal_id: str, email: str, password: str, code: str) -> None:
    """Approve one, for exactly this amount and destination."""

    async def decide(services: Services, operator_id: str) -> str:
        return str(await services.approvals.approve(withdrawal_id, operator_id, code, clock.now()))

    click.echo(f"{withdrawal_id}: {with_identified_operator(email, password, decide)}")


@approvals.command()
@click.argument("withdrawal_id")
@click.option("--reason", required=True, help="The merchant reads it.")
@operator_options
def reject(withdrawal_id: str, reason: str, email: str, password: str, code: str) -> None:
    """Reject one; its money is available to the merchant again."""

    async def decide(services: Services, operator_id: str) -> None:
        await services.approvals.reject(withdrawal_id, operator_id, reason, clock.now())

    as_operator(email, password, code, decide)
    click.echo(f"{withdrawal_id}: rejected")


@click.group()
def holds() -> None:
    """Ledgers that nothing is sent from, after a deep reorganisation."""


@holds.command("list")
def list_open() -> None:
    """List the open holds, oldest first."""

    async def read(_: Services) -> list[withdrawal_holds.Hold]:
        return await withdrawal_holds.open_holds()

    for hold in with_services(read):
        click.echo(
            f"{hold.id}  {hold.source}  {hold.asset} on {hold.network}  {hold.withdrawals_held} held"
            f"  since {rfc3339(hold.placed_at)}: {hold.reason}"
        )


@holds.command()
@click.argument("hold_id", type=int)
@click.option("--reason", required=True, help="For the audit log.")
@operator_options
def release(hold_id: int, reason: str, email: str, password: str, code: str) -> None:
    """Release a hold, and the withdrawals that it held."""

    async def decide(_: Services, operator_id: str) -> None:
        await withdrawal_holds.release(hold_id, operator_id, reason, clock.now())

    as_operator(email, password, code, decide)
    click.echo(f"hold {hold_id}: released")
