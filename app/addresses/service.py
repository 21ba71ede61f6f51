"""Leasing deposit addresses: a pool per network that grows to its cap, or a fresh address for each invoice.

A web process reserves a few addresses in one statement and uses them one by one, so that a creation needs no search
of its own. The statement that inserts the invoice (invoices/creation_repository.py) takes the lease, and checks that
the reservation still holds.
"""

import asyncio
import secrets
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from app.addresses import repository
from app.core import clock, database
from app.core.errors import ApiError, Code
from app.core.waiting import run_beside, waiting
from app.networks.config import NetworkConfig
from app.networks.port import Chain
from app.networks.registry import Networks

RESERVATION = timedelta(seconds=60)
"""How long a process may reserve an address that it has not leased. The reservations of a crashed process end then."""

LAST_MOMENT = timedelta(seconds=5)
"""A reservation that ends within this time is not used any more."""

RESERVE_AHEAD = 100
GROW_BY = 200
"""Addresses reserved by one statement, and made at a time when none is free."""

DERIVED_AT_ONCE = 20
"""Addresses of one piece of elliptic-curve arithmetic: 0.1 ms each, less in all than Python's switch interval."""

SET_APART = 400
"""Addresses beyond those of a restored backup that may have been made after it: a pool grows by GROW_BY at a time."""


class Reservation(msgspec.Struct, frozen=True):
    """An address that this process may lease until `reserved_until`."""

    id: int
    address: str
    lease_count: int
    holder: str
    reserved_until: datetime


class AddressBook:
    """One process's reservations. Safe for many tasks of one event loop."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._drawn_holder = ""
        self._reserved: defaultdict[str, deque[Reservation]] = defaultdict(deque)
        self._refills: dict[str, asyncio.Task[None]] = {}

    async def take(self, network: NetworkConfig, now: datetime) -> Reservation:
        """An address to lease. Raises POOL_EXHAUSTED if none is free and the pool is at its cap.

        Not inside a transaction: the pool may have to grow, which commits. More are reserved in the
        background before the last one is used, so that hardly any request waits.
        """
        reserved = self._reserved[network.key]
        while True:
            while reserved:
                reservation = reserved.popleft()
                if reservation.reserved_until - LAST_MOMENT > now:
                    if len(reserved) < _ahead(network) // 2:
                        self._refill(network)
                    return reservation
            async with waiting():
                await asyncio.shield(self._refill(network))

    def give_back(self, network: NetworkConfig, reservation: Reservation) -> None:
        """Return an address that was taken but not leased: refused requests must not use up the pool."""
        self._reserved[network.key].appendleft(reservation)

    async def set_apart(self, network: NetworkConfig, until: datetime, now: datetime) -> int:
        """After a restored backup: lease no address before `until` that may have been leased after it.

        Those that are free by the books rest, and the next SET_APART are added, which rest as well: what customers
        pay to any of them is seen, and goes to review. Returns how many rest.
        """
        size = await repository.pool_size(network.key)
        room = SET_APART if network.address_mode == "fresh" else network.pool_cap - size
        if (count := min(SET_APART, room)) > 0:
            await repository.add(network.key, await self._derived(network, size, count), now)
        return await repository.rest_free(network.key, until)

    async def close(self) -> None:
        """Wait for refills that run. The reservations of addresses that were not leased end by themselves."""
        await asyncio.gather(*self._refills.values(), return_exceptions=True)

    def _refill(self, network: NetworkConfig) -> asyncio.Task[None]:
        """The refill that is under way, or a new one."""
        task = self._refills.get(network.key)
        if task is None or task.done():
            task = run_beside(self._reserve_more(network), name=f"refill {network.key}")
            task.add_done_callback(lambda done: done.cancelled() or done.exception())  # else asyncio logs it
            self._refills[network.key] = task
        return task

    async def _reserve_more(self, network: NetworkConfig) -> None:
        while True:
            now = clock.now()
            found = await reserve(network, self._holder(), now)
            if found:
                self._reserved[network.key].extend(found)
                return
            if not await self._grow(network, now):
                raise ApiError(Code.POOL_EXHAUSTED, f"no {network.chain} address is free", retry_after_s=60)

    def _holder(self) -> str:
        """The name that this process reserves under. It is drawn for the first reservation: processes that are forked
        with one book need a name each."""
        if not self._drawn_holder:
            self._drawn_holder = secrets.token_hex(16)
        return self._drawn_holder

    async def _grow(self, network: NetworkConfig, now: datetime) -> bool:
        """Add addresses to a network's pool; False if it is at its cap."""
        size = await repository.pool_size(network.key)
        count = GROW_BY if network.address_mode == "fresh" else min(GROW_BY, network.pool_cap - size)
        if count <= 0:
            return False
        await repository.add(network.key, await self._derived(network, size, count), now)
        return True

    async def _derived(self, network: NetworkConfig, first: int, count: int) -> list[tuple[int, str]]:
        """Addresses and their indices. A thread derives them, but Python runs one thread at a time: in one piece, the
        event loop would wait for tens of milliseconds."""
        chain = self._networks.chain(network.key)
        derived: list[tuple[int, str]] = []
        while (left := count - len(derived)) > 0:
            start = first + len(derived)
            piece = range(start, start + min(left, DERIVED_AT_ONCE))
            derived += await asyncio.to_thread(_derive, chain, piece)
        return derived


def _derive(chain: Chain, indices: Iterable[int]) -> list[tuple[int, str]]:
    return [(index, chain.derive_address(index)) for index in indices]


def _ahead(network: NetworkConfig) -> int:
    """How many addresses a process reserves at a time. Of a small pool it reserves few."""
    share = RESERVE_AHEAD if network.address_mode == "fresh" else network.pool_cap // 100
    return max(1, min(RESERVE_AHEAD, share))


async def reserve(network: NetworkConfig, holder: str, now: datetime) -> list[Reservation]:
    """Reserve free addresses, those that were released first."""
    until = now + RESERVATION
    rows = await repository.reserve(network.key, holder, reserved_until=until, limit=_ahead(network), now=now)
    return [Reservation(row.id, row.address, row.lease_count, holder, until) for row in rows]


async def release(address_id: int, invoice_id: str, network: NetworkConfig, now: datetime) -> None:
    """`release_all` of one lease."""
    await release_all([(address_id, invoice_id)], network, now)


async def release_all(leases: Sequence[tuple[int, str]], network: NetworkConfig, now: datetime) -> None:
    """End leases, each an address and its invoice, in the caller's transaction; the addresses have a cool-down before
    they are leased again.

    A fresh address is never leased again. Does nothing where the invoice does not hold the address.
    """
    database.in_transaction()
    if network.address_mode == "fresh" or not leases:
        return
    await repository.end_leases(leases, now + timedelta(minutes=network.cool_down_minutes))
