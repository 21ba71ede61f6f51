"""Every statement on `payment_links`, and what is counted of the invoices of a link.

All that counts is SQL: the builder can't count the rows of another table beside a row. Each statement but the
customer's names the merchant, by which its invoices are found too.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from app.core import database
from app.core.database import Row
from app.core.keyset import MOST_COUNTED, Page, Place, Total, direction, page_of
from app.core.statement import Command, Param, insert
from app.merchants import branding
from app.merchants.branding import Branding
from app.merchants.roles import Standing
from app.payment_links.states import GIVES_PAYMENT_BACK
from app.payment_links.tables import PaymentLink

MOST_TAKEN = 10_000
"""Taken payments are counted up to this number: more than a link may limit."""


class LinkRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `payment_links`."""

    id: str
    merchant: str
    mode: Literal["live", "test"]
    active: bool
    network: str | None
    currency: str
    amount_raw: int | None
    min_raw: int | None
    max_raw: int | None
    pay_in_assets: list[str] | None
    description: str | None
    max_payments: int | None
    expires_at: datetime | None
    success_url: str | None
    metadata: str
    created_at: datetime


class ShownLink(LinkRow, frozen=True, kw_only=True):
    """A link with the payments that its invoices take, counted up to MOST_TAKEN."""

    taken: int


class PublicLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link as its page shows it, with the merchant."""

    link: ShownLink
    merchant_name: str
    standing: Standing
    branding: Branding


class StatusCount(msgspec.Struct, frozen=True):
    """How many invoices of a link are in a status."""

    status: str
    count: int


class CreditedSum(msgspec.Struct, frozen=True):
    """What invoices of a link have credited in an asset, in minor units."""

    network: str
    asset: str
    credited_raw: int


_TAKEN = f"""(SELECT count(*) FROM (
        SELECT FROM invoices i WHERE i.merchant = l.merchant AND i.payment_link = l.id
            AND i.status NOT IN ({", ".join(f"'{state}'" for state in GIVES_PAYMENT_BACK)})
        LIMIT {MOST_TAKEN}
    ) taken)"""

_NAMES = LinkRow.__struct_fields__
_SELECT = f"SELECT {', '.join(f'l.{name}' for name in _NAMES)}, {_TAKEN} AS taken"


def _shown(row: Row) -> ShownLink:
    return ShownLink(**{name: row[name] for name in ShownLink.__struct_fields__})


async def add(link: LinkRow) -> None:
    """Write a new link, in the caller's transaction. Raises asyncpg.UniqueViolationError for an id that is taken."""
    await _ADD.run(**msgspec.structs.asdict(link))


_ADD = Command(insert(PaymentLink))


async def find(merchant_id: str, mode: str, link_id: str) -> ShownLink | None:
    """A merchant's link; None where it has no such link in this mode."""
    row = await database.fetch_one(
        f"{_SELECT} FROM payment_links l WHERE l.merchant = $1 AND l.mode = $2 AND l.id = $3",
        merchant_id,
        mode,
        link_id,
    )
    return None if row is None else _shown(row)


async def lock(merchant_id: str, link_id: str) -> Standing | None:
    """Lock a link in the caller's transaction, so that its invoices are made one after the other, and return where its
    merchant stands. What is read in a later statement is then true until the commit."""
    standing: Standing | None = await database.fetch_value(
        "SELECT m.status FROM payment_links l JOIN merchants m ON m.id = l.merchant"
        " WHERE l.merchant = $1 AND l.id = $2 FOR UPDATE OF l",
        merchant_id,
        link_id,
    )
    return standing


async def change(link: LinkRow) -> None:
    """Write what may change of a link that the caller has locked."""
    await _CHANGE.run(**msgspec.structs.asdict(link))


_CHANGE = Command(
    PaymentLink.update(
        {
            name: Param(name)
            for name in (
                "active",
                "amount_raw",
                "min_raw",
                "max_raw",
                "pay_in_assets",
                "description",
                "max_payments",
                "expires_at",
                "success_url",
                "metadata",
            )
        }
    ).where(PaymentLink.id == Param("id"), PaymentLink.merchant == Param("merchant"))
)


async def page(
    merchant_id: str, mode: str, place: Place | None, limit: int, *, active: bool | None = None
) -> Page[ShownLink]:
    """A page of a merchant's links, newest first; with `active`, only those that are switched on, or off."""
    comparison, order = direction(place)
    conditions, args = ["l.merchant = $1", "l.mode = $2"], [merchant_id, mode]
    if active is not None:
        conditions.append(f"l.active = {str(active).lower()}")
    if place is not None:
        conditions.append(f"(l.created_at, l.id) {comparison} ($3, $4)")
        args += place.key
    rows = await database.fetch_all(
        f"{_SELECT} FROM payment_links l WHERE {' AND '.join(conditions)}"
        f" ORDER BY l.created_at {order}, l.id {order} LIMIT {limit + 1:d}",
        *args,
    )
    return page_of(rows, limit, place, key=("created_at", "id"), made=_shown)


async def total(merchant_id: str, mode: str) -> Total:
    """How many links a merchant has."""
    counted: int = await database.fetch_value(
        f"SELECT count(*) FROM (SELECT FROM payment_links WHERE merchant = $1 AND mode = $2"
        f" LIMIT {MOST_COUNTED + 1:d}) counted",
        merchant_id,
        mode,
    )
    return Total(min(counted, MOST_COUNTED), counted <= MOST_COUNTED)


async def find_public(link_id: str) -> PublicLink | None:
    """A link as its customers see it."""
    row = await database.fetch_one(
        f"""
        {_SELECT}, m.name AS merchant_name, m.status AS standing, b.display_name, b.accent, b.logo_digest
        FROM payment_links l JOIN merchants m ON m.id = l.merchant
        LEFT JOIN merchant_branding b ON b.merchant = l.merchant
        WHERE l.id = $1
        """,
        link_id,
    )
    if row is None:
        return None
    return PublicLink(
        link=_shown(row),
        merchant_name=row["display_name"] or row["merchant_name"],
        standing=row["standing"],
        branding=branding.of_row(row),
    )


async def counts(merchant_id: str, link_id: str) -> Sequence[StatusCount]:
    """How many invoices a link has made, by status."""
    rows = await database.fetch_all(
        "SELECT status, count(*) FROM invoices WHERE merchant = $1 AND payment_link = $2 GROUP BY status",
        merchant_id,
        link_id,
    )
    return [StatusCount(*row) for row in rows]


async def credited(merchant_id: str, link_id: str) -> Sequence[CreditedSum]:
    """What the invoices of a link have credited, by asset."""
    rows = await database.fetch_all(
        "SELECT network, asset, sum(credited_raw) FROM invoices"
        " WHERE merchant = $1 AND payment_link = $2 AND credited_raw IS NOT NULL"
        " GROUP BY network, asset ORDER BY network, asset",
        merchant_id,
        link_id,
    )
    return [CreditedSum(row[0], row[1], int(row[2])) for row in rows]
