"""One address as operators look it up: whose it is now and was before, and what was sent to it and by us.

An address may be one of several networks of a kind: all of them are looked at.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.backoffice import invoices
from app.backoffice.invoices import ListedDeposit
from app.core import database
from app.networks.registry import Networks

MOST_LISTED = 50
"""Rows of each kind that the page shows."""


class PoolAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit address of ours. `invoice_id` is the invoice that holds it now, None where none does."""

    network: str
    address: str
    derivation_index: int
    lease_count: int
    invoice_id: str | None
    available_at: datetime


class ServedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice that asked for money at the address, now or before."""

    id: str
    status: str
    network: str
    merchant_id: str
    merchant_name: str
    created_at: datetime


class SentTo(msgspec.Struct, frozen=True, kw_only=True):
    """A payout or refund to the address, in whatever state."""

    id: str
    kind: str
    network: str
    asset: str
    amount_raw: int
    status: str
    merchant_id: str | None
    merchant_name: str | None
    created_at: datetime


class AddressDetails(msgspec.Struct, frozen=True, kw_only=True):
    """All that the books have of an address. `hot_wallets` are the networks whose hot wallet it is."""

    pools: Sequence[PoolAddress]
    hot_wallets: Sequence[str]
    served: Sequence[ServedInvoice]
    received: Sequence[ListedDeposit]
    sent: Sequence[SentTo]

    @property
    def is_known(self) -> bool:
        """Whether the books have anything of it."""
        return bool(self.pools or self.hot_wallets or self.served or self.received or self.sent)


async def details_of(text: str, networks: Networks) -> AddressDetails:
    """What the books have of an address, in any form in which people copy it."""
    forms, keys = networks.address_forms(text), [network.key for network in networks]
    return AddressDetails(
        pools=await _pools(keys, forms),
        hot_wallets=[network.key for network in networks if network.hot_wallet_address in forms],
        served=await _served(keys, forms),
        received=await invoices.deposits_at(keys, forms),
        sent=await _sent(keys, forms),
    )


async def _pools(networks: Sequence[str], addresses: Sequence[str]) -> list[PoolAddress]:
    # SQL: the two keys of an address are arrays.
    rows = await database.fetch_all(
        """
        SELECT network, address, derivation_index, lease_count, invoice_id, available_at FROM deposit_addresses
        WHERE network = ANY($1) AND address = ANY($2) ORDER BY network
        """,
        list(networks),
        list(addresses),
    )
    return [PoolAddress(**dict(row)) for row in rows]


async def _served(networks: Sequence[str], addresses: Sequence[str]) -> list[ServedInvoice]:
    """By the invoice itself, or by one of its quotes."""
    # SQL: a union of two ways to an invoice.
    rows = await database.fetch_all(
        """
        SELECT i.id, i.status, a.network, i.merchant AS merchant_id, m.name AS merchant_name, i.created_at
        FROM deposit_addresses a JOIN (
            SELECT deposit_address, id FROM invoices UNION SELECT deposit_address, invoice FROM quotes
        ) asked ON asked.deposit_address = a.id
        JOIN invoices i ON i.id = asked.id JOIN merchants m ON m.id = i.merchant
        WHERE a.network = ANY($1) AND a.address = ANY($2) ORDER BY i.created_at DESC, i.id LIMIT $3
        """,
        list(networks),
        list(addresses),
        MOST_LISTED,
    )
    return [ServedInvoice(**dict(row)) for row in rows]


async def _sent(networks: Sequence[str], addresses: Sequence[str]) -> list[SentTo]:
    # SQL: the two keys of an address are arrays.
    rows = await database.fetch_all(
        """
        SELECT w.id, w.kind, w.network, w.asset, w.amount_raw, w.status, w.merchant AS merchant_id,
            m.name AS merchant_name, w.created_at
        FROM withdrawals w LEFT JOIN merchants m ON m.id = w.merchant
        WHERE w.network = ANY($1) AND w.destination = ANY($2) ORDER BY w.created_at DESC, w.id LIMIT $3
        """,
        list(networks),
        list(addresses),
        MOST_LISTED,
    )
    return [SentTo(**{**row, "amount_raw": int(row["amount_raw"])}) for row in rows]
