"""One sandbox for all files of this folder: they run in one process, and each makes invoices of its own."""

from collections.abc import Iterator

import pytest

from app.sandbox import postgres
from tests.sandbox.sandboxes import Sandbox


@pytest.fixture(scope="package")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A running sandbox with its EVM chain. It ends with the folder's last test, since its workers are never idle."""
    sandbox = Sandbox(tmp_path_factory.mktemp("integrators") / "var")
    sandbox.run()
    try:
        yield sandbox
    finally:
        sandbox.ensure_stopped()
        postgres.remove(sandbox.home.postgres)
