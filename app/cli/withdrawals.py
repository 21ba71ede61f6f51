"""`swap-pay approvals …` and `swap-pay holds …`: what operators type about money on its way out.

Every deed asks for the operator's password and a fresh code; a code serves once, so the next deed waits for the
next one.
"""

from collections.abc import Callable
from typing import Any

import click

from app.accounts import operators
from app.accounts.operators import NotAnOperator
from app.accounts.totp import CodeRefused, verify
from app.core import clock
from app.core.clock import rfc3339
from app.core.settings import DataKeys
from app.withdrawals import approvals, holds
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.holds import HoldRefused

WithGateway = Callable[[Callable[[Any], Any]], Any]
"""Runs an async function of the gateway in a process of its own: `app.cli.main` has it."""


def operator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say who the operator is; what is left out is asked for."""
    for option in (
        click.option("--code", prompt="Code", help="From the authenticator."),
        click.option("--password", prompt="Password", hide_input=True, envvar="SWAP_PAY_OPERATOR_PASSWORD"),
        click.option("--operator", "email", prompt="Operator's e-mail"),
    ):
        command = option(command)
    return command


async def prove_operator(keys: DataKeys, email: str, password: str, code: str) -> str:
    """The operator's account id. Raises ClickException."""
    operator_id = await identify(email, password)
    try:
        await verify(keys, operator_id, code, clock.now())
    except CodeRefused as error:
        raise click.ClickException(str(error)) from None
    return operator_id


async def identify(email: str, password: str) -> str:
    """The operator's account id, the code being checked with the deed. Raises ClickException."""
    try:
        return await operators.identify(email, password)
    except NotAnOperator as error:
        raise click.ClickException(str(error)) from None


def groups(with_services: WithGateway) -> list[click.Group]:
    """The command groups, for `app.cli.main` to add."""
    return [_approvals(with_services), _holds(with_services)]


def _approvals(with_services: WithGateway) -> click.Group:
    @click.group("approvals")
    def group() -> None:
        """Payouts and refunds that wait for an operator."""

    @group.command("list")
    def list_waiting() -> None:
        """Show what waits, oldest first."""

        async def show(services: Any) -> None:
            for waiting in await approvals.waiting():
                click.echo(
                    f"{waiting.id}  {waiting.kind}  {waiting.amount_raw} raw {waiting.asset} on {waiting.network}"
                    f"  to {waiting.destination}  from {waiting.source}  by {waiting.requested_by}"
                    f"  {waiting.approvals}/{waiting.approvals_required} approvals"
                    f"{'  ON HOLD' if waiting.held else ''}  since {rfc3339(waiting.created_at)}"
                )

        with_services(show)

    @group.command()
    @click.argument("withdrawal_id")
    @operator_options
    def approve(withdrawal_id: str, email: str, password: str, code: str) -> None:
        """Approve one, for just this amount and destination."""

        async def decide(services: Any) -> str:
            operator_id = await identify(email, password)
            try:
                return str(await services.approvals.approve(withdrawal_id, operator_id, code, clock.now()))
            except (ApprovalRefused, CodeRefused) as error:
                raise click.ClickException(str(error)) from None

        click.echo(f"{withdrawal_id}: {with_services(decide)}")

    @group.command()
    @click.argument("withdrawal_id")
    @click.option("--reason", required=True, help="The merchant reads it.")
    @operator_options
    def reject(withdrawal_id: str, reason: str, email: str, password: str, code: str) -> None:
        """Reject one; its money is available to the merchant again."""

        async def decide(services: Any) -> None:
            operator_id = await prove_operator(services.settings.data_keys, email, password, code)
            try:
                await services.approvals.reject(withdrawal_id, operator_id, reason, clock.now())
            except ApprovalRefused as error:
                raise click.ClickException(str(error)) from None

        with_services(decide)
        click.echo(f"{withdrawal_id}: rejected")

    return group


def _holds(with_services: WithGateway) -> click.Group:
    @click.group("holds")
    def group() -> None:
        """Ledgers that nothing is sent from, after a deep reorganisation."""

    @group.command("list")
    def list_open() -> None:
        """Show the open holds, oldest first."""

        async def show(services: Any) -> None:
            for hold in await holds.open_holds():
                click.echo(
                    f"{hold.id}  {hold.source}  {hold.asset} on {hold.network}  {hold.withdrawals_held} held"
                    f"  since {rfc3339(hold.placed_at)}: {hold.reason}"
                )

        with_services(show)

    @group.command()
    @click.argument("hold_id", type=int)
    @click.option("--reason", required=True, help="For the audit log.")
    @operator_options
    def release(hold_id: int, reason: str, email: str, password: str, code: str) -> None:
        """Let what is held go on."""

        async def decide(services: Any) -> None:
            operator_id = await prove_operator(services.settings.data_keys, email, password, code)
            try:
                await holds.release(hold_id, operator_id, reason, clock.now())
            except HoldRefused as error:
                raise click.ClickException(str(error)) from None

        with_services(decide)
        click.echo(f"hold {hold_id}: released")

    return group
