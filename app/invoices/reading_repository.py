"""Statements that read invoices as they are shown, with their deposits and their review.

All are SQL, since the builder can't aggregate the rows of other tables, and the modules of deposits and reviews are
above invoices.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from app.core import database
from app.core.database import Row
from app.core.keyset import MOST_COUNTED, Order, Page, Place, Total, direction, page_of
from app.core.searching import Places, Search
from app.core.statement import each_of
from app.invoices import search_repository
from app.invoices.pricing import FeePayer
from app.merchants import branding
from app.merchants.branding import Branding
from app.rates.rate import SourceFigure

T = TypeVar("T")

MOST_DUST = 20
"""The newest deposits of dust that an invoice shows: strangers can send any number of them."""

MOST_QUOTES = 20
"""The newest quotes that an invoice shows."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: an exact amount of an asset at an address. An invoice has the columns, and each quote."""

    network: str
    asset: str
    amount_raw: int
    service_fee_raw: int
    cent_tail: int
    pay_in_raw: int
    net_raw: int
    deposit_address: int
    address: str
    confirmations_required: int


class InvoiceRow(msgspec.Struct, frozen=True):
    """A row of `invoices`. What is asked for is None where the invoice has a price and nothing is chosen."""

    id: str
    merchant: str
    mode: Literal["live", "test"]
    status: str
    needs_review: bool
    network: str | None
    asset: str | None
    amount_raw: int | None
    service_fee_bps: int
    service_fee_raw: int | None
    fee_payer: FeePayer
    cent_tail: int | None
    pay_in_raw: int | None
    net_raw: int | None
    deposit_address: int | None
    address: str | None
    confirmations_required: int | None
    received_raw: int
    credited_raw: int | None
    service_fee_charged_raw: int | None
    refunded_raw: int
    description: str | None
    order_id: str | None
    holds_order_id: bool
    customer_id: str | None
    customer_email_hash: bytes | None
    success_url: str | None
    fail_url: str | None
    webhook_url: str | None
    metadata: str
    expires_at: datetime
    created_at: datetime
    paid_at: datetime | None
    accept_parts: bool
    price_raw: int | None
    price_currency: str | None
    pay_in_assets: list[str] | None
    quote: str | None
    quote_expires_at: datetime | None
    payment_link: str | None

    @property
    def asked(self) -> Asked | None:
        """What the invoice asks for now."""
        if self.network is None:
            return None
        row: Any = self  # its figures are there where the network is
        return Asked(
            network=row.network,
            asset=row.asset,
            amount_raw=row.amount_raw,
            service_fee_raw=row.service_fee_raw,
            cent_tail=row.cent_tail,
            pay_in_raw=row.pay_in_raw,
            net_raw=row.net_raw,
            deposit_address=row.deposit_address,
            address=row.address,
            confirmations_required=row.confirmations_required,
        )

    @property
    def pay_until(self) -> datetime:
        """Until when the payment must be made: the quote's end, where there is one."""
        return self.quote_expires_at or self.expires_at


class ShownInvoice(InvoiceRow, frozen=True):
    """An invoice with its deposits, its review and its quotes as JSON, None where there are none. A deposit has the
    height of its network's head.

    `worth_raw` is what the credit was worth then, in minor units of `worth_currency`; None where a part of it had no
    rate, or none was to be kept.
    """

    deposits: str | None
    review: str | None
    quotes: str | None
    worth_raw: int | None
    worth_currency: str | None


class ShownQuote(Asked, frozen=True, kw_only=True):
    """A quote with its rate: how much of the price's currency one whole asset is worth. `sources` are what it is made
    of, `rate_at` the time of the oldest of them."""

    id: str
    state: Literal["open", "ended"]
    spread_bps: int
    figure: Decimal
    sources: tuple[SourceFigure, ...]
    rate_at: datetime
    created_at: datetime
    expires_at: datetime


_decode_quotes = msgspec.json.Decoder(list[ShownQuote], strict=False).decode


def shown_quotes(quotes: str | None) -> list[ShownQuote]:
    """The quotes of a ShownInvoice: the current one first, then the newest."""
    return [] if quotes is None else _decode_quotes(quotes)


class PublicRow(msgspec.Struct, frozen=True):
    """An invoice with its merchant's name and branding, its frame's origins, and when its network was checked last."""

    invoice: ShownInvoice
    merchant_name: str
    branding: Branding
    frame_origins: list[str]
    network_checked_at: datetime | None
    network_halted: bool
    announced: list[str]
    """Transactions on that network that the page says were sent, and that neither a block nor a pool has shown."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Exact filters of the list; None leaves one out. `created_from` is inclusive, `created_to` exclusive. `search` is
    what a text means (app/reports/search.py)."""

    status: str | None = None
    network: str | None = None
    asset: str | None = None
    price_currency: str | None = None
    order_id: str | None = None
    customer_id: str | None = None
    customer_email_hash: bytes | None = None
    payment_link: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    search: Search | None = None


