"""Rules that hold in the ledgers after every step, checked by queries other than those of reconciliation
(tests/invariants.py)."""

from app.core import database
from app.ledger.verify import verify_all


async def assert_books() -> None:
    """Check I1, I2, I3, I5, and the ledgers' part of I7. I4, the numbering of events, is tested with delivery."""
    await assert_chains_verify()
    await assert_balances_are_sums()
    await assert_deposits_are_booked_once()
    await assert_withdrawals_are_booked_once()
    await assert_assets_are_conserved()
    await assert_attempts_exclude_each_other()


async def assert_chains_verify() -> None:
    """I5: every hash chain verifies; that also sums every balance again."""
    async for verification in verify_all():
        assert verification.fault is None, verification


async def assert_balances_are_sums() -> None:
    """I1: the entries of each ledger sum to its balance, which is negative only after a reversal."""
    wrong = await database.fetch_all(
        """
        SELECT h.owner, h.asset, h.available_raw, h.locked_raw FROM ledger_heads h
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(available_delta_raw), 0) AS available_raw,
                coalesce(sum(locked_delta_raw), 0) AS locked_raw
            FROM ledger_entries WHERE ledger = h.id
        ) s
        WHERE (h.available_raw, h.locked_raw) IS DISTINCT FROM (s.available_raw, s.locked_raw)
            OR h.locked_raw < 0
            OR h.available_raw < 0 AND NOT EXISTS (
                SELECT 1 FROM ledger_entries WHERE ledger = h.id AND kind = 'deposit_reversal')
        """
    )
    assert not [dict(row) for row in wrong]


async def assert_deposits_are_booked_once() -> None:
    """I2: a booked deposit's entries sum to its amount, those of another to zero; one credit at most."""
    wrong = await database.fetch_all(
        """
        SELECT d.id, d.status, d.amount_raw, b.booked, b.credits FROM deposits d
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(available_delta_raw), 0) AS booked,
                count(*) FILTER (WHERE kind = 'invoice_credit')
                    - count(*) FILTER (WHERE kind = 'deposit_reversal' AND h.owner LIKE 'MCH-%') AS credits
            FROM ledger_entries e JOIN ledger_heads h ON h.id = e.ledger
            WHERE reference_type = 'deposit' AND split_part(reference_id, '#', 1) = d.id
        ) b ON true
        WHERE b.booked <> CASE WHEN d.settled_at IS NULL THEN 0 ELSE d.amount_raw END
            OR b.credits > 1 OR b.credits > 0 AND d.status <> 'credited'
        """
    )
    assert not [dict(row) for row in wrong]


async def assert_withdrawals_are_booked_once() -> None:
    """I3, the ledgers' side: a confirmed withdrawal is debited once; any other sums to zero."""
    wrong = await database.fetch_all(
        """
        SELECT w.id, w.status, b.left_raw, b.locked_raw FROM withdrawals w
        LEFT JOIN LATERAL (
            SELECT coalesce(sum(available_delta_raw + locked_delta_raw), 0) AS left_raw,
                coalesce(sum(locked_delta_raw), 0) AS locked_raw
            FROM ledger_entries WHERE reference_type = w.kind AND reference_id = w.id
        ) b ON true
        WHERE b.left_raw <> CASE WHEN w.status = 'confirmed' THEN -w.amount_raw ELSE 0 END
            OR b.locked_raw <> CASE WHEN w.status IN ('pending_approval', 'approved', 'submitted')
                THEN w.amount_raw + w.fee_raw ELSE 0 END
            OR (SELECT count(*) FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction
                WHERE p.withdrawal = w.id AND t.status = 'confirmed') > 1
        """
    )
    assert not [dict(row) for row in wrong]


