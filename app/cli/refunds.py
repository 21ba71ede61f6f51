"""`swap-pay reviews …`: deposits that did not simply pay, and what operators decide about them."""

from typing import Any

import click

from app.cli.withdrawals import WithGateway, operator_options, prove_operator
from app.core import clock
from app.core.clock import rfc3339
from app.core.errors import ApiError
from app.deposits import reviews
from app.deposits.reviews import ReviewRefused


def reviews_group(with_services: WithGateway) -> click.Group:
    """The command group, for `app.cli.main` to add."""

    @click.group("reviews")
    def group() -> None:
        """Deposits that wait for a decision. A case has its deposit's name."""

    @group.command("list")
    @click.option("--all", "every", is_flag=True, help="Settled cases too.")
    def list_cases(every: bool) -> None:
        """Show cases with their facts, oldest first."""

        async def show(services: Any) -> None:
            for case in await reviews.cases(open_only=not every):
                click.echo(
                    f"{case.deposit_id}  {case.verdict}  {case.status}{f' {case.outcome}' if case.outcome else ''}"
                    f"  {case.amount_raw} raw {case.asset} on {case.network} ({case.deposit_status})"
                    f"  invoice {case.invoice_id or 'none'}  merchant {case.merchant_id or 'none'}"
                    f"  since {rfc3339(case.opened_at)}\n    {case.facts}"
                )

        with_services(show)

    @group.command()
    @click.argument("deposit_id")
    @click.option("--reason", required=True, help="For the audit log.")
    @operator_options
    def credit(deposit_id: str, reason: str, email: str, password: str, code: str) -> None:
        """Credit what came to the invoice's merchant, less the fee in proportion."""

        async def decide(services: Any) -> None:
            operator_id = await prove_operator(services.settings.data_keys, email, password, code)
            try:
                await services.reviews.credit(deposit_id, operator_id, reason, clock.now())
            except ReviewRefused as error:
                raise click.ClickException(str(error)) from None

        with_services(decide)
        click.echo(f"{deposit_id}: credited")

    @group.command("return")
    @click.argument("deposit_id")
    @click.option("--to", "destination", required=True, help="Whose address it is, the customer must have said.")
    @click.option("--reason", required=True, help="For the audit log.")
    @operator_options
    def send_back(deposit_id: str, destination: str, reason: str, email: str, password: str, code: str) -> None:
        """Ask for its return as a refund; another operator must approve that."""

        async def decide(services: Any) -> str:
            operator_id = await prove_operator(services.settings.data_keys, email, password, code)
            try:
                return str(await services.returns.send_back(deposit_id, destination, operator_id, reason, clock.now()))
            except ReviewRefused as error:
                raise click.ClickException(str(error)) from None
            except ApiError as error:
                raise click.ClickException(error.message) from None

        click.echo(f"{deposit_id}: returning by {with_services(decide)}")

    @group.command()
    @click.argument("deposit_id")
    @click.option("--reason", required=True, help="For the audit log.")
    @operator_options
    def close(deposit_id: str, reason: str, email: str, password: str, code: str) -> None:
        """End the case; the money stays in suspense."""

        async def decide(services: Any) -> None:
            operator_id = await prove_operator(services.settings.data_keys, email, password, code)
            try:
                await services.reviews.close(deposit_id, operator_id, reason, clock.now())
            except ReviewRefused as error:
                raise click.ClickException(str(error)) from None

        with_services(decide)
        click.echo(f"{deposit_id}: closed")

    return group