WORTH = """LATERAL (
        SELECT sum(w.worth_raw) AS worth_raw, min(w.currency) AS currency
        FROM deposits d LEFT JOIN worths w ON w.reference_type = 'deposit' AND w.kind = 'invoice_credit'
            AND w.reference_id
                = d.id || CASE WHEN d.times_reversed = 0 THEN '' ELSE '#' || (d.times_reversed + 1) END
        WHERE i.credited_raw IS NOT NULL AND d.invoice = i.id AND d.status = 'credited'
            AND ((d.network, d.asset) = (i.network, i.asset)) IS TRUE
        HAVING count(*) = count(w.id) AND count(DISTINCT w.currency) = 1
    ) worth ON true"""
"""What an invoice `i` was credited, by the worths of its deposits' bookings; no row where nothing was credited, or
one of them is not known. SQL for other statements: a booking has the name that app.deposits.bookings gives it.

`IS TRUE` keeps Postgres from looking the network up in an index, and so from reading all its deposits for each invoice.
"""

_SELECT = f"""
    SELECT {", ".join(f"i.{name}" for name in InvoiceRow.__struct_fields__)},
        (SELECT json_agg(json_build_object(
                'id', d.id, 'txid', d.txid, 'index', d.log_index, 'network', d.network, 'asset', d.asset,
                'head_height', coalesce((SELECT head_height FROM network_cursors c WHERE c.network = d.network), 0),
                'amount_raw', d.amount_raw::text, 'from_address', d.from_address, 'block_height', d.block_height,
                'status', d.status, 'gone_because', d.gone_because, 'replaced_by', d.replaced_by, 'verdict', d.verdict,
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
            ORDER BY r.status = 'open' DESC, coalesce(r.decided_at, r.opened_at) DESC, r.id DESC LIMIT 1) AS review,
        CASE WHEN i.price_raw IS NOT NULL THEN (SELECT json_agg(json_build_object(
                'id', q.id, 'network', q.network, 'asset', q.asset, 'amount_raw', q.amount_raw::text,
                'service_fee_raw', q.service_fee_raw::text, 'cent_tail', q.cent_tail,
                'pay_in_raw', q.pay_in_raw::text, 'net_raw', q.net_raw::text, 'deposit_address', q.deposit_address,
                'address', q.address, 'confirmations_required', q.confirmations_required, 'state', q.state,
                'created_at', to_char(q.created_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'expires_at', to_char(q.expires_at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                'spread_bps', q.spread_bps, 'figure', q.figure::text, 'sources', q.sources::json,
                'rate_at', to_char(q.at, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            ) ORDER BY q.id = i.quote DESC, q.created_at DESC, q.id)::text
            FROM (
                SELECT quotes.*, r.figure, r.at, r.sources FROM quotes JOIN used_rates r ON r.id = quotes.rate
                WHERE quotes.invoice = i.id
                ORDER BY quotes.id = i.quote DESC, quotes.created_at DESC, quotes.id LIMIT {MOST_QUOTES}
            ) q) END AS quotes,
        worth.worth_raw, worth.currency AS worth_currency
    FROM invoices i LEFT JOIN {WORTH}
    """

_IS_ASKED_FOR = f"i.id = ANY({each_of('$1')})"


async def find(invoice_ids: Sequence[str]) -> dict[str, ShownInvoice]:
    """Invoices of any merchants, by id; only those that there are."""
    rows = await database.fetch_all(f"{_SELECT} WHERE {_IS_ASKED_FOR}", invoice_ids)
    return {row["id"]: ShownInvoice(*row) for row in rows}


async def find_owned(asked: Sequence[tuple[str, str, str]]) -> list[ShownInvoice | None]:
    """The invoice of each (merchant, mode, invoice id), None where the merchant has no such invoice."""
    merchants, modes, invoice_ids = zip(*asked, strict=True)
    rows = await database.fetch_all(
        f"{_SELECT} WHERE {_IS_ASKED_FOR} AND i.merchant = ANY($2) AND i.mode = ANY($3)",
        invoice_ids,
        set(merchants),
        set(modes),
    )
    found = {(row["merchant"], row["mode"], row["id"]): row for row in rows}
    return [None if (row := found.get(one)) is None else ShownInvoice(*row) for one in asked]


async def find_public(invoice_ids: Sequence[str]) -> list[PublicRow | None]:
    """Each of these invoices as its customer sees it, None where there is none."""
    rows = await database.fetch_all(
        f"""
        SELECT shown.*, m.name AS merchant_name, m.frame_origins, b.display_name, b.accent, b.logo_digest,
            c.checked_at, c.halted_reason,
            ARRAY(
                SELECT a.txid FROM announced_transactions a
                WHERE a.invoice = shown.id AND a.network = shown.network
                    AND NOT EXISTS (SELECT FROM deposits d WHERE d.network = a.network AND d.txid = a.txid)
                ORDER BY a.number
            ) AS announced
        FROM ({_SELECT} WHERE {_IS_ASKED_FOR}) shown
        JOIN merchants m ON m.id = shown.merchant
        LEFT JOIN merchant_branding b ON b.merchant = shown.merchant
        LEFT JOIN network_cursors c ON c.network = shown.network
        """,
        invoice_ids,
    )
    found = {row["id"]: row for row in rows}
    return [None if (row := found.get(one)) is None else _public(row) for one in invoice_ids]


