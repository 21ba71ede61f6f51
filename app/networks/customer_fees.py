"""What a payment costs a customer on each network: asked of the nodes once a minute, read by pages, which call no node.

One process looks at a time, in a loop of its own beside the watchers: a slow node delays no block. A network that gives
no answer keeps its last figure, which is too old to be shown after a while.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from app.core import clock, database
from app.core.advisory_lock import LockKey, work_in_turn
from app.core.logging import get_logger
from app.networks import repository
from app.networks.port import NetworkError
from app.networks.registry import Networks
from app.networks.repository import FeeLook

log = get_logger(__name__)

LOCK = LockKey(7_226_012)

LOOK_EVERY_S = 60.0

SHOWN_FOR = timedelta(minutes=15)
"""An older figure is not shown: fees double within a few minutes on a busy chain."""

REMEMBERED_S = 5
"""How long a process answers from what it has read."""


class CustomerFeeWatch:
    """Looks at the fees of all networks. Any number may run: the holder of the advisory lock works."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    async def run(self, stop: asyncio.Event) -> None:
        """Look once a minute until `stop` is set."""
        await work_in_turn(LOCK, self._look_then_pause_s, stop)

    async def look(self) -> None:
        """Ask every network what payments cost, and store the answers. Networks are asked at the same time, and one
        without an answer keeps what it has."""
        await asyncio.gather(*(self._look_at(network.key) for network in self._networks))

    async def _look_then_pause_s(self) -> float:
        await self.look()
        return LOOK_EVERY_S

    async def _look_at(self, key: str) -> None:
        try:
            fees = await self._networks.chain(key).customer_fees()
        except NetworkError as error:
            log.info("no_customer_fees", network=key, error=str(error))
            return
        if fees:
            await repository.record_fees(key, fees, clock.now())


class _Read(NamedTuple):
    """What was read, and when, by a clock that only measures."""

    at_s: float
    looks: Mapping[tuple[str, str], FeeLook]


_remembered: dict[str, _Read] = {}
"""By database."""


async def current(now: datetime) -> dict[tuple[str, str], FeeLook]:
    """What payments cost customers now, by network and asset. One query, remembered for some seconds; a network that
    was not asked within `SHOWN_FOR` is left out."""
    now_s, dsn, since = clock.monotonic_s(), database.dsn(), now - SHOWN_FOR
    read = _remembered.get(dsn)
    if read is None or now_s - read.at_s > REMEMBERED_S:
        looks = await repository.fees_since(since)
        read = _Read(now_s, {(look.network, look.asset): look for look in looks})
        _remembered[dsn] = read
    return {name: look for name, look in read.looks.items() if look.looked_at >= since}


def forget() -> None:
    """Read everything anew at the next call."""
    _remembered.clear()
