"""Write new invoices: those that wait at the same time in one statement and one commit.

`INSERT` leases the addresses and writes the invoices, their first quotes, events, idempotency records and audit rows.
It is SQL, since the builder knows no CTE, and this is the only place where a noun writes other nouns' tables. Most of
what a statement costs is the same for one row and for thirty: its start (Postgres reads the constraints and indexes of
each table anew), the round trip, the commit, and the lock of the merchant's row. A statement is all or nothing; where
one of its invoices violates a unique key, all of them are written again, each in its own, so that none fails because of
another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec

from app.core import carried_traces, database, ids, tracing
from app.core.batching import Batcher
from app.core.database import NamedStatement
from app.core.statement import Param, Statement, select
from app.core.waiting import run_beside
from app.events import service as events
from app.invoices.presentation import event_data
from app.invoices.quotes_repository import QuoteRow, address_is_free, asset_is_permitted
from app.invoices.reading_repository import InvoiceRow
from app.invoices.states import Status
from app.live import topics
from app.merchants.members import Member
from app.merchants.tables import MerchantAsset, Switch
from app.web.idempotency import Replay

UNIQUE_AMOUNT_WINDOW = timedelta(days=30)
"""How long no other invoice may have the same address and amount (contract, section 3)."""

MAX_TOGETHER = 32
MAX_STATEMENTS = 3
PATIENCE_S = 0.05
"""Invoices of one statement. Those that come while one is under way share the next; only where one takes longer,
such as waiting for a lock, another begins beside it."""

CLASHES = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
)


Admission = Callable[[], Awaitable[None]]
"""Called in the transaction that writes an invoice, before it is written. Raises ApiError where it may not be."""


class Bounds(msgspec.Struct, frozen=True):
    """The minimum and maximum amount of one invoice, in minor units."""

    min_raw: int | None
    max_raw: int | None


class NewRows(msgspec.Struct, frozen=True):
    """The rows that a creation writes: the invoice, its JSON for event and replay, and the audit row's member."""

    invoice: InvoiceRow
    body: bytes
    holder: str | None
    """The process that has reserved the address; None where none is leased yet."""
    replay: Replay | None
    by: Member | None
    """The member who creates it in the cabinet; a creation by key has no audit row."""
    quote: QuoteRow | None = None
    admit: Admission | None = None
    event_id: UUID = msgspec.field(default_factory=ids.new_event_id)

    def beside(self) -> dict[str, object]:
        """What the statement needs besides the invoice's columns: see _BESIDE."""
        row, replay, by, quote = self.invoice, self.replay, self.by, self.quote
        given: dict[str, object] = {
            "holder": self.holder,
            "unique_since": row.created_at - UNIQUE_AMOUNT_WINDOW,
            "event_id": self.event_id,
            "event_data": event_data(row.id, self.body).decode(),
        }
        if replay is not None:
            given |= {"replay_id": replay.id, "request_hash": replay.request_hash, "body": self.body.decode()}
        if by is not None:
            given |= {"actor": by.actor, "actor_address": by.address}
        if quote is not None:
            given |= {"rate": quote.rate, "spread_bps": quote.spread_bps, "quote_state": quote.state}
        return given


class Insertion:
    """Writes new invoices. One per process."""

    def __init__(self) -> None:
        self._together = Batcher(
            self._write_together, max_batch=MAX_TOGETHER, max_in_flight=MAX_STATEMENTS, patience_s=PATIENCE_S
        )
        self._announcing: set[asyncio.Task[None]] = set()  # the loop itself keeps only weak references

    async def write(self, rows: NewRows) -> bool:
        """Write the rows, commit, and announce the event; False if a condition of the statement was not met.

        Raises UniqueViolationError, LockNotAvailableError, and what the rows' admission raises. Not inside a
        transaction.
        """
        with (
            tracing.part("transaction", kind="client"),
            tracing.part("event", kind="producer", event_type="invoice.created"),
        ):
            # Before it is written: others may number the event as soon as it is.
            await carried_traces.keep("event", rows.event_id)
            written = None if rows.admit else await self._together.ask(rows)
            if written is None:
                written = await _write_alone(rows)
                if written:
                    await events.announce(*_lists([rows]))
        return written

    async def _write_together(self, batch: Sequence[NewRows]) -> list[bool | None]:
        """Whether each was written. Where one of several violates a key, none is written: None for all. Raises the
        violation of a single one."""
        try:
            written = await _insert(batch)
        except CLASHES:
            if len(batch) == 1:
                raise
            return [None] * len(batch)
        if written:  # beside it: neither these nor the next ones wait for Redis
            task = run_beside(events.announce(*_lists(batch)))
            self._announcing.add(task)
            task.add_done_callback(self._announcing.discard)
        return [rows.invoice.id in written for rows in batch]


async def _write_alone(rows: NewRows) -> bool:
    """Write one invoice in a transaction of its own, after its admission. Whether it was written."""
    if rows.admit is None:
        return bool(await _insert([rows]))
    async with database.transaction():
        await rows.admit()
        return bool(await _insert([rows]))


