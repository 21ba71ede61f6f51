"""The sandbox's operator: decides as at the desk, and can end an invoice's time to pay early."""

import asyncio
import shlex
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import pyotp

from app.accounts import operators
from app.accounts.totp import STEP_S, CodeRefused
from app.core import clock
from app.core.settings import load
from app.sandbox.customer import CustomerError
from app.sandbox.home import Home, Interface
from app.wiring import Services, running, wire
from app.withdrawals import holds

T = TypeVar("T")

CODE_TRIES = 4
"""Of one approval. A code is refused where the desk, another command or a person has used it already."""

LONG_AGO = timedelta(minutes=5)
"""More than any network's grace, by which a payment is still in time."""


class SandboxOperator:
    """Acts with the login of `sandbox.json`, in the sandbox's own database. Every method raises CustomerError."""

    def __init__(self, home: Home, interface: Interface) -> None:
        self._home = home
        self._login = interface.operator_login
        self._steps_file = home.directory / "operator-code"

    def approve(self, withdrawal_id: str) -> None:
        """Approve a payout or refund. It waits for a code that was not used, half a minute at most."""
        for tries_left in reversed(range(CODE_TRIES)):
            step = self._next_step()
            code = pyotp.TOTP(self._login.totp_secret).at(step * STEP_S)

            async def act(services: Services, operator_id: str, code: str = code) -> None:
                await services.approvals.approve(withdrawal_id, operator_id, code, clock.now())

            try:
                self._act(act)
            except CodeRefused as error:
                if not tries_left:
                    raise CustomerError(f"the operator's code: {error}") from None
            else:
                return

    def reject(self, withdrawal_id: str, reason: str) -> None:
        """Reject a payout or refund."""
        self._act(
            lambda services, operator_id: services.approvals.reject(withdrawal_id, operator_id, reason, clock.now())
        )

    def close_review(self, deposit_id: str, reason: str) -> None:
        """Close the review of a deposit; its money stays in suspense."""
        self._act(lambda services, operator_id: services.reviews.close(deposit_id, operator_id, reason, clock.now()))

    def release_holds(self, reason: str) -> None:
        """Release the holds that a deep reorganisation has put on payouts."""

        async def act(_: Services, operator_id: str) -> None:
            for hold in await holds.open_holds():
                await holds.release(hold.id, operator_id, reason, clock.now())

        self._act(act)

    def end_time_to_pay(self, invoice_id: str) -> None:
        """Bring an invoice's end forward, so that nobody has to wait for ten minutes. The gateway itself expires it."""
        self._act(lambda services, _: services.invoices.expire_early(invoice_id, clock.now() - LONG_AGO))

    def _act(self, action: Callable[[Services, str], Awaitable[T]]) -> T:
        lines = (line.partition("=") for line in self._home.environment_file.read_text().splitlines())
        settings = load({name: "".join(shlex.split(value)) for name, _, value in lines})

        async def act() -> T:
            async with running(wire(settings)) as services:
                return await action(services, await operators.identify(self._login.email, self._login.password))

        return asyncio.run(act())

    def _next_step(self) -> int:
        """A half minute whose code no command has used yet; it is accepted up to half a minute early."""
        last = int(self._steps_file.read_text()) if self._steps_file.exists() else 0
        step = max(int(time.time()) // STEP_S, last + 1)
        while time.time() // STEP_S + 1 < step:
            time.sleep(0.5)
        self._home.write_text(self._steps_file, str(step))
        return step
