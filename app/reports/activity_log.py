"""A merchant's audit log as its people read it: who did what, to what, from where.

What the platform's operators did to the merchant is in it, but not who of them it was, nor from where: that is in
the platform's own log.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.core import database
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One entry. `who` is a name: a person's, a key's, or what stands in for the platform. `about` names the subject
    where it is a person, a key or an endpoint, and else is empty."""

    id: int
    at: datetime
    actor: str
    who: str
    action: str
    subject: str
    about: str
    address: str | None
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """None leaves one out. `area` is the noun that an action begins with, such as `api_key`.

    `at_from` is inclusive, `at_to` exclusive.
    """

    actor: str | None = None
    area: str | None = None
    subject: str | None = None
    at_from: datetime | None = None
    at_to: datetime | None = None


async def page(merchant_id: str, filters: Filters, place: Place | None, limit: int) -> Page[Deed]:
    """A page of the log by (at, id), newest first."""
    conditions, args = ["e.merchant_id = $1"], list[object]([merchant_id])
    wanted = {
        "e.actor = {}": filters.actor,
        "starts_with(e.action, {})": None if filters.area is None else f"{filters.area}.",
        "e.subject = {}": filters.subject,
        "e.at >= {}": filters.at_from,
        "e.at < {}": filters.at_to,
    }
    for condition, value in wanted.items():
        if value is not None:
            args.append(value)
            conditions.append(condition.format(f"${len(args)}"))
    comparison, order = direction(place)
    if place is not None:
        args += place.key
        conditions.append(f"(e.at, e.id) {comparison} (${len(args) - 1}, ${len(args)})")
    rows = await database.fetch_all(
        f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY e.at {order}, e.id {order} LIMIT {limit + 1:d}", *args
    )
    return page_of(rows, limit, place, key=("at", "id"), made=_deed)


def _deed(row: Row) -> Deed:
    return Deed(**{**dict(row), "details": json.loads(row["details"])})


async def people(merchant_id: str) -> list[tuple[str, str]]:
    """Everybody who has done something at a merchant, by (actor, name): what a filter offers. No operators."""
    rows = await database.fetch_all(
        """
        SELECT DISTINCT a.name, e.actor FROM audit_entries e JOIN accounts a ON e.actor = 'account:' || a.id
        WHERE e.merchant_id = $1 AND (NOT a.is_operator OR EXISTS (
            SELECT FROM memberships p WHERE p.merchant = $1 AND p.account = a.id))
        ORDER BY a.name, e.actor
        """,
        merchant_id,
    )
    return [(row["actor"], row["name"]) for row in rows]


# An operator who also belongs to the merchant acts here as a colleague, and is named.
_SELECT = """
    SELECT e.id, e.at, e.action, e.subject, e.details,
        CASE WHEN o.is_foreign THEN 'operator' ELSE e.actor END AS actor,
        CASE WHEN o.is_foreign THEN NULL ELSE e.address END AS address,
        CASE WHEN o.is_foreign THEN 'An operator of the gateway'
            WHEN a.id IS NOT NULL THEN a.name
            WHEN k.id IS NOT NULL THEN 'API key ' || k.name
            ELSE 'The gateway' END AS who,
        coalesce(sa.name, sk.name, sw.url, '') AS about
    FROM audit_entries e
    LEFT JOIN accounts a ON e.actor = 'account:' || a.id
    LEFT JOIN api_keys k ON e.actor = 'api_key:' || k.id AND k.merchant = e.merchant_id
    LEFT JOIN accounts sa ON sa.id = e.subject AND e.action LIKE 'team.%'
    LEFT JOIN api_keys sk ON sk.id = e.subject AND sk.merchant = e.merchant_id
    LEFT JOIN webhook_endpoints sw ON sw.id = e.subject AND sw.merchant = e.merchant_id
    CROSS JOIN LATERAL (
        SELECT coalesce(a.is_operator, false) AND NOT EXISTS (
            SELECT FROM memberships p WHERE p.merchant = e.merchant_id AND p.account = a.id) AS is_foreign
    ) o
"""