async def assert_assets_are_conserved() -> None:
    """I7, the ledgers' side: the sum of all ledgers is deposits and top-ups less withdrawals and gas."""
    wrong = await database.fetch_all(
        """
        SELECT h.network, h.asset, sum(h.available_raw + h.locked_raw) AS owed FROM ledger_heads h
        GROUP BY h.network, h.asset
        HAVING sum(h.available_raw + h.locked_raw) <>
            (SELECT coalesce(sum(amount_raw), 0) FROM deposits d
                WHERE d.network = h.network AND d.asset = h.asset AND d.settled_at IS NOT NULL)
            - (SELECT coalesce(sum(amount_raw), 0) FROM withdrawals w
                WHERE w.network = h.network AND w.asset = h.asset AND w.status = 'confirmed')
            + (SELECT coalesce(sum(amount_raw), 0) FROM hot_wallet_receipts r
                WHERE r.network = h.network AND r.asset = h.asset AND r.status = 'booked')
            - (SELECT coalesce(sum(fee_booked_raw), 0) FROM outgoing_transactions o JOIN assets a
                ON a.network = o.network AND a.contract IS NULL
                WHERE o.network = h.network AND a.symbol = h.asset)
        """
    )
    assert not [dict(row) for row in wrong]


async def assert_attempts_exclude_each_other() -> None:
    """Any two attempts at a withdrawal claim something in common, so that only one of them can ever be in a block; or
    one of them is dead, where they are limited in time."""
    apart = await database.fetch_all(
        """
        SELECT a.withdrawal, a.transaction, b.transaction AS other FROM outgoing_payments a JOIN outgoing_payments b
            ON b.withdrawal = a.withdrawal AND b.transaction > a.transaction
        WHERE NOT EXISTS (SELECT 1 FROM outgoing_claims c JOIN outgoing_claims d USING (network, claim)
            WHERE c.transaction = a.transaction AND d.transaction = b.transaction)
            AND NOT EXISTS (SELECT 1 FROM outgoing_transactions t JOIN outgoing_claims c ON c.transaction = t.id
                WHERE t.id IN (a.transaction, b.transaction) AND t.status = 'replaced' AND c.claim LIKE 'until:%')
        """
    )
    assert not [dict(row) for row in apart]


async def assert_invoices() -> None:
    """An invoice's columns agree with its deposits, refunds and reviews, and its state is possible with them.

    What counts for a price is what has come for the quote that it asks for. It is confirming only with an exact
    deposit, or with parts that sum to the amount within the merchant's tolerance.
    At most one payment was credited as exact.
    """
    wrong = await database.fetch_all(
        """
        SELECT i.id, i.status, i.needs_review, i.received_raw, came.raw AS came_raw, i.credited_raw,
            booked.raw AS booked_raw, i.refunded_raw, sent.raw AS sent_raw, cases.count AS cases, came.parts_raw,
            came.paid_raw
        FROM invoices i JOIN merchants m ON m.id = i.merchant
        CROSS JOIN LATERAL (SELECT coalesce(sum(d.amount_raw), 0) AS raw, bool_or(d.verdict = 'exact'
                AND d.status = 'seen') AS exact,
                coalesce(sum(d.amount_raw) FILTER (WHERE d.verdict = 'part'), 0) AS parts_raw,
                coalesce(sum(d.amount_raw) FILTER (WHERE d.verdict = 'exact'), 0) AS paid_raw FROM deposits d
            WHERE d.invoice = i.id AND d.deposit_address = i.deposit_address AND d.asset = i.asset
                AND d.status <> 'orphaned') came
        CROSS JOIN LATERAL (SELECT sum(e.available_delta_raw) AS raw FROM deposits d
            JOIN ledger_entries e ON e.reference_type = 'deposit' AND split_part(e.reference_id, '#', 1) = d.id
            JOIN ledger_heads h ON h.id = e.ledger AND h.owner = i.merchant AND h.network = i.network
                AND h.asset = i.asset
            WHERE d.invoice = i.id AND d.deposit_address = i.deposit_address) booked
        CROSS JOIN LATERAL (SELECT sum(e.available_delta_raw) AS raw FROM deposits d
            JOIN ledger_entries e ON e.reference_type = 'deposit' AND split_part(e.reference_id, '#', 1) = d.id
            JOIN ledger_heads h ON h.id = e.ledger AND h.owner = 'platform:fees' AND h.network = i.network
                AND h.asset = i.asset
            WHERE d.invoice = i.id AND d.deposit_address = i.deposit_address) charged
        CROSS JOIN LATERAL (SELECT coalesce(sum(w.amount_raw), 0) AS raw FROM refunds r
            JOIN withdrawals w ON w.id = r.id AND w.status = 'confirmed'
            WHERE r.invoice = i.id AND r.deposit IS NULL) sent
        CROSS JOIN LATERAL (SELECT count(*) FROM reviews r WHERE r.invoice = i.id AND r.status <> 'closed') cases
        WHERE i.received_raw <> came.raw
            OR coalesce(i.credited_raw, 0) <> coalesce(booked.raw, 0)
            OR coalesce(i.service_fee_charged_raw, 0) <> coalesce(charged.raw, 0)
            OR i.refunded_raw <> sent.raw
            OR i.needs_review <> (cases.count > 0)
            OR i.status = 'confirming' AND came.exact IS NOT TRUE
                AND came.parts_raw * 10000 < i.pay_in_raw * (10000 - m.tolerance_bps)
            OR i.status = 'awaiting_deposit' AND (came.exact OR came.parts_raw = i.pay_in_raw)
            OR came.paid_raw * 10000 > i.pay_in_raw * (10000 + m.tolerance_bps)
            OR i.status = 'manual_review' AND NOT i.needs_review
            OR i.status IN ('awaiting_choice', 'awaiting_deposit', 'expired', 'cancelled')
                AND i.credited_raw IS NOT NULL
            OR i.status IN ('paid', 'partially_refunded', 'refunded') AND i.paid_at IS NULL
        """
    )
    assert not [dict(row) for row in wrong]


