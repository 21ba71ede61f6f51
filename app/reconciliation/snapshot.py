"""A snapshot of the database, and the block of each network at which it is compared with the chain.

A run reads everything in one REPEATABLE READ transaction: later commits are not visible in it, so a run never sees
half of a payment. A network's block is the newest one that has the required confirmations in the snapshot and, where
the network credits final blocks only, is final: nodes that have no old states can tell only those exactly. The
watcher stores a block and its deposits in one transaction, so every transfer to us up to that block is in the
snapshot too; transfers above it are money in flight (checks/holdings.py).
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import msgspec

from app.core import database
from app.core.database import Row
from app.core.waiting import budget, waiting
from app.networks.config import NetworkConfig
from app.networks.port import NetworkError
from app.networks.registry import Networks

STATEMENT_TIMEOUT_S = 900
"""Sums over whole tables need longer than a request may take; tens of millions of rows need a few minutes."""


MAX_HEIGHT = 2**63 - 1


class NamedBlock(msgspec.Struct, frozen=True):
    """The block at which the ledgers are compared with a network."""

    network: str
    height: int
    hash: str


@asynccontextmanager
async def snapshot() -> AsyncIterator[None]:
    """A read-only transaction that reads one moment of the database. Make no network call inside."""
    async with database.transaction():
        await database.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        await database.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT_S}s'")
        yield


async def rows(sql: str, *args: object) -> Sequence[Row]:
    """Fetch the rows of a slow statement (up to STATEMENT_TIMEOUT_S) in the caller's snapshot."""
    with budget(STATEMENT_TIMEOUT_S), waiting():
        fetched: Sequence[Row] = await database.in_transaction().fetch(sql, *args, timeout=STATEMENT_TIMEOUT_S)
    return fetched


async def final_heights(networks: Networks) -> dict[str, int]:
    """The newest final block of each network that credits final blocks only. Calls nodes: before the snapshot. Networks
    whose nodes don't answer are left out, and those that have no final block."""
    heights = {}
    for network in networks:
        if network.require_finality:
            with suppress(NetworkError):
                height = await networks.chain(network.key).finality()
                if height >= 0:
                    heights[network.key] = height
    return heights


async def named_blocks(networks: Iterable[NetworkConfig], final: Mapping[str, int]) -> dict[str, NamedBlock]:
    """The block of each network that has been scanned, in the caller's snapshot. `final` is what `final_heights` has
    read: without it nothing is compared on a network that credits final blocks only."""
    named = {}
    for network in networks:
        if network.require_finality and network.key not in final:
            continue
        found = await rows(
            """
            SELECT b.height, b.hash FROM network_cursors c
            JOIN scanned_blocks b ON b.network = c.network
                AND b.height = greatest(least(c.scanned_height + 1 - $2, $3), c.start_height)
            WHERE c.network = $1
            """,
            network.key,
            network.confirmations,
            final.get(network.key, MAX_HEIGHT),
        )
        for row in found:
            named[network.key] = NamedBlock(network.key, row["height"], row["hash"])
    return named
