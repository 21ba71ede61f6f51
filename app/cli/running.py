"""What commands need that work on the books: running services, and the audit log."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.audit import service as audit_log
from app.cli.environment import plain_errors, settings
from app.core import clock, logging
from app.wiring import Services, running, wire

T = TypeVar("T")


def with_services(use: Callable[[Services], Awaitable[T]]) -> T:
    """Run something with open services, and close them."""
    of_the_environment = settings()
    logging.configure(level="WARNING", json=of_the_environment.log_format == "json")

    async def call() -> T:
        async with running(wire(of_the_environment)) as services:
            return await use(services)

    with plain_errors():
        return asyncio.run(call())


async def audit(action: str, subject: str, merchant_id: str | None = None, **details: object) -> None:
    """Record in the audit log what was done on the command line."""
    await audit_log.record(
        actor="cli",
        action=action,
        subject=subject,
        merchant_id=merchant_id,
        address=None,
        details=details,
        now=clock.now(),
    )
