"""Reading invoices. Everything a merchant may reach is scoped to the merchant and the mode."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from app.core import database
from app.core.batching import Batcher
from app.core.database import Row
from app.core.keyset import Page, Place, direction, page_of
from app.invoices.presentation import Due, InvoiceBody, InvoicePresenter
from app.merchants import branding
from app.merchants.branding import Branding
from app.networks.evm.address import normalise_address

MAX_TOGETHER = 50
MAX_READS = 3
"""Invoices that one SELECT reads for requests that wait together, and SELECTs at once in one process."""

_ID = re.compile(r"INV-[0-9A-Z]{1,16}", re.ASCII)
"""What an id may look like. Anything else is nobody's, and must not come among others' in one statement."""

MOST_DUST = 20
"""Deposits that are dust, the newest ones, in an invoice's answer: strangers can send as many as they like."""

_SELECT = f"""
    SELECT i.*,
        coalesce((SELECT head_height FROM network_cursors c WHERE c.network = i.network), 0) AS head_height,
        (SELECT json_agg(json_build_object(
                'id', d.id, 'txid', d.txid, 'index', d.log_index, 'asset', d.asset,
                'amount_raw', d.amount_raw::text, 'from_address', d.from_address, 'block_height', d.block_height,
                'status', d.status, 'verdict', d.verdict,
                'seen_at', to_char(d.seen_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            ) ORDER BY d.seen_at, d.id)::text
            FROM (
                SELECT *, row_number() OVER (PARTITION BY verdict = 'dust' ORDER BY seen_at DESC, id DESC) AS newest
                FROM deposits WHERE invoice = i.id
            ) d WHERE d.verdict <> 'dust' OR d.newest <= {MOST_DUST}) AS deposits,
        (SELECT json_build_object(
                'status', r.status, 'outcome', r.outcome, 'cause', r.verdict, 'deposit_id', r.deposit,
                'refund_id', r.refund_id,
                'opened_at', to_char(r.opened_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'decided_at', to_char(r.decided_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            )::text
            FROM reviews r WHERE r.invoice = i.id
            ORDER BY r.status = 'open' DESC, coalesce(r.decided_at, r.opened_at) DESC, r.id DESC LIMIT 1) AS review
    FROM invoices i
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicInvoice:
    """An invoice for its customer: with what is to be sent now, who asks for the money, and when its network was last
    looked at."""

    body: InvoiceBody
    due: Due
    accepts_parts: bool
    merchant_id: str
    merchant_name: str
    branding: Branding
    network_checked_at: datetime | None
    network_halted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Exact filters of the list; None leaves one out. `created_from` is inclusive, `created_to` exclusive.

    `search` is a whole id, order id, customer id, deposit address or transaction id.
    """

    status: str | None = None
    network: str | None = None
    asset: str | None = None
    order_id: str | None = None
    customer_id: str | None = None
    customer_email_hash: bytes | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    search: str | None = None


class InvoiceReader:
    """Reads invoices in their outside form. Belongs to one event loop; reads that come together are one statement."""

    def __init__(self, presenter: InvoicePresenter) -> None:
        self._presenter = presenter
        self._owned = Batcher(_find_owned, max_batch=MAX_TOGETHER, max_in_flight=MAX_READS)
        self._public = Batcher(_find_public, max_batch=MAX_TOGETHER, max_in_flight=MAX_READS)

    async def get(self, merchant_id: str, mode: str, invoice_id: str) -> InvoiceBody | None:
        """One invoice of a merchant, or None: another's looks like none. Not inside a transaction."""
        if not _ID.fullmatch(invoice_id):
            return None
        row = await self._owned.ask((merchant_id, mode, invoice_id))
        return None if row is None else self._body(row)

    async def get_any(self, invoice_id: str) -> InvoiceBody:
        """One invoice, whoever's: for our own use cases, inside their transaction."""
        row = await database.fetch_one(f"{_SELECT} WHERE i.id = $1", invoice_id)
        if row is None:
            raise LookupError(invoice_id)
        return self._body(row)

    async def get_public(self, invoice_id: str) -> PublicInvoice | None:
        """One invoice for whoever holds its payment link. Not inside a transaction."""
        row = await self._public.ask(invoice_id)
        if row is None:
            return None
        return PublicInvoice(
            body=self._body(row),
            due=self._presenter.due(row),
            accepts_parts=row["accept_parts"],
            merchant_id=row["merchant"],
            merchant_name=row["display_name"] or row["merchant_name"],
            branding=branding.of_row(row),
            network_checked_at=row["checked_at"],
            network_halted=row["halted_reason"] is not None,
        )

    async def page(
        self, merchant_id: str, mode: str, filters: Filters, place: Place | None, limit: int
    ) -> Page[InvoiceBody]:
        """A page by (created_at, id), newest first."""
        conditions, args = _where(merchant_id, mode, filters, place)
        _, order = direction(place)
        rows = await database.fetch_all(
            f"{_SELECT} WHERE {conditions} ORDER BY i.created_at {order}, i.id {order} LIMIT {limit + 1:d}", *args
        )
        return page_of(rows, limit, place, key=("created_at", "id"), made=self._body)

    def _body(self, row: Row) -> InvoiceBody:
        deposits: list[dict[str, Any]] = msgspec.json.decode(row["deposits"]) if row["deposits"] else []
        return self._presenter.body(row, deposits, row["head_height"])


