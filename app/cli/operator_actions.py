"""What commands share that only an operator may run.

Each action asks for the operator's password and a fresh code. A code is accepted once, so the next action needs the
next one.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click

from app.accounts import operators
from app.accounts.operators import NotAnOperator
from app.accounts.totp import CodeRefused, verify
from app.cli.running import with_services
from app.core import clock
from app.deposits.reviews import ReviewRefused
from app.wiring import Services
from app.withdrawals.approvals import ApprovalRefused
from app.withdrawals.holds import HoldRefused

T = TypeVar("T")

REFUSALS = (NotAnOperator, CodeRefused, ApprovalRefused, HoldRefused, ReviewRefused)
"""Exceptions of the services with a message for the operator."""


def operator_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say who the operator is. The command asks for those that are left out."""
    for option in (
        click.option("--code", prompt="Code", help="From the authenticator."),
        click.option("--password", prompt="Password", hide_input=True, envvar="SWAP_PAY_OPERATOR_PASSWORD"),
        click.option("--operator", "email", prompt="Operator's email"),
    ):
        command = option(command)
    return command


def as_operator(email: str, password: str, code: str, action: Callable[[Services, str], Awaitable[T]]) -> T:
    """Check password and code, then run `action` with the operator's account id. Raises ClickException."""

    async def check_code_then_act(services: Services, operator_id: str) -> T:
        await verify(services.settings.data_keys, operator_id, code, clock.now())
        return await action(services, operator_id)

    return with_identified_operator(email, password, check_code_then_act)


def with_identified_operator(email: str, password: str, action: Callable[[Services, str], Awaitable[T]]) -> T:
    """Check the password, then run `action`, which checks the code itself. Raises ClickException."""

    async def act(services: Services) -> T:
        try:
            return await action(services, await operators.identify(email, password))
        except REFUSALS as error:
            raise click.ClickException(str(error)) from None

    return with_services(act)
