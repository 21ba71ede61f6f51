"""What every command needs first: the settings, and errors without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import click

from app.core.deployment import DeploymentError
from app.core.errors import ApiError
from app.core.settings import Settings, load

DATABASE_REFUSES = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.PostgresConnectionError,
)
"""What Postgres raises for a wrong DATABASE_URL or a role without a right, or while it starts or is full."""


def settings() -> Settings:
    """The settings of the environment, or a plain message of what is wrong with them."""
    with plain_errors():
        return load()


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors that the operator can fix into one line instead of a traceback."""
    try:
        yield
    except ApiError as error:
        raise click.ClickException(error.message) from None
    except (DeploymentError, OSError, *DATABASE_REFUSES) as error:
        raise click.ClickException(str(error)) from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise click.ClickException("the database lacks the schema of this version: run swap-pay migrate") from None
