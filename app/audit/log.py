"""Reading the audit log, by page: all of it for operators, one merchant's for its members (reports/activity_log.py)."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from piccolo.columns import Column
from piccolo.columns.combination import WhereRaw

from app.audit.tables import AuditEntry
from app.core import database
from app.core.keyset import Page, Place, Total
from app.core.statement import Listing, Param, select


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry. `actor` is `account:ACC-…`, `api_key:…`, `cli` or `system`; `details` is JSON."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    merchant_id: str | None
    address: str | None
    details: str

    @property
    def facts(self) -> dict[str, Any]:
        """`details`, decoded."""
        facts: dict[str, Any] = json.loads(self.details)
        return facts


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a list; None means any. `action` is a prefix, such as `withdrawal.`, and `areas` are prefixes of
    which one must fit; the others are exact.

    `at_from` is inclusive, `at_to` exclusive.
    """

    actor: str | None = None
    action: str | None = None
    areas: Sequence[str] | None = None
    subject: str | None = None
    merchant_id: str | None = None
    at_from: datetime | None = None
    at_to: datetime | None = None


async def page(filters: Filters, place: Place | None, limit: int) -> Page[Entry]:
    """A page by id, newest first."""
    return await _read(_BY_ID, filters, place, limit)


async def page_by_time(filters: Filters, place: Place | None, limit: int) -> Page[Entry]:
    """A page by (at, id), newest first."""
    return await _read(_BY_TIME, filters, place, limit)


async def total(filters: Filters) -> Total:
    """How many entries there are."""
    return await _BY_ID.total(**_values(filters))


async def _read(listing: Listing[Entry], filters: Filters, place: Place | None, limit: int) -> Page[Entry]:
    return await listing.page(place, limit, **_values(filters))


def _values(filters: Filters) -> dict[str, Any]:
    values = msgspec.structs.asdict(filters)
    if filters.action is not None:
        values["action"] = f"{database.like_literally(filters.action)}%"
    if filters.areas is not None:
        values["areas"] = [f"{database.like_literally(area)}%" for area in filters.areas]
    return values


def _list(*key: Column) -> Listing[Entry]:
    return Listing(
        lambda: select(AuditEntry, Entry),
        Entry,
        key=key,
        filters={
            "actor": AuditEntry.actor == Param("actor"),
            # LIKE, since the index over actions can't be used by starts_with().
            "action": WhereRaw("{} LIKE {}", AuditEntry.action, Param("action")),
            "areas": WhereRaw("{} LIKE ANY({})", AuditEntry.action, Param("areas")),
            "subject": AuditEntry.subject == Param("subject"),
            "merchant_id": AuditEntry.merchant_id == Param("merchant_id"),
            "at_from": AuditEntry.at >= Param("at_from"),
            "at_to": AuditEntry.at < Param("at_to"),
        },
    )


_BY_ID = _list(AuditEntry.id)
_BY_TIME = _list(AuditEntry.at, AuditEntry.id)