async def assert_quotes() -> None:
    """A price asks for what its quote says; an address is leased to what needs it, and to nothing else (on bitcoin each
    is used once and stays leased); and of two invoices or quotes that a transfer could pay, none share address, asset
    and amount."""
    wrong = await database.fetch_all(
        """
        SELECT 'figures' AS what, i.id FROM invoices i JOIN quotes q ON q.id = i.quote
            WHERE (q.invoice, q.network, q.asset, q.pay_in_raw, q.net_raw, q.deposit_address, q.expires_at)
                <> (i.id, i.network, i.asset, i.pay_in_raw, i.net_raw, i.deposit_address, i.quote_expires_at)
        UNION ALL SELECT 'lease', a.address FROM deposit_addresses a JOIN invoices i ON i.id = a.invoice_id
            WHERE a.network NOT LIKE 'bitcoin:%'
                AND NOT (i.status IN ('awaiting_deposit', 'confirming', 'manual_review') AND i.deposit_address = a.id)
                AND NOT EXISTS (SELECT 1 FROM quotes q
                    WHERE q.invoice = i.id AND q.deposit_address = a.id AND q.state = 'open')
        UNION ALL SELECT 'no lease', q.id FROM quotes q JOIN invoices i ON i.id = q.invoice
            JOIN deposit_addresses a ON a.id = q.deposit_address
            WHERE q.state = 'open' AND i.status IN ('awaiting_choice', 'awaiting_deposit')
                AND a.invoice_id IS DISTINCT FROM i.id
        UNION ALL SELECT 'not alone', min(asker) FROM (
            SELECT id AS asker, deposit_address, asset, pay_in_raw FROM invoices
                WHERE price_raw IS NULL AND status IN ('awaiting_deposit', 'manual_review')
            UNION ALL SELECT q.id, q.deposit_address, q.asset, q.pay_in_raw FROM quotes q
                JOIN invoices i ON i.id = q.invoice
                    AND i.status IN ('awaiting_choice', 'awaiting_deposit', 'manual_review')
            ) askers GROUP BY deposit_address, asset, pay_in_raw HAVING count(*) > 1
        """
    )
    assert not [dict(row) for row in wrong]
