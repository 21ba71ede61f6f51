"""Write new invoices: one statement each, and one commit for those that wait at the same time.

`INSERT` leases the address and writes the invoice, its event, idempotency record and audit row. It is SQL, since the
builder knows no CTE, and it is the only place where a noun writes other nouns' tables. Under load most of a creation's
cost is the commit, the locks on the merchant's row and the round trip, and all three can be shared. Creations that wait
at the same time share one transaction, which is all or nothing; where one of them violates a unique key, all of them
are written again, each in its own transaction, so that none fails because of another.
"""

from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import msgspec

from app.core import database, ids
from app.core.batching import Batcher
from app.core.database import NamedStatement
from app.core.statement import Param, Statement, select
from app.events import service as events
from app.invoices.presentation import event_data
from app.invoices.reading_repository import InvoiceRow
from app.merchants.members import Member
from app.merchants.tables import MerchantAsset, Switch
from app.web.idempotency import Replay

UNIQUE_AMOUNT_WINDOW = timedelta(days=30)
"""How long no other invoice may have the same address and amount (contract, section 3)."""

MAX_TOGETHER = 32
MAX_TRANSACTIONS = 3
"""Invoices of one transaction, and transactions at once in one process. At low load each has its own transaction."""

CLASHES = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,  # two batches with the same two order ids in another order
    asyncpg.LockNotAvailableError,
)


class Bounds(msgspec.Struct, frozen=True):
    """The minimum and maximum amount of one invoice, in minor units."""

    min_raw: int | None
    max_raw: int | None


@dataclass(frozen=True, slots=True)
class NewRows:
    """The rows that a creation writes: the invoice, its JSON for event and replay, and the audit row's member."""

    invoice: InvoiceRow
    body: bytes
    holder: str
    """The process that has reserved the address."""
    replay: Replay | None
    by: Member | None
    """The member who creates it in the cabinet; a creation by key has no audit row."""

    def arguments(self) -> list[object]:
        """The arguments of `INSERT`."""
        row, body, replay, by = self.invoice, self.body, self.replay, self.by
        return INSERT.args(
            msgspec.structs.asdict(row)
            | {
                "holder": self.holder,
                "unique_since": row.created_at - UNIQUE_AMOUNT_WINDOW,
                "event_id": ids.new_event_id(),
                "event_data": event_data(row.id, body).decode(),
                "replay_id": replay.id if replay else None,
                "request_hash": replay.request_hash if replay else None,
                "body": body.decode(),
                "actor": by.actor if by else None,
                "actor_address": by.address if by else None,
            }
        )


class Insertion:
    """Writes new invoices. One per process."""

    def __init__(self) -> None:
        self._together = Batcher(_write_together, max_batch=MAX_TOGETHER, max_in_flight=MAX_TRANSACTIONS)

    async def write(self, rows: NewRows) -> bool:
        """Write the rows, commit, and announce the event; False if a condition of `INSERT` was not met.

        Raises UniqueViolationError, LockNotAvailableError. Not inside a transaction.
        """
        arguments = rows.arguments()
        written = await self._together.ask(arguments)
        if written is None:
            written = await database.fetch_value(INSERT.sql, *arguments) is not None
            if written:
                await events.announce()
        return written


async def _write_together(batch: list[list[object]]) -> list[bool | None]:
    """Whether each was written. Where one of several violates a key, none is written: None for all. Raises the
    violation of a single one."""
    try:
        written = {row["id"] for row in await database.fetch_many(INSERT.sql, batch)}
    except CLASHES:
        if len(batch) == 1:
            raise
        return [None] * len(batch)
    if written:
        await events.announce()
    return [arguments[_ID] in written for arguments in batch]


async def are_paused() -> bool:
    """Whether operators have paused new invoices."""
    return await _PAUSED.first() is not None


_PAUSED = Statement(Switch.select(Switch.name).where(Switch.name == "invoices"), str)


async def bounds_of(merchant_id: str, network: str, asset: str) -> Bounds | None:
    """The merchant's bounds in an asset; None where the asset is not enabled."""
    return await _BOUNDS.first(merchant=merchant_id, network=network, asset=asset)


_BOUNDS = Statement(
    select(MerchantAsset, Bounds).where(
        MerchantAsset.merchant == Param("merchant"),
        MerchantAsset.network == Param("network"),
        MerchantAsset.asset == Param("asset"),
        MerchantAsset.enabled.eq(True),
    ),
    Bounds,
)


COLUMNS = InvoiceRow.__struct_fields__

INSERT = NamedStatement(
    f"""
    WITH permitted AS (
        SELECT 1 FROM merchant_assets
        WHERE merchant = :merchant AND network = :network AND asset = :asset AND enabled
            AND :amount_raw >= coalesce(min_raw, 0) AND :amount_raw <= coalesce(max_raw, :amount_raw)
            AND NOT EXISTS (SELECT 1 FROM switches WHERE name = 'invoices')
    ), lease AS (
        UPDATE deposit_addresses
        SET invoice_id = :id, lease_count = lease_count + 1, reserved_by = NULL, reserved_until = NULL
        WHERE id = :deposit_address AND reserved_by = :holder AND reserved_until > :created_at
            AND invoice_id IS NULL
            AND EXISTS (SELECT 1 FROM permitted)
            AND NOT EXISTS (
                SELECT 1 FROM invoices earlier
                WHERE earlier.deposit_address = :deposit_address AND earlier.created_at > :unique_since
                    AND earlier.asset = :asset AND earlier.pay_in_raw = :pay_in_raw
            )
        RETURNING id
    ), invoice AS (
        INSERT INTO invoices ({", ".join(COLUMNS)})
        SELECT {", ".join(f":{column}" for column in COLUMNS)} FROM lease
        RETURNING id
    ), event AS (
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, override_url, created_at)
        SELECT :event_id, :merchant, :mode, 'invoice.created', id, :event_data, :webhook_url, :created_at
        FROM invoice
    ), replay AS (
        INSERT INTO idempotency_records (id, merchant_id, request_hash, status, body, created_at)
        SELECT :replay_id, :merchant, :request_hash, 201, :body, :created_at
        FROM invoice WHERE :replay_id::bytea IS NOT NULL
    ), audit AS (
        INSERT INTO audit_entries (at, actor, action, subject, merchant_id, address, details)
        SELECT :created_at, :actor, 'invoice.created', id, :merchant, :actor_address, '{{}}'
        FROM invoice WHERE :actor::varchar IS NOT NULL
    )
    SELECT id FROM invoice
    """
)

_ID = INSERT.names.index("id")
