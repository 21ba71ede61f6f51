"""Commands about operators: remove one."""

import click

from app.accounts import operators
from app.cli.running import audit, with_services
from app.core import database
from app.wiring import Services


@click.command("remove-operator")
@click.option("--email", required=True)
@click.option("--reason", required=True, help="Why, for the audit log.")
def remove_operator(email: str, reason: str) -> None:
    """Remove an account's right to act as an operator, and sign it out everywhere.

    The account remains, without that right. Its approvals do not count any more where others are still missing.
    """

    async def remove(_: Services) -> str:
        async with database.transaction():
            account_id = await operators.remove(email)
            await audit("operator.removed", account_id, reason=reason)
        return account_id

    try:
        account_id = with_services(remove)
    except operators.NotAnOperator as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{account_id} is no operator any more, and is signed out everywhere.")
