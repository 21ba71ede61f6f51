"""Statements on `invoices`, except those that create them (creation_repository.py) and those that read them for pages
and the API (reading_repository.py)."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

import msgspec
from piccolo.columns import Bytea, Column
from piccolo.query.functions import Sum

from app.core import database
from app.core.statement import Command, Param, Statement, any_of, select
from app.invoices.states import Status
from app.invoices.tables import Invoice


class Sums(msgspec.Struct, frozen=True):
    """An invoice's state and sums, in minor units, and where it is to be paid: None while nothing is chosen."""

    id: str
    status: str
    net_raw: int | None
    credited_raw: int | None
    service_fee_charged_raw: int | None
    paid_at: datetime | None
    quote: str | None
    deposit_address: int | None


class Terms(msgspec.Struct, frozen=True):
    """An invoice's state, and the figures that decide how a deposit to an address of it is divided: its own, or those
    of the quote for which the address was leased. `is_current`: the invoice asks for these now."""

    status: str
    asset: str
    pay_in_raw: int
    service_fee_raw: int
    service_fee_bps: int
    quote: str | None
    is_current: bool
    credited_raw: int | None


class Ledgers(NamedTuple):
    """The owner, network and asset that name the ledger of an invoice's merchant."""

    merchant: str
    network: str
    asset: str


class Change(NamedTuple):
    """New values of columns of an invoice that is in the state `expected`."""

    invoice_id: str
    expected: Status
    values: Mapping[str, object]


class Changed(msgspec.Struct, frozen=True):
    """The merchant of an invoice that was changed, and what it asks for now; None while nothing is chosen."""

    merchant: str
    network: str | None
    deposit_address: int | None


class DueInvoice(msgspec.Struct, frozen=True):
    """An invoice whose time to pay is over."""

    id: str
    needs_review: bool


class Pending(msgspec.Struct, frozen=True):
    """The sum that a merchant will be credited in an asset for confirming invoices, in minor units."""

    network: str
    asset: str
    pending_raw: int


def payment_is_away(invoice: str, deposit_address: str, ends_at: str) -> str:
    """The condition that an invoice has a payment, or a part of one, that has left the chain since $3 and may come
    back. The columns are those of the invoice or the quote that it came for. What was counted as exact stays so."""
    return f"""EXISTS (
    SELECT 1 FROM deposits o WHERE o.invoice = {invoice} AND o.deposit_address = {deposit_address}
        AND o.status = 'orphaned' AND o.verdict IN ('exact', 'part') AND o.orphaned_at > $3
        AND (o.verdict = 'exact' OR coalesce(o.made_at, least(o.seen_at, o.block_time)) < {ends_at}))"""


async def lock_of_merchant(merchant_id: str, mode: str, invoice_id: str) -> Status | None:
    """Lock a merchant's invoice and return its state; None where the merchant has no such invoice in this mode."""
    status = await _LOCK_OF_MERCHANT.first(id=invoice_id, merchant=merchant_id, mode=mode)
    return None if status is None else Status(status)


_LOCK_OF_MERCHANT = Statement(
    Invoice.select(Invoice.status)
    .where(Invoice.id == Param("id"), Invoice.merchant == Param("merchant"), Invoice.mode == Param("mode"))
    .lock_rows("UPDATE"),
    str,
)


async def lock(invoice_id: str) -> Status:
    """Lock an invoice that exists, in the caller's transaction, and return its state."""
    return Status(await _LOCK.one(id=invoice_id))


_LOCK = Statement(Invoice.select(Invoice.status).where(Invoice.id == Param("id")).lock_rows("UPDATE"), str)


async def lock_terms(invoice_id: str, deposit_address: int) -> Terms:
    """Lock an invoice in the caller's transaction, for a deposit to an address that it has, or had."""
    return (await lock_terms_of([(invoice_id, deposit_address)]))[0]


async def lock_terms_of(asked: Sequence[tuple[str, int]]) -> list[Terms]:
    """`lock_terms` of invoices, each with an address of it. They are locked in the order of their ids."""
    # SQL, since the quote is joined by two columns of which neither is a foreign key to it.
    rows = await database.fetch_all(
        """
        SELECT i.status, coalesce(q.asset, i.asset), coalesce(q.pay_in_raw, i.pay_in_raw),
            coalesce(q.service_fee_raw, i.service_fee_raw), i.service_fee_bps, q.id,
            i.deposit_address IS NOT DISTINCT FROM asked.address, i.credited_raw, asked.place
        FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS asked (invoice, address, place)
        JOIN invoices i ON i.id = asked.invoice
        LEFT JOIN quotes q ON q.invoice = i.id AND q.deposit_address = asked.address
        ORDER BY i.id, asked.place FOR UPDATE OF i
        """,
        [invoice_id for invoice_id, _ in asked],
        [address for _, address in asked],
    )
    assert len(rows) == len(asked), "deposits refer to existing invoices"
    return [Terms(*row[:-1]) for row in sorted(rows, key=lambda row: row["place"])]


async def lock_all(invoice_ids: Collection[str]) -> None:
    """Lock invoices in the order of their ids, in the caller's transaction."""
    await _LOCK_ALL.all(ids=list(invoice_ids))


_LOCK_ALL = Statement(
    Invoice.select(Invoice.id).where(any_of(Invoice.id, Param("ids"))).order_by(Invoice.id).lock_rows("UPDATE"), str
)


