"""Rows of `bench.growth`, written in bulk: what a year of payments leaves behind."""

from dataclasses import dataclass
from datetime import timedelta

import asyncpg

from app.core import clock
from app.events.sequencer import compose_body
from app.invoices.creation_repository import COLUMNS

MERCHANTS = 1_000
DAYS = 360

_INDEXES = """
    SELECT c.relname::text AS name, pg_get_indexdef(i.indexrelid) AS made_by FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
    WHERE t.relname = ANY($1) AND t.relkind = 'r' AND NOT i.indisunique
"""


@dataclass(frozen=True, slots=True)
class Filled:
    """An invoice in the middle of the measured merchant's, and the merchant's endpoint."""

    invoice_id: str
    order_id: str
    endpoint: str


async def fill(connection: asyncpg.Connection, merchant: str, first: str, count: int, events_each: int) -> Filled:
    """Write `count` invoices and what belongs to them. The event of `first`, an invoice of `merchant`, is copied."""
    await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off;")
    await connection.execute("SET maintenance_work_mem = '512MB'; SET work_mem = '1GB'")
    plain = ["invoices", "deposits", "deposit_addresses", "events", "webhook_deliveries"]
    indexes = await connection.fetch(_INDEXES, plain)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    await _merchants(connection, merchant)
    for month in range(13):
        at = clock.now() - timedelta(days=30 * month)
        while await connection.fetchval("SELECT keep_webhook_attempts($1, 1)", at):
            pass
    await _invoices(connection, count)
    await _webhooks(connection, first, events_each)
    for index in indexes:
        await connection.execute(index["made_by"])
    await connection.execute("RESET session_replication_role; RESET synchronous_commit")
    row = await connection.fetchrow(
        "SELECT id, order_id FROM invoices WHERE merchant = $1 ORDER BY created_at OFFSET $2 LIMIT 1",
        merchant,
        count // 50,
    )
    return Filled(row["id"], row["order_id"], "WH-B000000000")


async def _merchants(connection: asyncpg.Connection, merchant: str) -> None:
    """The measured merchant has number 0."""
    await connection.execute("CREATE TEMP TABLE of_number (number bigint PRIMARY KEY, merchant text, endpoint text)")
    await connection.execute(
        """
        INSERT INTO of_number SELECT n, CASE n WHEN 0 THEN $1 ELSE 'MCH-B' || lpad(n::text, 9, '0') END,
            'WH-B' || lpad(n::text, 9, '0') FROM generate_series(0, $2::bigint - 1) n
        """,
        merchant,
        MERCHANTS,
    )
    await connection.execute(
        """
        INSERT INTO merchants (id, name, status, service_fee_bps, fee_payer, created_at)
        SELECT merchant, 'Bench', 'approved', 80, 'merchant', now() FROM of_number WHERE number > 0;
        INSERT INTO webhook_endpoints (id, merchant, mode, url, description, event_types, implicit, status,
            secret_sealed, status_since, created_at)
        SELECT endpoint, merchant, 'test', 'https://shop.example', '', '{}', false, 'enabled', '', now(), now()
        FROM of_number;
        INSERT INTO webhook_queues (endpoint, last_seq, due_at, consecutive_failures, ordered_through_seq)
        SELECT endpoint, 0, null, 0, 0 FROM of_number;
        """
    )


