"""`swap-pay reviews …`: deposits in review, and what operators decide about them."""

import click

from app.cli.operator_actions import as_operator, operator_options
from app.cli.running import with_services
from app.core import clock
from app.core.clock import rfc3339
from app.deposits import reviews as deposit_reviews
from app.wiring import Services

MESSAGE = click.option("--message", help="For the merchant, who reads it word for word.")


@click.group()
def reviews() -> None:
    """Deposits that wait for a decision. A review has the id of its deposit."""


@reviews.command("list")
@click.option("--all", "every", is_flag=True, help="Settled reviews too.")
def list_all(every: bool) -> None:
    """List reviews with their facts, oldest first."""

    async def read(_: Services) -> list[str]:
        return [
            f"{review.deposit_id}  {review.verdict}  {review.status}{f' {review.outcome}' if review.outcome else ''}"
            f"  {review.amount_raw} raw {review.asset} on {review.network} ({review.deposit_status})"
            f"  invoice {review.invoice_id or 'none'}  merchant {review.merchant_id or 'none'}"
            f"  since {rfc3339(review.opened_at)}\n    {review.facts}"
            for review in await deposit_reviews.list_reviews(open_only=not every)
        ]

    for line in with_services(read):
        click.echo(line)


@reviews.command()
@click.argument("deposit_id")
@click.option("--reason", required=True, help="For the audit log.")
@MESSAGE
@operator_options
def credit(deposit_id: str, reason: str, message: str | None, email: str, password: str, code: str) -> None:
    """Credit the deposit to the invoice's merchant, less the fee in proportion."""

    async def decide(services: Services, operator_id: str) -> None:
        await services.reviews.credit(deposit_id, operator_id, reason, clock.now(), message=message)

    as_operator(email, password, code, decide)
    click.echo(f"{deposit_id}: credited")


@reviews.command("return")
@click.argument("deposit_id")
@click.option("--to", "destination", required=True, help="An address that the customer has named.")
@click.option("--reason", required=True, help="For the audit log.")
@click.option("--credit-asked", is_flag=True, help="Credit what was asked, and return only what came beyond it.")
@MESSAGE
@operator_options
def send_back(
    deposit_id: str,
    destination: str,
    reason: str,
    credit_asked: bool,
    message: str | None,
    email: str,
    password: str,
    code: str,
) -> None:
    """Request its return as a refund; another operator must approve that."""

    async def decide(services: Services, operator_id: str) -> str:
        returns = services.returns
        settle = returns.credit_and_return_rest if credit_asked else returns.send_back
        return await settle(deposit_id, destination, operator_id, reason, clock.now(), message=message)

    click.echo(f"{deposit_id}: returning by {as_operator(email, password, code, decide)}")


@reviews.command()
@click.argument("deposit_id")
@click.option("--reason", required=True, help="For the audit log.")
@MESSAGE
@operator_options
def close(deposit_id: str, reason: str, message: str | None, email: str, password: str, code: str) -> None:
    """Close the review; the money stays in suspense."""

    async def decide(services: Services, operator_id: str) -> None:
        await services.reviews.close(deposit_id, operator_id, reason, clock.now(), message=message)

    as_operator(email, password, code, decide)
    click.echo(f"{deposit_id}: closed")
