"""The operators' search: over all merchants, by ids, addresses, transactions and names."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core import database, search_text
from app.core.search_text import LEAST_PART, LEAST_START, SearchText
from app.core.searching import Places, Search
from app.invoices import search_repository as invoices
from app.networks.recognition import recognise
from app.networks.registry import Networks
from app.withdrawals import search_repository as withdrawals


class FoundPayment(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice, payout or refund of any merchant. The amount is in minor units of the asset, or of the currency where
    the invoice has a price; `network` and `asset` are None where nothing is chosen yet."""

    id: str
    merchant_id: str | None
    merchant_name: str | None
    mode: str
    status: str
    network: str | None
    asset: str | None
    amount_raw: int
    currency: str | None
    created_at: datetime


class FoundMerchant(msgspec.Struct, frozen=True, kw_only=True):
    """A merchant."""

    id: str
    name: str
    status: str


class FoundAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert. `is_open`: nobody has acknowledged it."""

    id: int
    severity: str
    message: str
    is_open: bool


class Everything(msgspec.Struct, frozen=True, kw_only=True):
    """What was found over all merchants, newest first, at most the asked number of each.

    `address` is an address of ours or one that we have paid, as it is stored, where the text is one.
    """

    invoices: Sequence[FoundPayment]
    payouts: Sequence[FoundPayment]
    refunds: Sequence[FoundPayment]
    merchants: Sequence[FoundMerchant]
    alerts: Sequence[FoundAlert]
    address: str | None


NEWEST_ALERTS = 1_000
"""The newest alerts in whose messages a text is looked for."""


async def search_everything(text: str, networks: Networks, *, limit: int) -> Everything:
    """Everything of all merchants that matches, at most `limit` of each kind. The caller is an operator."""
    read = search_text.read(text)
    is_address = recognise(read.text) is not None
    search = Search(
        text=read, addresses=[form.lower() for form in networks.address_forms(read.text)] if is_address else ()
    )
    return Everything(
        invoices=await _invoices(search, limit),
        payouts=await _withdrawals("payout", search, limit),
        refunds=await _withdrawals("refund", search, limit),
        merchants=await _merchants(read, limit),
        alerts=await _alerts(read, limit),
        address=await _address(search),
    )


async def _invoices(search: Search, limit: int) -> list[FoundPayment]:
    place = Places([limit])
    condition = invoices.condition_everywhere(search, place)
    rows = await database.fetch_all(
        f"""
        SELECT i.id, i.merchant AS merchant_id, m.name AS merchant_name, i.mode, i.status, i.network, i.asset,
            coalesce(i.price_raw, i.amount_raw) AS amount_raw, i.price_currency AS currency, i.created_at
        FROM invoices i JOIN merchants m ON m.id = i.merchant WHERE {condition}
        ORDER BY i.created_at DESC, i.id DESC LIMIT $1
        """,
        *place.args,
    )
    return [FoundPayment(**{**row, "amount_raw": int(row["amount_raw"])}) for row in rows]


async def _withdrawals(kind: withdrawals.Kind, search: Search, limit: int) -> list[FoundPayment]:
    place = Places([limit])
    condition = withdrawals.condition_everywhere(search, kind, place)
    rows = await database.fetch_all(
        f"""
        SELECT w.id, w.merchant AS merchant_id, m.name AS merchant_name, w.mode, w.status, w.network, w.asset,
            w.amount_raw, NULL AS currency, w.created_at
        FROM withdrawals w LEFT JOIN merchants m ON m.id = w.merchant WHERE {condition}
        ORDER BY w.created_at DESC, w.id DESC LIMIT $1
        """,
        *place.args,
    )
    return [FoundPayment(**{**row, "amount_raw": int(row["amount_raw"])}) for row in rows]


async def _merchants(text: SearchText, limit: int) -> list[FoundMerchant]:
    """By a part of the name, of the id, or of a member's email address."""
    if len(text.lower) < LEAST_START:
        return []
    rows = await database.fetch_all(
        """
        SELECT id, name, status FROM merchants m
        WHERE name ILIKE $1 OR starts_with(id, 'MCH-' || $2) OR EXISTS (
            SELECT 1 FROM memberships p JOIN accounts a ON a.id = p.account
            WHERE p.merchant = m.id AND a.email ILIKE $1)
        ORDER BY lower(name) LIMIT $3
        """,
        f"%{database.like_literally(text.text)}%",
        text.id_part if text.id_part and text.id_kind in ("", "MCH") else "no id",
        limit,
    )
    return [FoundMerchant(**row) for row in rows]


async def _alerts(text: SearchText, limit: int) -> list[FoundAlert]:
    """By a part of the message, or of what it is about."""
    if len(text.lower) < LEAST_PART:
        return []
    rows = await database.fetch_all(
        """
        SELECT id, severity, message, acknowledged_at IS NULL AS is_open
        FROM (SELECT * FROM alerts ORDER BY id DESC LIMIT $2) newest
        WHERE strpos(lower(message || ' ' || dedupe_key || ' ' || details), $1) > 0
        ORDER BY is_open DESC, id DESC LIMIT $3
        """,
        text.lower,
        NEWEST_ALERTS,
        limit,
    )
    return [FoundAlert(**row) for row in rows]


async def _address(search: Search) -> str | None:
    if not search.addresses:
        return None
    found: str | None = await database.fetch_value(
        """
        SELECT address FROM deposit_addresses WHERE lower(address) = ANY($1::text[])
        UNION ALL SELECT destination FROM withdrawals WHERE lower(destination) = ANY($1::text[]) LIMIT 1
        """,
        search.addresses,
    )
    return found