async def _invoices(connection: asyncpg.Connection, count: int) -> None:
    await connection.execute(
        """
        INSERT INTO deposit_addresses (network, derivation_index, address, lease_count, available_at, created_at)
        SELECT 'ethereum:test', n, '0x' || md5('a' || n) || substr(md5(n::text), 1, 8), 1, now(), now()
        FROM generate_series(1000001, 1000000 + $1::bigint) n
        """,
        count,
    )
    columns = {
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
        "deposit_address": "a.id",
        "address": "a.address",
        "confirmations_required": "3",
        "received_raw": "0",
        "refunded_raw": "0",
        "description": "'Order ' || n || ': two linen shirts'",
        "order_id": "'ORDER-2026-' || n",
        "holds_order_id": "n % 10 = 0",
        "customer_id": "'customer-' || n % 50000",
        "metadata": "'{}'",
        "expires_at": "now() - interval '1 hour' - made.ago",
        "created_at": "now() - interval '2 hours' - made.ago",
        "accept_parts": "false",
    }
    assert set(columns) <= set(COLUMNS)
    await connection.execute(
        f"""
        INSERT INTO invoices ({", ".join(columns)}) SELECT {", ".join(columns.values())}
        FROM generate_series(1, $1::bigint) n
            JOIN deposit_addresses a ON a.network = 'ethereum:test' AND a.derivation_index = 1000000 + n
            JOIN of_number m ON m.number = CASE WHEN n % 20 = 0 THEN 0 ELSE n % {MERCHANTS} END
            CROSS JOIN LATERAL (SELECT ($1 - n)::float8 / $1 * {DAYS} * interval '1 day' AS ago) made
        ORDER BY n
        ON CONFLICT DO NOTHING -- a few of five million ids of ten characters are the same
        """,
        count,
    )
    await connection.execute(
        """
        INSERT INTO deposits (id, network, txid, log_index, asset, deposit_address, from_address, amount_raw,
            block_height, block_hash, block_time, seen_at, status, verdict, invoice, settled_at)
        SELECT 'DEP-' || substr(i.id, 5), i.network, '0x' || md5(i.id) || md5(i.address), 0, i.asset, i.deposit_address,
            i.address, i.pay_in_raw, 1, '0x1', i.created_at, i.created_at, 'credited', 'exact', i.id, i.created_at
        FROM invoices i WHERE i.status = 'paid'
        """
    )


async def _webhooks(connection: asyncpg.Connection, first: str, events_each: int) -> None:
    event = await connection.fetchrow("SELECT * FROM events WHERE subject_id = $1", first)
    body = compose_body(
        **{name: event[name] for name in ("type", "created_at", "merchant_id", "mode", "data")},
        event_id=str(event["event_id"]),
        seq=123_456,
    )
    # Numbered apart, with few columns: with the bodies, millions of rows would be sorted on disk.
    await connection.execute(
        """
        CREATE TEMP TABLE of_invoice AS
        SELECT id, row_number() OVER (PARTITION BY merchant ORDER BY created_at) - 1 AS rank FROM invoices
        """
    )
    await connection.execute("ANALYZE of_invoice")
    await connection.execute(
        f"""
        INSERT INTO events (event_id, merchant_id, mode, type, subject_id, data, created_at, seq, body)
        SELECT gen_random_uuid(), i.merchant, i.mode,
            (ARRAY['invoice.created', 'invoice.confirming', 'invoice.paid'])[e], i.id,
            '', i.created_at + e * interval '1 minute',
            o.rank * {events_each} + e, replace($1, $2, i.id)
        FROM invoices i JOIN of_invoice o ON o.id = i.id CROSS JOIN generate_series(1, {events_each}) e WHERE i.id <> $2
        """,
        body,
        first,
    )
    await connection.execute(
        """
        INSERT INTO event_heads (merchant_id, mode, last_seq)
        SELECT merchant_id, mode, max(seq) FROM events WHERE seq IS NOT NULL GROUP BY 1, 2;
        INSERT INTO webhook_deliveries (id, event, endpoint, merchant_id, seq, previous_seq, status, attempts, step,
            next_attempt_at, created_at, delivered_at)
        SELECT timed_id_from(e.created_at) + e.id % 4194304, e.id, m.endpoint, e.merchant_id, e.seq, e.seq - 1,
            'delivered', 1, 1, e.created_at, e.created_at, e.created_at
        FROM events e JOIN of_number m ON m.merchant = e.merchant_id WHERE e.seq IS NOT NULL;
        INSERT INTO webhook_attempts (delivery, number, started_at, duration_ms, response_status, detail,
            response_excerpt)
        SELECT id, 1, created_at, 85, 200, '', 'ok' FROM webhook_deliveries;
        UPDATE webhook_queues q SET last_seq = h.last_seq
        FROM of_number m JOIN event_heads h ON h.merchant_id = m.merchant
        WHERE q.endpoint = m.endpoint;
        """
    )
