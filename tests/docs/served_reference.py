"""The rendered API reference, served by the app, for screenshots."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.migrations import migrate
from tests.api.serving import served
from tests.factories.deployment import environment_of
from tests.services import start_postgres_for_tests, start_valkey_for_tests


@contextmanager
def served_reference() -> Iterator[str]:
    """Its URL, while it is served."""
    with tempfile.TemporaryDirectory(prefix="swap-pay-reference-") as folder:
        home = Path(folder)
        with start_postgres_for_tests(home) as postgres, start_valkey_for_tests(home) as valkey:
            postgres.create_database("reference")
            asyncio.run(migrate(postgres.dsn("reference")))
            with served(environment_of(postgres.dsn("reference"), valkey.url, home), home / "web.log") as running:
                yield f"{running.url}/docs/api"
