"""Servers for the suite, each a context manager around one of `app.sandbox`.

One of each per pytest-xdist worker: a worker's `tmp_path_factory.getbasetemp()` is its own, and all three
together start in about a second, less than sharing them through a lock would complicate.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from app.sandbox import anvil, postgres, valkey
from app.sandbox.anvil import Anvil
from app.sandbox.postgres import Postgres
from app.sandbox.valkey import Valkey

TEMPLATE = "swap_pay_template"
"""The migrated database that each test gets a clone of."""


@contextmanager
def start_postgres_for_tests(tmp_dir: Path) -> Iterator[Postgres]:
    """An empty PostgreSQL, fast and forgetful. Deleted at the end."""
    home_dir = tmp_dir / "postgres"
    server = postgres.start(home_dir, settings=postgres.FAST)
    try:
        yield server
    finally:
        server.stop()
        postgres.remove(home_dir)


@contextmanager
def start_valkey_for_tests(tmp_dir: Path) -> Iterator[Valkey]:
    """An empty Valkey."""
    server = valkey.start(tmp_dir / "valkey")
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def start_anvil_for_tests(
    tmp_dir: Path, *, block_time_s: float | None = None, family: Literal["ethereum", "optimism"] = "ethereum"
) -> Iterator[Anvil]:
    """A chain of its own, which mines each transaction at once unless `block_time_s` is given."""
    node = anvil.start(tmp_dir / f"anvil-{family}", block_time_s=block_time_s, family=family)
    try:
        yield node
    finally:
        node.stop()