async def page(
    merchant_id: str,
    mode: str,
    filters: Filters,
    place: Place | None,
    limit: int,
    made: Callable[[ShownInvoice], T],
    *,
    order: Order = Order.NEWEST,
) -> Page[T]:
    """A page of a merchant's invoices; `made` converts each row."""
    conditions, args = _where(merchant_id, mode, filters, place, order)
    _, way = direction(place, oldest_first=order.is_ascending)
    in_order = f"ORDER BY {', '.join(f'i.{name} {way}' for name in order.key)} LIMIT {limit + 1:d}"
    if filters.search is not None:  # first which ones: a search may find hundreds, and what is shown of each costs more
        conditions = f"i.id = ANY(ARRAY(SELECT i.id FROM invoices i WHERE {conditions} {in_order}))"
    rows = await database.fetch_all(f"{_SELECT} WHERE {conditions} {in_order}", *args)
    return page_of(rows, limit, place, key=order.key, made=lambda row: made(ShownInvoice(*row)))


async def total(merchant_id: str, mode: str, filters: Filters) -> Total:
    """How many invoices a merchant has with these filters.

    Those that an index finds are read first, MOST_COUNTED of them at most; the others are filtered among these.
    """
    conditions, args = _where(merchant_id, mode, replace(filters, network=None, asset=None, price_currency=None))
    among = ["true"]
    for name in ("network", "asset", "price_currency"):
        if (value := getattr(filters, name)) is not None:
            args.append(value)
            among.append(f"{name} = ${len(args)}")
    row = await database.fetch_one(
        f"""
        SELECT count(*) FILTER (WHERE {" AND ".join(among)}) AS counted, count(*) AS read
        FROM (
            SELECT i.network, i.asset, i.price_currency FROM invoices i
            WHERE {conditions} ORDER BY i.created_at DESC, i.id DESC LIMIT {MOST_COUNTED + 1:d}
        ) newest
        """,
        *args,
    )
    assert row is not None, "an aggregate has a row"
    return Total(min(row["counted"], MOST_COUNTED), row["read"] <= MOST_COUNTED)


async def count(merchant_id: str, mode: str, filters: Filters, most: int | None) -> int:
    """How many of a merchant's invoices the filters leave; with `most`, no more than so many are counted."""
    conditions, args = _where(merchant_id, mode, filters, None)
    limit = "" if most is None else f"LIMIT {most:d}"
    found: int = await database.fetch_value(
        f"SELECT count(*) FROM (SELECT FROM invoices i WHERE {conditions} {limit}) counted", *args
    )
    return found


def _public(row: Row) -> PublicRow:
    return PublicRow(
        invoice=ShownInvoice(*row[:_SHOWN]),
        merchant_name=row["display_name"] or row["merchant_name"],
        branding=branding.of_row(row),
        frame_origins=row["frame_origins"],
        network_checked_at=row["checked_at"],
        network_halted=row["halted_reason"] is not None,
        announced=row["announced"],
    )


_SHOWN = len(ShownInvoice.__struct_fields__)


def _where(
    merchant_id: str, mode: str, filters: Filters, place: Place | None = None, order: Order = Order.NEWEST
) -> tuple[str, list[object]]:
    """The WHERE clause with only the filters that are set, so that each combination gets its own plan."""
    conditions = ["i.merchant = $1", "i.mode = $2"]
    args: list[object] = [merchant_id, mode]

    def add(condition: str, *values: object) -> None:
        places = [f"${len(args) + offset}" for offset in range(1, len(values) + 1)]
        conditions.append(condition.format(*places))
        args.extend(values)

    for name in ("status", "network", "asset", "price_currency", "order_id", "customer_id", "customer_email_hash"):
        if (value := getattr(filters, name)) is not None:
            add(f"i.{name} = {{}}", value)
            if name in ("order_id", "customer_id"):  # their index is of small letters, for the search
                add(f"lower(i.{name}) = lower({{}})", value)
    if filters.payment_link is not None:
        add("i.payment_link = {}", filters.payment_link)
    if filters.created_from is not None:
        add("i.created_at >= {}", filters.created_from)
    if filters.created_to is not None:
        add("i.created_at < {}", filters.created_to)
    if filters.search is not None:
        conditions.append(search_repository.condition(filters.search, Places(args)))
    if place is not None:
        comparison, _ = direction(place, oldest_first=order.is_ascending)
        add(f"({', '.join(f'i.{name}' for name in order.key)}) {comparison} ({{}}, {{}})", *place.key)
    return " AND ".join(conditions), args