async def sums(invoice_id: str) -> Sums:
    """The state and the sums of an invoice whose row the caller has locked."""
    return await _SUMS.one(id=invoice_id)


_SUMS = Statement(select(Invoice, Sums).where(Invoice.id == Param("id")), Sums)


async def sums_of(invoice_ids: Collection[str]) -> dict[str, Sums]:
    """`sums` of each of these invoices."""
    return {row.id: row for row in await _SUMS_OF.all(ids=list(invoice_ids))}


_SUMS_OF = Statement(select(Invoice, Sums).where(any_of(Invoice.id, Param("ids"))), Sums)


async def ledgers_of(invoice_id: str) -> Ledgers | None:
    """The names of the ledgers of an invoice; None while nothing is chosen."""
    return await _LEDGERS_OF.first(id=invoice_id)


_LEDGERS_OF = Statement(
    select(Invoice, Ledgers).where(Invoice.id == Param("id"), Invoice.network.is_not_null()), Ledgers
)


async def change(changes: Sequence[Change]) -> dict[str, Changed]:
    """Set columns of invoices, each of another one. Those that are not in the state that is expected are not changed,
    and missing in what is returned, by id."""
    alike: defaultdict[tuple[str, ...], list[Change]] = defaultdict(list)
    for each in changes:
        alike[tuple(each.values)].append(each)
    changed = {}
    for names, some in alike.items():
        rows = [{**each.values, "invoice": each.invoice_id, "expected": each.expected.value} for each in some]
        for row in await database.fetch_all(_change_of(names), msgspec.json.encode(rows).decode()):
            changed[row["id"]] = Changed(row["merchant"], row["network"], row["deposit_address"])
    return changed


@cache
def _change_of(names: tuple[str, ...]) -> str:
    """The statement that sets these columns to what is given as JSON: one for each kind of step, of which there are
    few."""
    columns: list[Column] = [getattr(Invoice, name) for name in names]
    assert not any(isinstance(one, Bytea) for one in columns), "JSON has no bytes"
    types = ", ".join(f"{name} {one.column_type}" for name, one in zip(names, columns, strict=True))
    # SQL, since the builder knows no UPDATE ... FROM.
    return f"""
        UPDATE invoices SET {", ".join(f"{name} = given.{name}" for name in names)}
        FROM json_to_recordset($1::json) AS given (invoice text, expected text, {types})
        WHERE invoices.id = given.invoice AND invoices.status = given.expected
        RETURNING invoices.id, invoices.merchant, invoices.network, invoices.deposit_address
        """


async def lock_due(network: str, covered_until: datetime, orphaned_since: datetime, limit: int) -> list[DueInvoice]:
    """Lock invoices that wait for a payment and whose time is up at `covered_until`; rows locked by others are skipped.

    One whose payment has left the chain after `orphaned_since` still has time.
    """
    # SQL, since the condition on deposits is shared with deposits/parts_repository.py, whose tables lie above these.
    rows = await database.fetch_all(
        f"""
        SELECT id, needs_review FROM invoices i
        WHERE network = $1 AND status = 'awaiting_deposit' AND quote IS NULL AND expires_at <= $2
            AND NOT {payment_is_away("i.id", "i.deposit_address", "i.expires_at")}
        ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED
        """,
        network,
        covered_until,
        orphaned_since,
        limit,
    )
    return [DueInvoice(*row) for row in rows]


async def bring_expiry_forward(invoice_id: str, expires_at: datetime) -> None:
    """Set an earlier `expires_at` for an invoice that waits for its payment. A quote keeps its own end."""
    await _BRING_EXPIRY_FORWARD.run(id=invoice_id, expires_at=expires_at)


_BRING_EXPIRY_FORWARD = Command(
    Invoice.update({Invoice.expires_at: Param("expires_at")}).where(
        Invoice.id == Param("id"), Invoice.status == "awaiting_deposit", Invoice.expires_at > Param("expires_at")
    )
)


async def holder_of_order_id(merchant_id: str, mode: str, order_id: str | None) -> str | None:
    """The id of the merchant's invoice that holds an order id: the one that is neither cancelled nor expired."""
    return await _HOLDER_OF_ORDER_ID.first(merchant=merchant_id, mode=mode, order_id=order_id)


_HOLDER_OF_ORDER_ID = Statement(
    Invoice.select(Invoice.id).where(
        Invoice.merchant == Param("merchant"),
        Invoice.mode == Param("mode"),
        Invoice.order_id == Param("order_id"),
        Invoice.holds_order_id.eq(True),
    ),
    str,
)


async def pending_raw(merchant_id: str, mode: str) -> dict[tuple[str, str], int]:
    """What a merchant will be credited for exact deposits that still lack confirmations, by (network, asset)."""
    rows = await _PENDING.all(merchant=merchant_id, mode=mode)
    return {(row.network, row.asset): row.pending_raw for row in rows}


_PENDING = Statement(
    Invoice.select(Invoice.network, Invoice.asset, Sum(Invoice.net_raw, alias="pending_raw"))
    .where(Invoice.merchant == Param("merchant"), Invoice.mode == Param("mode"), Invoice.status == "confirming")
    .group_by(Invoice.network, Invoice.asset),
    Pending,
)
