"""Statements on `node_outages`: networks whose nodes can't be used now."""

from datetime import datetime

import msgspec

from app.core import database
from app.core.statement import Command, Param, Statement, select
from app.deposits.tables import NodeOutage


class Outage(msgspec.Struct, frozen=True):
    """Why no node of a network can be used, and since when. `is_syncing`: a node says that it is behind."""

    network: str
    reason: str
    is_syncing: bool
    since: datetime


async def begin(network: str, reason: str, *, is_syncing: bool, now: datetime) -> None:
    """Store that no node of a network can be used; one that goes on keeps its beginning."""
    # SQL, since the builder's ON CONFLICT takes no WHERE: nothing is written while the reason is the same.
    await database.execute(
        """
        INSERT INTO node_outages AS o (network, reason, is_syncing, since) VALUES ($1, $2, $3, $4)
        ON CONFLICT (network) DO UPDATE SET reason = excluded.reason, is_syncing = excluded.is_syncing
        WHERE o.reason <> excluded.reason
        """,
        network,
        reason,
        is_syncing,
        now,
    )


async def end(network: str) -> None:
    """Store that a node of a network can be used."""
    await _END.run(network=network)


_END = Command(NodeOutage.delete().where(NodeOutage.network == Param("network")))


async def outages() -> list[Outage]:
    """The networks whose nodes can't be used now."""
    return await _OUTAGES.all()


_OUTAGES = Statement(select(NodeOutage, Outage).order_by(NodeOutage.network), Outage)
