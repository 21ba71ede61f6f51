"""The whole audit log, by page: who did what, to whom, from where."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One entry of the log."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    merchant_id: str | None
    address: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """None leaves one out. `action` is the beginning of one, such as `withdrawal.`; the others are exact.

    `at_from` is inclusive, `at_to` exclusive.
    """

    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    merchant_id: str | None = None
    at_from: datetime | None = None
    at_to: datetime | None = None


async def page(filters: Filters, place: Place | None, limit: int) -> Page[Deed]:
    """A page by id, newest first.

    Each filter is added only where it is set, so that each combination gets a plan of its own.
    """
    comparison, order = direction(place)
    conditions, args = ["true"], list[object]()
    wanted = {
        "actor = {}": filters.actor,
        "action LIKE {}": None if filters.action is None else f"{database.like_literally(filters.action)}%",
        "subject = {}": filters.subject,
        "merchant_id = {}": filters.merchant_id,
        "at >= {}": filters.at_from,
        "at < {}": filters.at_to,
        f"id {comparison} {{}}": place.key[0] if place else None,
    }
    for condition, value in wanted.items():
        if value is not None:
            args.append(value)
            conditions.append(condition.format(f"${len(args)}"))
    rows: Sequence[Row] = await database.fetch_all(
        f"""
        SELECT id, at, actor, action, subject, merchant_id, address, details FROM audit_entries
        WHERE {" AND ".join(conditions)} ORDER BY id {order} LIMIT {limit + 1:d}
        """,
        *args,
    )
    return page_of(rows, limit, place, key=("id",), made=_deed)


def _deed(row: Row) -> Deed:
    return Deed(**{**dict(row), "details": json.loads(row["details"])})
