"""What every command needs: the settings, running services, plain errors, the audit log."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import asyncpg
import click

from app.audit import service as audit_log
from app.core import clock, logging
from app.core.errors import ApiError
from app.core.migrations import MigrationFailed
from app.core.settings import Settings, SettingsError, load
from app.core.tracing import NotInstalled
from app.networks.assets import AssetChanged
from app.networks.networks_file import ConfigError
from app.signer.settings import SignerSettingsError
from app.wiring import Services, running, wire

T = TypeVar("T")

DATABASE_REFUSES = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
)
"""What Postgres raises for a wrong DATABASE_URL or a role without a right, or while it starts or is full."""

OF_THE_DEPLOYMENT = (ConfigError, AssetChanged, MigrationFailed, SignerSettingsError, NotInstalled, OSError)
"""What is wrong with files, settings or packages: the message says what to do."""


def settings() -> Settings:
    """The settings of the environment, or a plain message of what is wrong with them."""
    try:
        return load()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def with_services(use: Callable[[Services], Awaitable[T]]) -> T:
    """Run something with open services, and close them."""
    of_the_environment = settings()
    logging.configure(level="WARNING", json=of_the_environment.log_format == "json")

    async def call() -> T:
        async with running(wire(of_the_environment)) as services:
            return await use(services)

    with plain_errors():
        return asyncio.run(call())


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors that the operator can fix into one line instead of a traceback."""
    try:
        yield
    except ApiError as error:
        raise click.ClickException(error.message) from None
    except (*OF_THE_DEPLOYMENT, *DATABASE_REFUSES) as error:
        raise click.ClickException(str(error)) from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise click.ClickException("the database lacks the schema of this version: run swap-pay migrate") from None


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
