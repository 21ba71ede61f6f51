"""Invoices of the past, inserted as rows: as many as one needs, with their transfers and worths."""

from datetime import datetime

from app.core import database


async def past_invoices(
    merchant_id: str,
    count: int,
    *,
    newest_at: datetime,
    every_s: int,
    mode: str = "test",
    currency: str | None = "EUR",
    prefix: str = "P",
) -> None:
    """`count` invoices over 10 USDT on ethereum, each `every_s` seconds older than the one before. Of each ten, seven
    were paid after n minutes (n from 1 to 7), two expired, and one waits. The fee of 0.8 % is the merchant's; with a
    currency each credit was worth nine tenths of it."""
    network = f"ethereum:{mode}"
    await database.execute(
        "INSERT INTO assets (network, symbol, contract, decimals) VALUES ($1, 'USDT', '0x1', 6) ON CONFLICT DO NOTHING",
        network,
    )
    address = await database.fetch_value(
        """
        INSERT INTO deposit_addresses (network, derivation_index, address, lease_count, available_at, created_at)
        VALUES ($1, 900000 + (SELECT count(*) FROM deposit_addresses)::int, $2::text || 'past', 0, $3, $3) RETURNING id
        """,
        network,
        prefix,
        newest_at,
    )
    await database.execute(
        """
        INSERT INTO invoices (id, merchant, mode, status, needs_review, service_fee_bps, fee_payer, network, asset,
            amount_raw, service_fee_raw, cent_tail, pay_in_raw, net_raw, deposit_address, address,
            confirmations_required, received_raw, credited_raw, refunded_raw, order_id, holds_order_id, metadata,
            expires_at, created_at, paid_at, accept_parts)
        SELECT 'INV-' || $1::text || lpad(n::text, 9, '0'), $2::text, $3::text,
            CASE WHEN n % 10 < 7 THEN 'paid' WHEN n % 10 < 9 THEN 'expired' ELSE 'awaiting_deposit' END, false, 80,
            'merchant', $4::text, 'USDT', 10000000, 80000, 0, 10000000, 9920000, $5::bigint, $1::text || 'past', 3,
            CASE WHEN n % 10 < 7 THEN 10000000 ELSE 0 END, CASE WHEN n % 10 < 7 THEN 9920000 END, 0,
            'past ' || $1::text || n, n % 10 < 7, '{}', made_at + interval '1 hour', made_at,
            CASE WHEN n % 10 < 7 THEN made_at + (n % 10 + 1) * interval '1 minute' END, false
        FROM (
            SELECT n, $6::timestamptz - n * make_interval(secs => $7::int) AS made_at
            FROM generate_series(0, $8::int - 1) n
        ) numbered
        """,
        prefix,
        merchant_id,
        mode,
        network,
        address,
        newest_at,
        every_s,
        count,
    )
    await database.execute(
        """
        INSERT INTO deposits (id, network, txid, log_index, asset, deposit_address, from_address, amount_raw,
            block_height, block_hash, block_time, seen_at, status, verdict, invoice, settled_at)
        SELECT 'DEP-' || substr(id, 5), network, '0x' || id, 0, asset, deposit_address, '0x0', 10000000, 1, '0x0',
            paid_at, paid_at, 'credited', 'exact', id, paid_at
        FROM invoices WHERE merchant = $1 AND mode = $2 AND id LIKE 'INV-' || $3::text || '%' AND paid_at IS NOT NULL
        """,
        merchant_id,
        mode,
        prefix,
    )
    if currency is None:
        return
    rate = await database.fetch_value(
        """
        INSERT INTO used_rates (base, quote, refreshed_at, figure, at, good_until, sources)
        VALUES ('USDT', $1, $2, 0.9, $2, $2, '[]') RETURNING id
        """,
        currency,
        newest_at,
    )
    await database.execute(
        """
        INSERT INTO worths (merchant, kind, reference_type, reference_id, currency, worth_raw, rate, booked_at)
        SELECT merchant, 'invoice_credit', 'deposit', 'DEP-' || substr(id, 5), $4::text, 893, $5::bigint, paid_at
        FROM invoices WHERE merchant = $1 AND mode = $2 AND id LIKE 'INV-' || $3::text || '%' AND paid_at IS NOT NULL
        """,
        merchant_id,
        mode,
        prefix,
        currency,
        rate,
    )
