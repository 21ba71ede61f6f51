-- On chains of coins our money is in outputs of transactions. The watcher keeps them in the transaction that stores
-- the blocks; the signer adds its own change before a block has it.

CREATE TABLE coins ( -- Coin
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    txid varchar(80) NOT NULL,
    vout integer NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    address varchar(100) NOT NULL,
    branch integer NOT NULL,
    index integer NOT NULL,
    height bigint,
    block_hash varchar(80),
    matures_at bigint,
    is_change boolean NOT NULL,
    spent_by varchar(80),
    spent_height bigint,
    spent_hash varchar(80),
    seen_at timestamptz NOT NULL,
    CONSTRAINT coins_outpoint_once UNIQUE (network, txid, vout),
    CONSTRAINT coins_amount_positive CHECK (amount_raw > 0),
    CONSTRAINT coins_address_ours CHECK (branch IN (0, 1) AND index >= 0),
    CONSTRAINT coins_block_whole CHECK ((height IS NULL) = (block_hash IS NULL)
        AND (matures_at IS NULL OR height IS NOT NULL)),
    CONSTRAINT coins_spent_whole CHECK ((spent_by IS NULL) = (spent_height IS NULL)
        AND (spent_by IS NULL) = (spent_hash IS NULL)),
    CONSTRAINT coins_spent_after_made CHECK (spent_height IS NULL OR (height IS NOT NULL AND spent_height >= height))
);
CREATE INDEX coins_unspent ON coins (network, amount_raw) WHERE spent_by IS NULL;
-- In which block a transaction of ours is: that of what it spends.
CREATE INDEX coins_by_spender ON coins (network, spent_by) WHERE spent_by IS NOT NULL;
-- What a reorganisation takes back.
CREATE INDEX coins_by_height ON coins (network, height) WHERE height IS NOT NULL;
CREATE INDEX coins_by_spent_height ON coins (network, spent_height) WHERE spent_height IS NOT NULL;

CREATE TABLE change_addresses ( -- ChangeAddress
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    index integer NOT NULL,
    address varchar(100) NOT NULL,
    CONSTRAINT change_addresses_index_once UNIQUE (network, index),
    CONSTRAINT change_addresses_address_once UNIQUE (network, address),
    -- Index 0 is the hot wallet's address, for top-ups.
    CONSTRAINT change_addresses_index_sane CHECK (index >= 1)
);
CREATE TRIGGER change_addresses_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON change_addresses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What a coin is never changes: only where it is in a block, and by what it was spent.
CREATE FUNCTION coin_stays_the_same() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.id, NEW.network, NEW.txid, NEW.vout, NEW.amount_raw, NEW.address, NEW.branch, NEW.index, NEW.is_change,
                NEW.seen_at)
            IS DISTINCT FROM
            (OLD.id, OLD.network, OLD.txid, OLD.vout, OLD.amount_raw, OLD.address, OLD.branch, OLD.index, OLD.is_change,
                OLD.seen_at)
        THEN
            RAISE EXCEPTION 'coin %:%: what a coin is never changes', OLD.txid, OLD.vout
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'coins_stay';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER coins_stay BEFORE UPDATE ON coins FOR EACH ROW EXECUTE FUNCTION coin_stays_the_same();

-- A coin is forgotten only after its block is dead, and never while a transaction of ours spends it.
CREATE FUNCTION coin_is_forgotten() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.spent_by IS NOT NULL OR OLD.is_change OR EXISTS (SELECT 1 FROM outgoing_claims
            WHERE network = OLD.network AND claim = 'coin:' || OLD.txid || ':' || OLD.vout)
        THEN
            RAISE EXCEPTION 'coin %:%: it is ours, or a transaction spends it', OLD.txid, OLD.vout
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'coins_forgotten';
        END IF;
        RETURN OLD;
    END $$;
CREATE TRIGGER coins_forgotten BEFORE DELETE ON coins FOR EACH ROW EXECUTE FUNCTION coin_is_forgotten();
CREATE TRIGGER coins_kept BEFORE TRUNCATE ON coins FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was received before there was this table. On chains of coins the identity is a hash, on others a number.
INSERT INTO coins (network, txid, vout, amount_raw, address, branch, index, height, block_hash, matures_at, is_change,
        seen_at)
    SELECT d.network, d.txid, d.log_index, d.amount_raw, a.address, 0, a.derivation_index, d.block_height, d.block_hash,
        d.matures_at, false, d.seen_at
    FROM deposits d
    JOIN deposit_addresses a ON a.id = d.deposit_address
    JOIN network_cursors c ON c.network = d.network
    WHERE length(c.chain_identity) = 64 AND d.block_height IS NOT NULL AND d.status <> 'orphaned' AND NOT d.is_inferred
    ORDER BY d.id;
