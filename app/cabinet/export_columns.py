"""What the columns of exports hold: the heads, and the cells of a row (docs/exports.md).

Every amount has two columns, named as in the API: `_decimal`, and `_raw` in the asset's minor unit. Every time is
RFC 3339 in UTC; those that people look for stand once more in their own zone, which `time_zone` names.
"""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from app.core.money import format_amount
from app.core.zones import name_of
from app.invoices.presentation import InvoiceBody
from app.ledger.hashchain import Entry
from app.networks.registry import Networks
from app.worth.presentation import WorthBody


def units(*names: str) -> list[str]:
    """The two columns of each amount."""
    return [f"{name}_{unit}" for name in names for unit in ("decimal", "raw")]


INVOICE_AMOUNTS = ("service_fee", "net", "received", "credited", "service_fee_charged", "refunded")

INVOICE_COLUMNS = [
    "id",
    "status",
    "needs_review",
    "order_id",
    "customer_id",
    "description",
    "chain",
    "asset",
    *units("amount", "pay_in_amount", *INVOICE_AMOUNTS),
    "price",
    "price_currency",
    "worth",
    "worth_currency",
    "deposit_address",
    "txids",
    "created_at",
    "expires_at",
    "paid_at",
    "created_local",
    "paid_local",
    "time_zone",
]

WITHDRAWAL_COLUMNS = [
    "id",
    "status",
    "chain",
    "asset",
    *units("amount", "fee"),
    "worth",
    "worth_currency",
    "txid",
    "status_reason",
    "created_at",
    "approved_at",
    "submitted_at",
    "settled_at",
    "created_local",
    "settled_local",
    "time_zone",
]

ENTRY_AMOUNTS = ("available_delta", "locked_delta", "available_after", "locked_after")

ENTRY_COLUMNS = [
    "seq",
    "kind",
    *units(*ENTRY_AMOUNTS),
    "reference_type",
    "reference_id",
    "prev_hash",
    "hash",
    "created_at",
    "created_local",
    "time_zone",
]


def invoice_cells(invoice: InvoiceBody, networks: Networks, zone: tzinfo) -> list[Any]:
    """The cells of an invoice. Amounts in an asset are empty while none is chosen."""
    pay_in, price = invoice.pay_in, invoice.price
    asset = networks.asset(pay_in.chain, invoice.mode, pay_in.asset) if pay_in else None
    amounts = [getattr(invoice, f"{name}_raw") for name in INVOICE_AMOUNTS]
    return [
        invoice.id,
        invoice.status.value,
        "yes" if invoice.needs_review else "no",
        invoice.order_id,
        invoice.customer_id,
        invoice.description,
        pay_in.chain if pay_in else None,
        pay_in.asset if pay_in else None,
        invoice.amount_decimal,
        invoice.amount_raw,
        pay_in.amount_decimal if pay_in else None,
        pay_in.amount_raw if pay_in else None,
        *(_in_both_units(amounts, asset.decimals) if asset else [None] * 2 * len(amounts)),
        price.amount_decimal if price else None,
        price.currency if price else None,
        *_worth_cells(invoice.worth),
        pay_in.address if pay_in else None,
        " ".join(deposit.txid for deposit in invoice.deposits),
        invoice.created_at,
        invoice.expires_at,
        invoice.paid_at,
        _local(invoice.created_at, zone),
        _local(invoice.paid_at, zone),
        name_of(zone),
    ]


def withdrawal_cells(one: Any, zone: tzinfo) -> list[Any]:
    """The cells that a payout and a refund have in common."""
    return [
        one.id,
        one.status.value,
        one.chain,
        one.asset,
        one.amount_decimal,
        one.amount_raw,
        one.fee_decimal,
        one.fee_raw,
        *_worth_cells(one.worth),
        one.txid,
        one.status_reason,
        one.created_at,
        one.approved_at,
        one.submitted_at,
        one.settled_at,
        _local(one.created_at, zone),
        _local(one.settled_at, zone),
        name_of(zone),
    ]


def entry_cells(entry: Entry, decimals: int, zone: tzinfo) -> list[Any]:
    """The cells of a ledger's entry."""
    return [
        entry.seq,
        entry.kind,
        *_in_both_units([getattr(entry, f"{name}_raw") for name in ENTRY_AMOUNTS], decimals),
        entry.reference.type,
        entry.reference.id,
        entry.prev_hash,
        entry.hash,
        entry.created_at,
        _local(entry.created_at, zone),
        name_of(zone),
    ]


def _in_both_units(amounts_raw: Sequence[str | None], decimals: int) -> list[str | None]:
    cells: list[str | None] = []
    for raw in amounts_raw:
        cells += [None if raw is None else format_amount(int(raw), decimals), raw]
    return cells


def _worth_cells(worth: WorthBody | None) -> list[Any]:
    """Empty where the worth is not known."""
    return [None, None] if worth is None else [worth.amount_decimal, worth.currency]


def _local(moment: str | None, zone: tzinfo) -> str | None:
    """`2026-11-29 14:05:09`, which spreadsheets take for a time."""
    return None if moment is None else f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M:%S}"
