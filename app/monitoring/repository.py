"""Reads of several nouns' tables for `/readyz` and `/metrics`."""

from datetime import datetime

import msgspec
from piccolo.query.functions import Count
from piccolo.querystring import QueryString

from app.addresses.tables import DepositAddress
from app.api_keys.tables import ApiKey
from app.core import database
from app.core.statement import Param, Statement
from app.deposits.tables import NetworkCursor
from app.events.tables import Event
from app.merchants.tables import Switch
from app.webhooks.tables import WebhookEndpoint


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a network's watcher. `checked_at`: when it last read the head from its node."""

    network: str
    scanned_height: int
    head_height: int
    checked_at: datetime
    halted: bool

    @property
    def lag_blocks(self) -> int:
        """Blocks that exist and are not scanned yet."""
        return max(0, self.head_height - self.scanned_height)


class WaitingDeliveries(msgspec.Struct, frozen=True):
    """Pending deliveries of enabled endpoints. `overdue_s` is negative if none is due yet."""

    pending: int
    overdue_s: float


class Archiver(msgspec.Struct, frozen=True):
    """How Postgres archives its WAL. `archived_at`: when the last segment was archived, or since when none was.
    `fails`: the last attempt has failed."""

    archived_at: datetime
    fails: bool


class AddressUse(msgspec.Struct, frozen=True):
    """How many deposit addresses of a network were made, and how many of them are leased to invoices."""

    network: str
    made: int
    leased: int


async def network_states() -> list[NetworkState]:
    """The state of every network that a watcher has started on."""
    return await _NETWORK_STATES.all()


_NETWORK_STATES = Statement(
    NetworkCursor.select(
        NetworkCursor.network,
        NetworkCursor.scanned_height,
        NetworkCursor.head_height,
        NetworkCursor.checked_at,
        QueryString("{} IS NOT NULL", NetworkCursor.halted_reason, alias="halted"),
    ).order_by(NetworkCursor.network),
    NetworkState,
)


async def unnumbered_events() -> int:
    """Committed events that the sequencer has not numbered yet."""
    return await _UNNUMBERED.one()


_UNNUMBERED = Statement(Event.select(Count()).where(Event.seq.is_null()), int)


async def archiver() -> Archiver | None:
    """The state of WAL archiving; None where it is off."""
    # SQL, since it is a view of Postgres's own.
    row = await database.fetch_one(
        """
        SELECT coalesce(last_archived_time, stats_reset) AS archived_at,
            coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) AS fails
        FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'
        """
    )
    return None if row is None else Archiver(row["archived_at"], row["fails"])


async def waiting_deliveries(now: datetime) -> WaitingDeliveries:
    """Count pending deliveries. Reads the partial index of pending rows: there can be millions of others."""
    # SQL, since the builder knows no EXTRACT and aggregates over two tables.
    row = await database.fetch_one(
        """
        SELECT count(*) AS pending,
            COALESCE(EXTRACT(epoch FROM $1::timestamptz - min(d.next_attempt_at)), 0)::float8 AS overdue_s
        FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint
        WHERE d.status = 'pending' AND e.status = 'enabled'
        """,
        now,
    )
    assert row is not None
    return WaitingDeliveries(row["pending"], row["overdue_s"])


async def paused_endpoints() -> int:
    """Webhook endpoints that were paused after failures."""
    return await _PAUSED_ENDPOINTS.one()


_PAUSED_ENDPOINTS = Statement(WebhookEndpoint.select(Count()).where(WebhookEndpoint.status == "paused"), int)


async def locked_api_keys(now: datetime) -> int:
    """API keys under lockout."""
    return await _LOCKED_KEYS.one(now=now)


_LOCKED_KEYS = Statement(ApiKey.select(Count()).where(ApiKey.locked_until > Param("now")), int)


async def address_uses() -> list[AddressUse]:
    """The use of deposit addresses, one row per network."""
    return await _ADDRESS_USES.all()


_ADDRESS_USES = Statement(
    DepositAddress.select(
        DepositAddress.network, Count(alias="made"), Count(DepositAddress.invoice_id, alias="leased")
    ).group_by(DepositAddress.network),
    AddressUse,
)


async def paused_switches() -> list[str]:
    """The names of the switches that operators have paused."""
    return await _PAUSED_SWITCHES.all()


_PAUSED_SWITCHES = Statement(Switch.select(Switch.name), str)


GROWING = ("invoices", "deposits", "ledger_entries", "events", "webhook_deliveries", "webhook_attempts")
"""The tables that get rows with every payment."""


async def table_sizes() -> dict[str, int]:
    """The bytes on disk of each of the GROWING tables, with indexes and partitions."""
    # SQL: functions of the catalogue.
    rows = await database.fetch_all(
        """
        SELECT name, pg_total_relation_size(name::regclass) + (
            SELECT coalesce(sum(pg_total_relation_size(relid)), 0) FROM pg_partition_tree(name::regclass)
            WHERE level > 0)::bigint AS bytes
        FROM unnest($1::text[]) AS name
        """,
        GROWING,
    )
    return {row["name"]: row["bytes"] for row in rows}
