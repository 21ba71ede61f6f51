"""Leasing deposit addresses: a pool per network that grows to its cap, or a fresh address for each invoice.

A web process reserves a few addresses in one statement and uses them one by one, so that a creation needs no search
of its own. The statement that inserts the invoice (invoices/creation_repository.py) takes the lease, and checks that
the reservation still holds.
"""

import asyncio
import secrets
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from app.addresses import repository
from app.addresses.repository import Hold
from app.core import clock, database
from app.core.errors import ApiError, Code
from app.core.waiting import run_beside, waiting
from app.networks.config import NetworkConfig

RESERVATION = timedelta(seconds=60)
"""How long a process may reserve an address that it has not leased. The reservations of a crashed process end then."""

LAST_MOMENT = timedelta(seconds=5)
"""A reservation that ends within this time is not used any more."""

FEWEST_AHEAD, MOST_AHEAD = 10, 200
"""Addresses that one statement reserves. The least where few invoices are made, since what is not leased within
RESERVATION is reserved again. The most is what a busy process uses in half a second."""

GROW_BY = 200
"""Addresses made at a time when none is free."""

BUSY, QUIET = timedelta(seconds=1), timedelta(seconds=10)
"""A refill so soon after the last one brings twice as many, one so late half as many."""

DERIVE_FOR_S = 0.002
"""How long addresses are derived before other work of the event loop has its turn."""

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

    def __init__(self) -> None:
        self._drawn_holder = ""
        self._reserved: defaultdict[str, deque[Reservation]] = defaultdict(deque)
        self._refills: dict[str, asyncio.Task[None]] = {}
        self._demand: defaultdict[str, _Demand] = defaultdict(_Demand)

    async def take(self, network: NetworkConfig, now: datetime) -> Reservation:
        """An address to lease. Raises POOL_EXHAUSTED if none is free and the pool is at its cap.

        Not inside a transaction: the pool may have to grow, which commits. More are reserved in the
        background when a quarter is used, so that hardly any request waits.
        """
        reserved = self._reserved[network.key]
        while True:
            while reserved:
                reservation = reserved.popleft()
                if reservation.reserved_until - LAST_MOMENT > now:
                    if len(reserved) < self._demand[network.key].ahead_of(network) * 3 // 4:
                        self._refill(network)
                    return reservation
            with waiting():
                await asyncio.shield(self._refill(network))

    def give_back(self, network: NetworkConfig, reservation: Reservation) -> None:
        """Return an address that was taken but not leased: refused requests must not use up the pool."""
        self._reserved[network.key].appendleft(reservation)

    async def set_apart(self, network: NetworkConfig, until: datetime, now: datetime) -> int:
        """After a restored backup: lease no address before `until` that may have been leased after it.

        Those that are free by the books rest, and the next SET_APART are added, which rest as well: what customers
        pay to any of them is seen, and goes to review. Returns how many rest.
        """
        derived = await _derived(network, SET_APART)
        if derived:
            await repository.add(network.key, derived, now)
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
        count = self._demand[network.key].next_of(network, clock.now())
        while True:
            now = clock.now()
            hold = Hold(self._holder(), now + RESERVATION, count)
            found = await repository.reserve(network.key, hold, now)
            if not found:
                derived = await _derived(network, GROW_BY)
                if not derived:
                    raise ApiError(Code.POOL_EXHAUSTED, f"no {network.chain} address is free", retry_after_s=60)
                found = await repository.add(network.key, derived, now, hold)
            if found:  # else another process has added the same ones meanwhile
                self._reserved[network.key].extend(
                    Reservation(row.id, row.address, row.lease_count, hold.holder, hold.until) for row in found
                )
                return

    def _holder(self) -> str:
        """The name that this process reserves under. It is drawn for the first reservation: processes that are forked
        with one book need a name each."""
        if not self._drawn_holder:
            self._drawn_holder = secrets.token_hex(16)
        return self._drawn_holder


class _Demand:
    """How many addresses of a network one process reserves at a time."""

    def __init__(self) -> None:
        self._ahead = MOST_AHEAD
        self._refilled_at: datetime | None = None

    def ahead_of(self, network: NetworkConfig) -> int:
        """As many as the last time. Of a small pool few."""
        share = MOST_AHEAD if network.address_mode == "fresh" else max(1, network.pool_cap // 100)
        return min(self._ahead, share)

    def next_of(self, network: NetworkConfig, now: datetime) -> int:
        """As many as are reserved now: more where they are used up sooner."""
        if self._refilled_at is not None:
            since = now - self._refilled_at
            if since < BUSY:
                self._ahead = min(MOST_AHEAD, 2 * self._ahead)
            elif since > QUIET:
                self._ahead = max(FEWEST_AHEAD, self._ahead // 2)
        self._refilled_at = now
        return self.ahead_of(network)


async def _derived(network: NetworkConfig, count: int) -> list[tuple[int, str]]:
    """The next addresses of a network's pool and their indices, up to its cap.

    The event loop derives them, a few at a time. A thread would be slower for all: the libraries let Python's lock
    go for each step of arithmetic, and in a busy process it is milliseconds until they have it again.
    """
    first = await repository.pool_size(network.key)
    if network.address_mode != "fresh":
        count = min(count, network.pool_cap - first)
    if count <= 0:
        return []
    derived = [(first, await asyncio.to_thread(network.receiving_address, first))]  # it may import a library
    began_s = time.perf_counter()
    for index in range(first + 1, first + count):
        if time.perf_counter() - began_s > DERIVE_FOR_S:
            await asyncio.sleep(0)
            began_s = time.perf_counter()
        derived.append((index, network.receiving_address(index)))
    return derived


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