async def _insert(batch: Sequence[NewRows]) -> Collection[str]:
    """The ids of those invoices whose conditions were met, and which are written now."""
    return {row["id"] for row in await database.fetch_all(INSERT.sql, *arguments(batch))}


def arguments(batch: Sequence[NewRows]) -> list[object]:
    """The arguments of `INSERT`."""
    given = {
        "invoices": _as_json([msgspec.structs.asdict(rows.invoice) for rows in batch]),
        "beside": _as_json([rows.beside() for rows in batch]),
    }
    return INSERT.args(given)


def _as_json(records: Sequence[dict[str, object]]) -> str:
    """Records as Postgres reads them. Whole numbers are text, since an amount may have 78 digits, and bytes are hex;
    what is None is left out."""
    plain = [
        {
            name: str(value) if type(value) is int else f"\\x{value.hex()}" if isinstance(value, bytes) else value
            for name, value in record.items()
            if value is not None
        }
        for record in records
    ]
    return msgspec.json.encode(plain).decode()


def _lists(batch: Sequence[NewRows]) -> list[str]:
    """The topics of the lists to which invoices were added."""
    of = {(rows.invoice.merchant, rows.invoice.mode) for rows in batch}
    return [topic for owner, mode in of for topic in topics.of_merchant(owner, mode, "invoices")]


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

QUOTE_COLUMNS = QuoteRow.__struct_fields__

_BESIDE = """
    holder varchar, unique_since timestamptz, event_id uuid, event_data text, replay_id bytea, request_hash bytea,
    body text, actor varchar, actor_address varchar, rate bigint, spread_bps integer, quote_state varchar"""

_QUOTE_NAMES = {"id": "quote", "invoice": "id", "expires_at": "quote_expires_at", "state": "quote_state"}
"""What a quote's columns are called in `new` where they would clash with those of its invoice."""

# The customer's choice: all of the named assets must be permitted, or any one where none are named.
#
# Postgres has no statistics of what a function returns. It expects a hundred rows, and one of them with a status: so it
# looks up rows of the large tables one by one, in their indexes, and keeps that plan.
#
# Unique keys are written in their order: of two statements with the same keys one waits, and neither for the other.
INSERT = NamedStatement(
    f"""
    WITH new AS (
        SELECT * FROM ROWS FROM (
            json_populate_recordset(NULL::invoices, :invoices::json),
            json_to_recordset(:beside::json) AS ({_BESIDE})
        )
    ), lease AS (
        UPDATE deposit_addresses
        SET invoice_id = new.id, lease_count = lease_count + 1, reserved_by = NULL, reserved_until = NULL
        FROM new
        WHERE new.status = '{Status.AWAITING_DEPOSIT}' AND {address_is_free("new.")}
            AND EXISTS ({asset_is_permitted("new.")})
        RETURNING new.*
    ), choice AS (
        SELECT * FROM new
        WHERE new.status = '{Status.AWAITING_CHOICE}' AND NOT EXISTS (SELECT 1 FROM switches WHERE name = 'invoices')
            AND CASE WHEN new.pay_in_assets IS NULL
                THEN (SELECT true FROM merchant_assets
                    WHERE merchant = new.merchant AND enabled AND offered AND split_part(network, ':', 2) = new.mode
                    LIMIT 1)
                ELSE cardinality(new.pay_in_assets) = (SELECT count(*) FROM merchant_assets
                    WHERE merchant = new.merchant AND enabled AND network || ' ' || asset = ANY(new.pay_in_assets))
            END
    ), invoice AS (
        SELECT * FROM lease UNION ALL SELECT * FROM choice
    ), written AS (
        INSERT INTO invoices ({", ".join(COLUMNS)})
        SELECT {", ".join(COLUMNS)} FROM invoice ORDER BY merchant, mode, order_id
    ), quoted AS (
        INSERT INTO quotes ({", ".join(QUOTE_COLUMNS)})
        SELECT {", ".join(_QUOTE_NAMES.get(column, column) for column in QUOTE_COLUMNS)}
        FROM invoice WHERE quote IS NOT NULL
    ), event AS (
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, override_url, created_at)
        SELECT event_id, merchant, mode, 'invoice.created', id, event_data, webhook_url, created_at FROM invoice
    ), replay AS (
        INSERT INTO idempotency_records (id, merchant_id, request_hash, status, body, created_at)
        SELECT replay_id, merchant, request_hash, 201, body, created_at
        FROM invoice WHERE replay_id IS NOT NULL ORDER BY replay_id
    ), audit AS (
        INSERT INTO audit_entries (at, actor, action, subject, merchant_id, address, details)
        SELECT created_at, actor, 'invoice.created', id, merchant, actor_address, '{{}}'
        FROM invoice WHERE actor IS NOT NULL
    )
    SELECT id FROM invoice
    """
)
