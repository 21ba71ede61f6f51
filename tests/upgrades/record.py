"""Record this version, so that the next ones are held against it: `make record`, at each release.

Every statement of this version with the types of its parameters and of its rows, and what its schema holds rows to, go
into `released.json.gz`. `tests/upgrades/test_version_before.py` asks whether this version could go on with the schema
of the next one.
"""

import asyncio
import gzip
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import msgspec
from asyncpg.exceptions._base import PostgresError

from app.core import resources
from app.core.migrations import migrate
from tests.services import start_postgres_for_tests
from tests.upgrades.schema import Released, Understood, schema_of, understood
from tests.upgrades.statements import statements

FILE = Path(__file__).with_name("released.json.gz")


def main() -> int:
    """Write the record, and print what is in it."""
    with tempfile.TemporaryDirectory() as folder, start_postgres_for_tests(Path(folder)) as server:
        Path(folder).chmod(0o711)  # for root, Postgres runs as another user
        server.create_database("recorded")
        dsn = server.dsn("recorded")
        asyncio.run(migrate(dsn))
        released, left_out = asyncio.run(record(dsn, statements()))
    text = msgspec.json.format(msgspec.json.encode(released), indent=0)
    FILE.write_bytes(gzip.compress(text, mtime=0))
    print(f"{len(released.statements)} statements of {released.version}, up to {released.migration}")
    print(f"{len(left_out)} texts are parts of statements, and were left out")
    return 0


async def record(dsn: str, found: Mapping[str, str]) -> tuple[Released, list[str]]:
    """The record of this version on its migrated database, and the texts that are no whole statement."""
    connection = await asyncpg.connect(dsn, statement_cache_size=0)
    kept: list[Understood] = []
    left_out: list[str] = []
    try:
        for sql, module in sorted(found.items(), key=lambda one: (one[1], one[0])):
            try:
                kept.append(await understood(connection, sql, module))
            except PostgresError:
                left_out.append(sql)
        schema = await schema_of(connection)
    finally:
        await connection.close()
    project = tomllib.loads((resources.MIGRATIONS.parent / "pyproject.toml").read_text())["project"]
    migration = max(path.stem for path in resources.MIGRATIONS.glob("swap_pay_*.py"))
    released = Released(
        version=project["version"], commit=_commit(), migration=migration, statements=tuple(kept), schema=schema
    )
    return released, left_out


def read() -> Released:
    """The record of the version before."""
    return msgspec.json.decode(gzip.decompress(FILE.read_bytes()), type=Released)


def _commit() -> str:
    """The commit that is checked out, empty outside of a repository."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
