"""Every statement on `deposit_addresses`, except the lease that an invoice's creation takes
(invoices/creation_repository.py)."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from piccolo.columns.combination import WhereRaw
from piccolo.query.functions import Max

from app.addresses.tables import DepositAddress
from app.core import database
from app.core.statement import Param, Statement, any_of, select


class ReservedAddress(msgspec.Struct, frozen=True):
    """An address that is reserved for a process. `lease_count`: how often it was leased before."""

    id: int
    address: str
    lease_count: int


class Hold(msgspec.Struct, frozen=True):
    """For which process addresses are reserved, until when, and at most how many."""

    holder: str
    until: datetime
    count: int


class PoolAddress(msgspec.Struct, frozen=True):
    """An address of a network's pool."""

    id: int
    address: str


async def reserve(network: str, hold: Hold, now: datetime) -> list[ReservedAddress]:
    """Reserve free addresses, those that were released first; locked addresses are left out."""
    # SQL, since the builder writes the limit of a subquery as text, and it differs with each network. An array and not
    # IN, for which Postgres may read the whole pool.
    rows = await database.fetch_all(
        """
        UPDATE deposit_addresses SET reserved_by = $2, reserved_until = $3
        WHERE id = ANY(ARRAY(
            SELECT id FROM deposit_addresses
            WHERE network = $1 AND invoice_id IS NULL AND available_at <= $4
                AND (reserved_until IS NULL OR reserved_until <= $4)
            ORDER BY available_at, id LIMIT $5 FOR UPDATE SKIP LOCKED
        ))
        RETURNING id, address, lease_count
        """,
        network,
        hold.holder,
        hold.until,
        now,
        hold.count,
    )
    return [ReservedAddress(*row) for row in rows]


async def add(
    network: str, derived: Sequence[tuple[int, str]], now: datetime, hold: Hold | None = None
) -> list[ReservedAddress]:
    """Add derived addresses to a network's pool; those that another process added meanwhile are skipped. The first ones
    are reserved, and returned; the others are free."""
    # SQL, since the builder knows no INSERT from a SELECT.
    rows = await database.fetch_all(
        """
        INSERT INTO deposit_addresses (network, derivation_index, address, lease_count, available_at, created_at,
            reserved_by, reserved_until)
        SELECT $1, derived.index, derived.address, 0, $2, $2,
            CASE WHEN place <= $5 THEN $6::varchar END, CASE WHEN place <= $5 THEN $7::timestamptz END
        FROM unnest($3::int[], $4::text[]) WITH ORDINALITY AS derived (index, address, place)
        ON CONFLICT DO NOTHING
        RETURNING id, address, lease_count, reserved_by
        """,
        network,
        now,
        [index for index, _ in derived],
        [address for _, address in derived],
        0 if hold is None else hold.count,
        None if hold is None else hold.holder,
        None if hold is None else hold.until,
    )
    return [ReservedAddress(*reserved) for *reserved, holder in rows if holder is not None]


async def end_leases(leases: Sequence[tuple[int, str]], available_at: datetime) -> None:
    """End leases, each an address and the invoice that holds it; changes nothing of one that it does not hold."""
    # SQL, since the builder knows no UPDATE ... FROM.
    await database.execute(
        """
        UPDATE deposit_addresses SET invoice_id = NULL, available_at = $3
        FROM unnest($1::bigint[], $2::text[]) AS lease (address, invoice)
        WHERE deposit_addresses.id = lease.address AND deposit_addresses.invoice_id = lease.invoice
        """,
        [address_id for address_id, _ in leases],
        [invoice_id for _, invoice_id in leases],
        available_at,
    )


async def rest_free(network: str, available_at: datetime) -> int:
    """Lease none of the free addresses of a network before a moment. Returns how many there are."""
    return len(await _REST_FREE.all(network=network, available_at=available_at))


_REST_FREE = Statement(
    DepositAddress.update(
        {
            DepositAddress.available_at: Param("available_at"),
            DepositAddress.reserved_by: None,
            DepositAddress.reserved_until: None,
        }
    )
    .where(
        DepositAddress.network == Param("network"),
        DepositAddress.invoice_id.is_null(),
        DepositAddress.available_at < Param("available_at"),
    )
    .returning(DepositAddress.id),
    int,
)


async def every(network: str) -> list[str]:
    """Every address of a network's pool, in the order in which they were derived."""
    return await _EVERY.all(network=network)


_EVERY = Statement(
    DepositAddress.select(DepositAddress.address)
    .where(DepositAddress.network == Param("network"))
    .order_by(DepositAddress.derivation_index),
    str,
)


async def pool_size(network: str) -> int:
    """How many addresses of a network have been derived: indices run from 0 without a gap."""
    highest = await _HIGHEST_INDEX.first(network=network)
    return 0 if highest is None else highest + 1


_HIGHEST_INDEX = Statement(
    DepositAddress.select(Max(DepositAddress.derivation_index)).where(DepositAddress.network == Param("network")), int
)


async def among(network: str, addresses: Collection[str]) -> list[PoolAddress]:
    """Those of these addresses that belong to a network's pool: one index look-up each."""
    return await _AMONG.all(network=network, addresses=list(addresses))


async def spelled_among(network: str, addresses: Collection[str]) -> set[str]:
    """Those of these addresses that belong to a network's pool, in canonical form: one index look-up each. They may be
    given in lower case."""
    given = {address.lower() for address in addresses}
    return set(await _SPELLED_AMONG.all(network=network, addresses=list(given)))


_SPELLED_AMONG = Statement(
    DepositAddress.select(DepositAddress.address).where(
        DepositAddress.network == Param("network"),
        WhereRaw("lower({}) = ANY({})", DepositAddress.address, Param("addresses")),
    ),
    str,
)

_AMONG = Statement(
    select(DepositAddress, PoolAddress).where(
        DepositAddress.network == Param("network"), any_of(DepositAddress.address, Param("addresses"))
    ),
    PoolAddress,
)
