"""Write new invoices: one statement each, and one commit for those that wait at the same time.

`INSERT` leases the address and writes the invoice, its event, idempotency record and audit row; `INSERT_QUOTED` writes
the quote of a price too, and `INSERT_CHOICE` leases nothing. They are SQL, since the builder knows no CTE, and
this is the only place where a noun writes other nouns' tables. Under load most of a creation's
cost is the commit, the locks on the merchant's row and the round trip, and all three can be shared. Creations that wait
at the same time share one transaction, which is all or nothing; where one of them violates a unique key, all of them
are written again, each in its own transaction, so that none fails because of another.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import asyncpg
import msgspec

from app.core import carried_traces, database, ids, tracing
from app.core.batching import Batcher
from app.core.database import NamedStatement
from app.core.statement import Param, Statement, select
from app.events import service as events
from app.invoices.presentation import event_data
from app.invoices.quotes_repository import ADDRESS_IS_FREE, ASSET_IS_PERMITTED, QuoteRow
from app.invoices.reading_repository import InvoiceRow
from app.live import topics
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


Admission = Callable[[], Awaitable[None]]
"""Called in the transaction that writes an invoice, before it is written. Raises ApiError where it may not be."""


class Bounds(msgspec.Struct, frozen=True):
    """The minimum and maximum amount of one invoice, in minor units."""

    min_raw: int | None
    max_raw: int | None


@dataclass(frozen=True, slots=True)
class NewRows:
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

    @property
    def statement(self) -> NamedStatement:
        """The statement that writes them."""
        if self.invoice.network is None:
            return INSERT_CHOICE
        return INSERT if self.quote is None else INSERT_QUOTED

    def arguments(self) -> list[object]:
        """The arguments of the statement."""
        row, body, replay, by, quote = self.invoice, self.body, self.replay, self.by, self.quote
        return self.statement.args(
            msgspec.structs.asdict(row)
            | (
                {}
                if quote is None
                else {"rate": quote.rate, "spread_bps": quote.spread_bps, "quote_state": quote.state}
            )
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
        self._together = {
            statement: Batcher(
                partial(_write_together, statement), max_batch=MAX_TOGETHER, max_in_flight=MAX_TRANSACTIONS
            )
            for statement in (INSERT, INSERT_QUOTED, INSERT_CHOICE)
        }

    async def write(self, rows: NewRows) -> bool:
        """Write the rows, commit, and announce the event; False if a condition of the statement was not met.

        Raises UniqueViolationError, LockNotAvailableError, and what the rows' admission raises. Not inside a
        transaction.
        """
        arguments, statement = rows.arguments(), rows.statement
        with (
            tracing.part("transaction", kind="client"),
            tracing.part("event", kind="producer", event_type="invoice.created"),
        ):
            # Before it is written: others may number the event as soon as it is.
            await carried_traces.keep("event", arguments[statement.names.index("event_id")])
            written = None if rows.admit else await self._together[statement].ask(arguments)
            if written is None:
                written = await _write_alone(statement, arguments, rows.admit)
                if written:
                    await events.announce(*_lists(statement, [arguments]))
        return written


async def _write_alone(statement: NamedStatement, arguments: list[object], admit: Admission | None) -> bool:
    """Write one invoice in a transaction of its own, after its admission. Whether it was written."""
    if admit is None:
        return await database.fetch_value(statement.sql, *arguments) is not None
    async with database.transaction():
        await admit()
        return await database.fetch_value(statement.sql, *arguments) is not None


async def _write_together(statement: NamedStatement, batch: list[list[object]]) -> list[bool | None]:
    """Whether each was written. Where one of several violates a key, none is written: None for all. Raises the
    violation of a single one."""
    try:
        written = {row["id"] for row in await database.fetch_many(statement.sql, batch)}
    except CLASHES:
        if len(batch) == 1:
            raise
        return [None] * len(batch)
    if written:
        await events.announce(*_lists(statement, batch))
    place = statement.names.index("id")
    return [arguments[place] in written for arguments in batch]


def _lists(statement: NamedStatement, batch: Iterable[list[object]]) -> list[str]:
    """The topics of the lists to which invoices were added."""
    merchant, mode = statement.names.index("merchant"), statement.names.index("mode")
    of = {(arguments[merchant], arguments[mode]) for arguments in batch}
    return [topic for owner, its_mode in of for topic in topics.of_merchant(str(owner), str(its_mode), "invoices")]


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

_LEASE = f"""
    WITH permitted AS ({ASSET_IS_PERMITTED}), lease AS (
        UPDATE deposit_addresses
        SET invoice_id = :id, lease_count = lease_count + 1, reserved_by = NULL, reserved_until = NULL
        WHERE {ADDRESS_IS_FREE} AND EXISTS (SELECT 1 FROM permitted)
        RETURNING id
    )"""

# What the customer may choose: all of the named assets must be permitted, or any one where none are named.
_CHOICE = """
    WITH lease AS (
        SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM switches WHERE name = 'invoices')
            AND CASE WHEN :pay_in_assets::text[] IS NULL
                THEN EXISTS (SELECT 1 FROM merchant_assets
                    WHERE merchant = :merchant AND enabled AND offered AND split_part(network, ':', 2) = :mode)
                ELSE cardinality(:pay_in_assets::text[]) = (SELECT count(*) FROM merchant_assets
                    WHERE merchant = :merchant AND enabled AND network || ' ' || asset = ANY(:pay_in_assets::text[]))
            END
    )"""

_QUOTE_NAMES = {"id": "quote", "invoice": "id", "expires_at": "quote_expires_at", "state": "quote_state"}
"""What the parameters of a quote's columns are called where they would clash with those of its invoice."""

_QUOTE = f"""
    , quote AS (
        INSERT INTO quotes ({", ".join(QUOTE_COLUMNS)})
        SELECT {", ".join(f":{_QUOTE_NAMES.get(column, column)}" for column in QUOTE_COLUMNS)} FROM invoice
    )"""


def _insert(lease: str, quote: str = "") -> NamedStatement:
    """The statement that writes an invoice and all that belongs to it, once the CTE `lease` has a row."""
    return NamedStatement(
        f"""
    {lease}, invoice AS (
        INSERT INTO invoices ({", ".join(COLUMNS)})
        SELECT {", ".join(f":{column}" for column in COLUMNS)} FROM lease
        RETURNING id
    ){quote}, event AS (
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


INSERT = _insert(_LEASE)
INSERT_QUOTED = _insert(_LEASE, _QUOTE)
INSERT_CHOICE = _insert(_CHOICE)
"""An invoice that names its asset, one with a price and its first quote, and one whose customer has yet to choose."""
