-- The service fee that was taken when an invoice was credited. It differs from the fee of the exact amount where another
-- amount came, so it can't be computed from the invoice.

ALTER TABLE invoices ADD COLUMN service_fee_charged_raw numeric(78,0);

-- What was credited before: the fees that are booked for the deposits that count.
UPDATE invoices i SET service_fee_charged_raw = coalesce((
    SELECT sum(e.available_delta_raw)
    FROM deposits d
    JOIN ledger_entries e ON e.reference_type = 'deposit' AND e.reference_id
        = d.id || CASE WHEN d.times_reversed = 0 THEN '' ELSE '#' || (d.times_reversed + 1) END
    JOIN ledger_heads h ON h.id = e.ledger AND h.owner = 'platform:fees'
    WHERE d.invoice = i.id AND d.status = 'credited' AND d.deposit_address = i.deposit_address
        AND (h.network, h.asset) = (i.network, i.asset)
), 0)
WHERE i.credited_raw IS NOT NULL;
