"""Whether a sandbox's database, chain and secrets still belong together, and the reset of all of them.

A database without its chain would wait for blocks that do not exist, and a chain without its database has payments
to unknown addresses. So if one of them is missing, or they contradict each other, all are deleted.
"""

import asyncio
import shutil

import asyncpg

from app.sandbox import placement, postgres
from app.sandbox.anvil import Anvil
from app.sandbox.home import ChainSetUp, Demo, Home, Secrets

NETWORK = "ethereum:test"


def missing_part(home: Home) -> str | None:
    """The missing part of a sandbox that has run before. None if nothing is missing, or if it has never run."""
    parts = {
        "the database": placement.data_dir(home.postgres).exists(),
        "the chain": (home.anvil / "state.json").exists(),
        "secrets.json": home.read(home.secrets_file, Secrets) is not None,
        "chain.json": home.read(home.chain_file, ChainSetUp) is not None,
        "demo.json": home.read(home.demo_file, Demo) is not None,
    }
    if all(parts.values()) or not any(parts.values()):
        return None
    return ", ".join(name for name, there in parts.items() if not there)


def divergence(database_url: str, chain: Anvil, set_up: ChainSetUp) -> str | None:
    """How the database contradicts the chain; None if they agree."""
    if chain.rpc("eth_getCode", set_up.usdt_contract, "latest") == "0x":
        return "the token is not on the chain"
    scanned = asyncio.run(_last_scanned_block(database_url))
    if scanned is None:
        return None
    height, block_hash = scanned
    block = chain.rpc("eth_getBlockByNumber", hex(height), False)
    if block is None or block["hash"] != block_hash:
        return f"block {height} of the database is not on the chain"
    return None


def reset(home: Home) -> None:
    """Delete the stopped sandbox's data. Logs, letters and certificates stay."""
    postgres.remove(home.postgres)
    for directory in (home.anvil, home.receiver, home.signer):
        shutil.rmtree(directory, ignore_errors=True)
    for path in (home.secrets_file, home.chain_file, home.demo_file, home.interface_file):
        path.unlink(missing_ok=True)


async def _last_scanned_block(database_url: str) -> tuple[int, str] | None:
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("SELECT to_regclass('scanned_blocks')") is None:
            return None
        row = await connection.fetchrow(
            "SELECT height, hash FROM scanned_blocks WHERE network = $1 ORDER BY height DESC LIMIT 1", NETWORK
        )
        return None if row is None else (row["height"], row["hash"])
    finally:
        await connection.close()
