"""Whether a sandbox's database, chains and secrets still belong together, and the reset of all of them.

A database without its chain would wait for blocks that do not exist, and a chain without its database has payments
to unknown addresses. So if one of them is missing, or they contradict each other, all are deleted.
"""

import asyncio
import shutil
from collections.abc import Mapping, Sequence

import asyncpg

from app.sandbox import placement, postgres
from app.sandbox.chains import Chain
from app.sandbox.home import Demo, Home, Secrets


def missing_part(home: Home, chains: Sequence[Chain]) -> str | None:
    """The missing part of a sandbox that has run before. None if nothing is missing, or if it has never run.

    A chain of which nothing is there is new to this sandbox.
    """
    parts = {
        "the database": placement.data_dir(home.postgres).exists(),
        "secrets.json": home.read(home.secrets_file, Secrets) is not None,
        "demo.json": home.read(home.demo_file, Demo) is not None,
    }
    for chain in chains:
        if any(chain.parts().values()):
            parts |= chain.parts()
    if all(parts.values()) or not any(parts.values()):
        return None
    return ", ".join(name for name, there in parts.items() if not there)


def last_scanned_blocks(database_url: str) -> dict[str, tuple[int, str]]:
    """Height and hash of the newest block that the database has of each network."""
    return asyncio.run(_last_scanned_blocks(database_url))


def divergence(scanned: Mapping[str, tuple[int, str]], chains: Sequence[Chain]) -> str | None:
    """How the database, of which `scanned` are the newest blocks, contradicts one of the chains; None if they agree."""
    for chain in chains:
        if (problem := chain.contradiction(scanned.get(chain.network))) is not None:
            return problem
    return None


def reset(home: Home) -> None:
    """Delete the stopped sandbox's data. Logs, letters and certificates stay."""
    postgres.remove(home.postgres)
    for directory in (home.anvil, home.bitcoin, home.tron, home.receiver, home.signer):
        shutil.rmtree(directory, ignore_errors=True)
    for path in (home.secrets_file, home.chain_file, home.tron_file, home.demo_file, home.interface_file):
        path.unlink(missing_ok=True)


async def _last_scanned_blocks(database_url: str) -> dict[str, tuple[int, str]]:
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT to_regclass('scanned_blocks')") is None:
            return {}
        rows = await connection.fetch(
            "SELECT DISTINCT ON (network) network, height, hash FROM scanned_blocks ORDER BY network, height DESC"
        )
        return {row["network"]: (row["height"], row["hash"]) for row in rows}
    finally:
        await connection.close()
