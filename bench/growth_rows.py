"""Rows of `bench.growth`, written in bulk over several connections: what a year of payments leaves behind."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from app.core import clock
from app.events.sequencer import compose_body
from app.invoices.creation_repository import COLUMNS

MERCHANTS = 1_000
DAYS = 360
CONNECTIONS = 4

_INDEXES = """
    SELECT c.relname::text AS name, pg_get_indexdef(i.indexrelid) AS made_by FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relname IN ('invoices', 'deposits', 'deposit_addresses', 'events', 'webhook_deliveries')
        AND NOT i.indisunique
"""

_INVOICE = {
    "id": "'INV-' || translate(upper(substr(md5('id' || n), 1, 10)), 'AB', 'XY')",
    "merchant": "m.merchant",
    "mode": "'test'",
    "status": "CASE WHEN n % 10 = 0 THEN 'paid' ELSE 'expired' END",
    "needs_review": "false",
    "network": "'ethereum:test'",
    "asset": "'USDT'",
    "amount_raw": "1000000 + n * 10000 % 900000000",
    "service_fee_bps": "80",
    "service_fee_raw": "0",
    "fee_payer": "'merchant'",
    "cent_tail": "n % 100",
    "pay_in_raw": "1000000 + n * 10000 % 900000000 + n % 100",
    "net_raw": "1000000 + n * 10000 % 900000000 + n % 100",
    "deposit_address": "1000000 + n",
    "address": "'0x' || md5('a' || n) || substr(md5(n::text), 1, 8)",
    "confirmations_required": "3",
    "received_raw": "0",
    "refunded_raw": "0",
    "description": "'Order ' || n || ': two linen shirts'",
    "order_id": "'ORDER-2026-' || n",
    "holds_order_id": "n % 10 = 0",
    "customer_id": "'customer-' || n % 50000",
    "metadata": "'{}'",
    "expires_at": "made.at + interval '1 hour'",
    "created_at": "made.at",
    "accept_parts": "false",
}


@dataclass(frozen=True, slots=True)
class Filled:
    """An invoice in the middle of the measured merchant's, and the merchant's endpoint."""

    invoice_id: str
    order_id: str
    endpoint: str


async def fill(dsn: str, merchant: str, first: str, count: int, events_each: int) -> Filled:
    """Write `count` invoices and what belongs to them. The event of `first`, an invoice of `merchant`, is copied."""
    async with AsyncExitStack() as stack:
        connections = []
        for _ in range(CONNECTIONS):
            connection = await asyncpg.connect(dsn, command_timeout=None)
            stack.push_async_callback(connection.close)
            await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
            await connection.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '512MB'")
            connections.append(connection)
        one = connections[0]
        indexes = await one.fetch(_INDEXES)
        for index in indexes:
            await one.execute(f"DROP INDEX {index['name']}")
        await _merchants(one, merchant)
        for month in range(13):
            at = clock.now() - timedelta(days=30 * month)
            while await one.fetchval("SELECT keep_webhook_attempts($1, 1)", at):
                pass
        share = -(-count // CONNECTIONS)
        await asyncio.gather(
            *(
                _invoices(each, share * number + 1, min(share * (number + 1), count), count)
                for number, each in enumerate(connections)
            )
        )
        await _events(connections, first, events_each)
        waiting = [str(index["made_by"]) for index in indexes]
        await asyncio.gather(*(_one_by_one(each, waiting) for each in connections))
        row = await one.fetchrow(
            "SELECT id, order_id FROM invoices WHERE merchant = $1 ORDER BY created_at OFFSET $2 LIMIT 1",
            merchant,
            count // 50,
        )
        return Filled(row["id"], row["order_id"], "WH-B000000000")


async def _one_by_one(connection: asyncpg.Connection, waiting: list[str]) -> None:
    while waiting:
        await connection.execute(waiting.pop())


async def _merchants(connection: asyncpg.Connection, merchant: str) -> None:
    """The measured merchant has number 0."""
    await connection.execute(
        "CREATE UNLOGGED TABLE bench_merchants (number bigint PRIMARY KEY, merchant text, endpoint text)"
    )
    await connection.execute(
        """
        INSERT INTO bench_merchants SELECT n, CASE n WHEN 0 THEN $1 ELSE 'MCH-B' || lpad(n::text, 9, '0') END,
            'WH-B' || lpad(n::text, 9, '0') FROM generate_series(0, $2::bigint - 1) n
        """,
        merchant,
        MERCHANTS,
    )
    await connection.execute(
        """
        INSERT INTO merchants (id, name, status, service_fee_bps, fee_payer, created_at)
        SELECT merchant, 'Bench', 'approved', 80, 'merchant', now() FROM bench_merchants WHERE number > 0;
        INSERT INTO webhook_endpoints (id, merchant, mode, url, description, event_types, implicit, status,
            secret_sealed, status_since, created_at)
        SELECT endpoint, merchant, 'test', 'https://shop.example', '', '{}', false, 'enabled', '', now(), now()
        FROM bench_merchants;
        INSERT INTO webhook_queues (endpoint, last_seq, due_at, consecutive_failures, ordered_through_seq)
        SELECT endpoint, 0, null, 0, 0 FROM bench_merchants;
        """
    )


async def _invoices(connection: asyncpg.Connection, first: int, last: int, count: int) -> None:
    """Those of these numbers, each with its address; a tenth is paid."""
    await connection.execute(
        """
        INSERT INTO deposit_addresses (id, network, derivation_index, address, lease_count, available_at, created_at)
        SELECT 1000000 + n, 'ethereum:test', 1000000 + n, '0x' || md5('a' || n) || substr(md5(n::text), 1, 8), 1, now(),
            now()
        FROM generate_series($1::bigint, $2::bigint) n
        """,
        first,
        last,
    )
    assert set(_INVOICE) <= set(COLUMNS)
    # A few of millions of ids of ten characters are the same.
    await connection.execute(
        f"""
        WITH made AS (
            INSERT INTO invoices ({", ".join(_INVOICE)}) SELECT {", ".join(_INVOICE.values())}
            FROM generate_series($1::bigint, $2::bigint) n
                CROSS JOIN LATERAL (
                    SELECT now() - interval '2 hours' - ($3 - n)::float8 / $3 * {DAYS} * interval '1 day' AS at
                ) made
                JOIN bench_merchants m ON m.number = CASE WHEN n % 20 = 0 THEN 0 ELSE n % {MERCHANTS} END
            ON CONFLICT DO NOTHING RETURNING *
        )
        INSERT INTO deposits (id, network, txid, log_index, asset, deposit_address, from_address, amount_raw,
            block_height, block_hash, block_time, seen_at, status, verdict, invoice, settled_at)
        SELECT 'DEP-' || substr(id, 5), network, '0x' || md5(id) || md5(address), 0, asset, deposit_address,
            address, pay_in_raw, 1, '0x1', created_at, created_at, 'credited', 'exact', id, created_at
        FROM made WHERE status = 'paid'
        """,
        first,
        last,
        count,
    )


async def _events(connections: list[asyncpg.Connection], first: str, events_each: int) -> None:
    """Each connection writes the events, deliveries and attempts of a share of the merchants."""
    one = connections[0]
    event = await one.fetchrow("SELECT * FROM events WHERE subject_id = $1", first)
    body = compose_body(
        **{name: event[name] for name in ("type", "created_at", "merchant_id", "mode", "data")},
        event_id=str(event["event_id"]),
        seq=123_456,
    )
    # Numbered apart, with few columns: with the bodies, millions of rows would be sorted on disk.
    await one.execute(
        """
        CREATE UNLOGGED TABLE bench_invoices AS
        SELECT i.id, i.merchant, i.created_at, m.number, m.endpoint,
            row_number() OVER (PARTITION BY i.merchant ORDER BY i.created_at) - 1 AS rank
        FROM invoices i JOIN bench_merchants m ON m.merchant = i.merchant WHERE i.order_id LIKE 'ORDER-%'
        """
    )
    await asyncio.gather(
        *(_events_of(each, number, first, body, events_each) for number, each in enumerate(connections))
    )
    await one.execute(
        """
        INSERT INTO event_heads (merchant_id, mode, last_seq)
        SELECT merchant_id, mode, max(seq) FROM events WHERE seq IS NOT NULL GROUP BY 1, 2;
        UPDATE webhook_queues q SET last_seq = h.last_seq
        FROM bench_merchants m JOIN event_heads h ON h.merchant_id = m.merchant WHERE q.endpoint = m.endpoint;
        """
    )


async def _events_of(connection: asyncpg.Connection, number: int, first: str, body: str, events_each: int) -> None:
    await connection.execute(
        f"""
        WITH happened AS (
            INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at, seq, body)
            SELECT gen_random_uuid(), i.merchant, 'test',
                (ARRAY['invoice.created', 'invoice.confirming', 'invoice.paid'])[e], i.id, '',
                i.created_at + e * interval '1 minute', i.rank * {events_each} + e, replace($1, $2, i.id)
            FROM bench_invoices i CROSS JOIN generate_series(1, {events_each}) e WHERE i.rank % {CONNECTIONS} = $3
            RETURNING id, merchant_id, seq, created_at
        ), delivered AS (
            INSERT INTO webhook_deliveries (id, event, endpoint, merchant_id, seq, previous_seq, status, attempts, step,
                next_attempt_at, created_at, delivered_at)
            SELECT timed_id_from(e.created_at) + e.id % 4194304, e.id, m.endpoint, e.merchant_id, e.seq, e.seq - 1,
                'delivered', 1, 1, e.created_at, e.created_at, e.created_at
            FROM happened e JOIN bench_merchants m ON m.merchant = e.merchant_id
            RETURNING id, created_at
        )
        INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, response_status, detail,
            response_excerpt)
        SELECT id, 1, created_at, 85, 200, '', 'ok' FROM delivered
        """,
        body,
        first,
        number,
    )
