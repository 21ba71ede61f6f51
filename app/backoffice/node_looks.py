"""What a node says now of a transaction that the books have, to show both side by side.

It is asked for one page, in some seconds at the most and with no database transaction open; what it does not say in
that time is shown as not known.
"""

import asyncio

import msgspec

from app.core.logging import get_logger
from app.networks.port import Moved, NetworkError, TransactionState
from app.networks.registry import Networks, UnknownNetwork

LIMIT_S = 3.0
"""The longest that a page waits for a node."""

log = get_logger(__name__)


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """What the books have of a transfer. `block_height` is None while it is in no block."""

    network: str
    txid: str
    asset: str
    amount_raw: int
    to_address: str
    block_height: int | None


class NodeLook(msgspec.Struct, frozen=True, kw_only=True):
    """A node's answer about a booked transfer. `state` is None where no node answered. `moved` is the transfer in the
    node's transaction that is the booked one, None where it has none of this asset to this address."""

    booked: Booked
    state: TransactionState | None
    moved: Moved | None

    @property
    def same_amount(self) -> bool:
        """Whether the node has the booked amount at the booked address."""
        return self.moved is not None and self.moved.amount_raw == self.booked.amount_raw

    @property
    def same_block(self) -> bool:
        """Whether the node has it in the booked block, or both have it in none."""
        return self.state is not None and self.state.height == self.booked.block_height

    @property
    def agrees(self) -> bool:
        """Whether nothing that the node says differs from the books."""
        return self.same_amount and self.same_block and self.state is not None and self.state.succeeded


async def look(networks: Networks, booked: Booked) -> NodeLook:
    """Ask a node of the network about a transfer. Not inside a transaction; raises nothing for a node that is away."""
    state = await _state(networks, booked)
    same_place = [
        moved
        for moved in (() if state is None else state.moved)
        if moved.asset_symbol == booked.asset and moved.to_address == booked.to_address
    ]
    same = [moved for moved in same_place if moved.amount_raw == booked.amount_raw]
    return NodeLook(booked=booked, state=state, moved=next(iter(same or same_place), None))


async def _state(networks: Networks, booked: Booked) -> TransactionState | None:
    try:
        async with asyncio.timeout(LIMIT_S):
            return await networks.chain(booked.network).transaction(booked.txid)
    except (NetworkError, UnknownNetwork, TimeoutError) as error:
        log.warning("node_look_failed", network=booked.network, error=str(error) or type(error).__name__)
        return None
