"""How far a server has written its log of changes (WAL), or as a standby has replayed it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

FetchRow = Callable[[str], Awaitable[Any]]
"""Runs a statement somewhere and returns its one row."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a server is in the WAL of its cluster. `position` counts bytes; `timeline` grows with each promotion, and
    `system` is the cluster's identifier. `started_at` tells a server from another one, and from itself before."""

    is_standby: bool
    position: int
    timeline: int
    system: int
    started_at: datetime


async def place(fetch_row: FetchRow) -> Place:
    """Where the server is. A transaction whose commit was answered before this was asked lies before the position of a
    primary; what lies before the position of a standby can be read there."""
    row = await fetch_row(_PLACE)
    return Place(
        is_standby=row["is_standby"],
        position=row["position"] if row["is_standby"] else _end_of_records(row["position"], row["segment"]),
        timeline=row["timeline"],
        system=row["system"],
        started_at=row["started_at"],
    )


class Role(msgspec.Struct, frozen=True):
    """As whom a connection reads."""

    name: str
    is_superuser: bool


async def role(fetch_row: FetchRow) -> Role:
    """The role of a connection."""
    row = await fetch_row("SELECT rolname AS name, rolsuper AS is_superuser FROM pg_roles WHERE rolname = current_user")
    return Role(**row)


_PLACE = """
    SELECT pg_is_in_recovery() AS is_standby,
        (CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0')
            ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn)::bigint AS position,
        CASE WHEN pg_is_in_recovery()
            THEN greatest(
                checkpoint.timeline_id,
                recovery.min_recovery_end_timeline,
                (SELECT received_tli FROM pg_stat_wal_receiver)
            )
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END AS timeline,
        pg_size_bytes(current_setting('wal_segment_size'))::bigint AS segment,
        (SELECT system_identifier FROM pg_control_system()) AS system,
        pg_postmaster_start_time() AS started_at
    FROM pg_control_checkpoint() checkpoint, pg_control_recovery() recovery
"""
"""The timeline of a standby is the newest one that it says: of its last restart point, of what it has flushed, and of
what it receives, which only roles with pg_read_all_stats may read."""

_PAGE = 8192
_PAGE_HEADER, _SEGMENT_HEADER = 24, 40
"""Bytes before the first record of a page, and of a segment (PostgreSQL, access/xlog_internal.h)."""


def _end_of_records(position: int, segment: int) -> int:
    """The end of the last record before an insert position: that may lie after the header of a page without records,
    and an idle primary's standby would never get there."""
    if position % segment == _SEGMENT_HEADER:
        return position - _SEGMENT_HEADER
    if position % _PAGE == _PAGE_HEADER:
        return position - _PAGE_HEADER
    return position
