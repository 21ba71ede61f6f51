-- What chains of every kind need on the receiving side: transfers that wait for a block, or have no single sender, and
-- chains without a number.

-- Not only EVM chains have an identity, and it is not always a number.
ALTER TABLE network_cursors ADD COLUMN chain_identity varchar(80);
UPDATE network_cursors SET chain_identity = chain_id::text;
ALTER TABLE network_cursors ALTER COLUMN chain_identity SET NOT NULL, DROP COLUMN chain_id;
-- Proven blocks below this height are deleted.
ALTER TABLE network_cursors ADD COLUMN kept_from bigint NOT NULL DEFAULT 0;

-- A deposit without a block waits in the pool. The sender is null where there is no single one.
ALTER TABLE deposits
    ALTER COLUMN from_address DROP NOT NULL,
    ALTER COLUMN block_height DROP NOT NULL,
    ALTER COLUMN block_hash DROP NOT NULL,
    ALTER COLUMN block_time DROP NOT NULL,
    ADD COLUMN matures_at bigint,
    ADD COLUMN is_inferred boolean NOT NULL DEFAULT false,
    ADD COLUMN gone_because varchar(12),
    ADD COLUMN replaced_by varchar(80);
UPDATE deposits SET is_inferred = true, from_address = NULL WHERE from_address = 'unknown';
UPDATE deposits SET gone_because = 'reorganised' WHERE status = 'orphaned';
ALTER TABLE deposits
    ADD CONSTRAINT deposits_gone_known CHECK ("gone_because" IN ('reorganised', 'replaced', 'dropped')),
    ADD CONSTRAINT deposits_gone_whole CHECK
        ((gone_because IS NOT NULL) = (status = 'orphaned') AND (replaced_by IS NULL OR gone_because = 'replaced')),
    ADD CONSTRAINT deposits_block_whole CHECK
        ((block_height IS NULL) = (block_hash IS NULL) AND (block_height IS NULL) = (block_time IS NULL)),
    ADD CONSTRAINT deposits_booked_in_block CHECK
        (status NOT IN ('credited', 'suspended') OR block_height IS NOT NULL),
    ADD CONSTRAINT deposits_pool_made CHECK (block_height IS NOT NULL OR made_at IS NOT NULL);
-- A transaction of the pool is looked up by its id when a block has it or another one replaces it.
CREATE INDEX deposits_in_pool ON deposits (network, txid) WHERE status = 'seen' AND block_height IS NULL;
CREATE INDEX deposits_by_replacement ON deposits (network, replaced_by) WHERE replaced_by IS NOT NULL;

ALTER TABLE hot_wallet_receipts ALTER COLUMN from_address DROP NOT NULL;
UPDATE hot_wallet_receipts SET from_address = NULL WHERE from_address = 'unknown';

-- A transaction to us that was seen in the pool, until a block has it.
CREATE TABLE pool_transactions ( -- PoolTransaction
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    txid varchar(80) NOT NULL,
    spends text[] NOT NULL,
    fee_rate_raw numeric(78,0) NOT NULL,
    is_replaceable boolean NOT NULL,
    is_gone boolean NOT NULL DEFAULT false,
    seen_at timestamptz NOT NULL,
    CONSTRAINT pool_transactions_once UNIQUE (network, txid)
);
CREATE INDEX pool_transactions_there ON pool_transactions (network) WHERE NOT is_gone;