async def _find_owned(asked: list[tuple[str, str, str]]) -> list[Row | None]:
    """The row of each (merchant, mode, invoice id), none where the invoice is another's."""
    merchants, modes, invoice_ids = zip(*asked, strict=True)
    rows = await database.fetch_all(
        f"{_SELECT} WHERE i.id = ANY($1) AND i.merchant = ANY($2) AND i.mode = ANY($3)",
        invoice_ids,
        set(merchants),
        set(modes),
    )
    found = {(row["merchant"], row["mode"], row["id"]): row for row in rows}
    return [found.get(question) for question in asked]


async def _find_public(invoice_ids: list[str]) -> list[Row | None]:
    rows = await database.fetch_all(
        f"""
        SELECT shown.*, m.name AS merchant_name, b.display_name, b.accent, b.logo_digest,
            c.checked_at, c.halted_reason
        FROM ({_SELECT} WHERE i.id = ANY($1)) shown
        JOIN merchants m ON m.id = shown.merchant
        LEFT JOIN merchant_branding b ON b.merchant = shown.merchant
        LEFT JOIN network_cursors c ON c.network = shown.network
        """,
        invoice_ids,
    )
    found = {row["id"]: row for row in rows}
    return [found.get(invoice_id) for invoice_id in invoice_ids]


def _as_kept(address: str) -> str:
    """An address in the form in which it is kept, if it is one; people copy EVM addresses in any case."""
    try:
        return normalise_address(address.lower())
    except ValueError:
        return address


# Each branch has an index that leads straight to what is found; an OR over them would read the merchant's invoices.
_SEARCH = """i.id IN (
        SELECT upper({})
        UNION ALL SELECT id FROM invoices WHERE merchant = $1 AND mode = $2 AND order_id = {}
        UNION ALL SELECT id FROM invoices WHERE merchant = $1 AND mode = $2 AND customer_id = {}
        UNION ALL SELECT v.id FROM invoices v JOIN deposit_addresses a ON a.id = v.deposit_address
            WHERE a.network = ANY(ARRAY(SELECT DISTINCT network FROM merchant_assets WHERE merchant = $1))
                AND a.address = {} AND v.merchant = $1
        UNION ALL SELECT d.invoice FROM deposits d
            WHERE d.network = ANY(ARRAY(SELECT DISTINCT network FROM merchant_assets WHERE merchant = $1))
                AND d.txid = lower({}) AND d.invoice IS NOT NULL
    )"""


async def holder_of_order_id(merchant_id: str, mode: str, order_id: str | None) -> str | None:
    """The id of the merchant's invoice that holds an order id: the one that is neither cancelled nor expired."""
    found: str | None = await database.fetch_value(
        "SELECT id FROM invoices WHERE merchant = $1 AND mode = $2 AND order_id = $3 AND holds_order_id",
        merchant_id,
        mode,
        order_id,
    )
    return found


async def pending_raw(merchant_id: str, mode: str) -> dict[tuple[str, str], int]:
    """What a merchant will be credited for exact deposits that still lack confirmations, by (network, asset)."""
    rows = await database.fetch_all(
        """
        SELECT network, asset, sum(net_raw) AS pending FROM invoices
        WHERE merchant = $1 AND mode = $2 AND status = 'confirming' GROUP BY network, asset
        """,
        merchant_id,
        mode,
    )
    return {(row["network"], row["asset"]): row["pending"] for row in rows}


def _where(merchant_id: str, mode: str, filters: Filters, place: Place | None) -> tuple[str, list[object]]:
    """The WHERE clause for just the filters that are set, so that each combination gets its own plan."""
    conditions = ["i.merchant = $1", "i.mode = $2"]
    args: list[object] = [merchant_id, mode]

    def add(condition: str, *values: object) -> None:
        places = [f"${len(args) + offset}" for offset in range(1, len(values) + 1)]
        conditions.append(condition.format(*places))
        args.extend(values)

    for name in ("status", "network", "asset", "order_id", "customer_id", "customer_email_hash"):
        if (value := getattr(filters, name)) is not None:
            add(f"i.{name} = {{}}", value)
    if filters.created_from is not None:
        add("i.created_at >= {}", filters.created_from)
    if filters.created_to is not None:
        add("i.created_at < {}", filters.created_to)
    if filters.search is not None:
        text = filters.search
        add(_SEARCH, text, text, text, _as_kept(text), text)
    if place is not None:
        comparison, _ = direction(place)
        add(f"(i.created_at, i.id) {comparison} ({{}}, {{}})", *place.key)
    return " AND ".join(conditions), args
