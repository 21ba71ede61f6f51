-- Lists of one asset by amount: the page is found in the index, however many rows the merchant has.
CREATE INDEX CONCURRENTLY IF NOT EXISTS invoices_by_amount
    ON invoices (merchant, mode, network, asset, amount_raw, id) WHERE asset IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS withdrawals_of_asset_by_amount
    ON withdrawals (merchant, mode, kind, network, asset, amount_raw, id);
