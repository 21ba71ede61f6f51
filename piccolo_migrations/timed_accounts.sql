-- Chains whose accounts don't count their transactions: a block may hold each until a time that its bytes say. Nothing
-- else keeps two attempts at a payment apart, so another one is signed only once the first is in no block up to that
-- time by our own scan.

ALTER TABLE outgoing_transactions
    DROP CONSTRAINT outgoing_transactions_account_whole,
    ADD CONSTRAINT outgoing_transactions_nonce_of_account CHECK (nonce IS NULL OR from_address IS NOT NULL),
    DROP CONSTRAINT outgoing_transactions_purpose_known,
    ADD CONSTRAINT outgoing_transactions_purpose_named CHECK ("purpose" IN ('withdrawal', 'sweep', 'gas', 'stake'));

-- A move of staked coin pays nothing; everything else pays something.
CREATE OR REPLACE FUNCTION outgoing_transaction_has_parts() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.purpose = 'stake') = EXISTS (SELECT 1 FROM outgoing_payments WHERE transaction = NEW.id)
            OR NOT EXISTS (SELECT 1 FROM outgoing_claims WHERE transaction = NEW.id)
        THEN
            RAISE EXCEPTION 'transaction %: it pays nothing, or claims nothing', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_transactions_parts';
        END IF;
        RETURN NULL;
    END $$;

-- Our own scan: transactions in blocks that accounts of ours have sent. A reorganisation deletes rows.
CREATE TABLE account_transactions ( -- AccountTransaction
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    txid varchar(80) NOT NULL,
    address varchar(100) NOT NULL,
    height bigint NOT NULL,
    block_hash varchar(80) NOT NULL,
    accounted_at timestamptz,
    CONSTRAINT account_transactions_once UNIQUE (network, txid, address)
);
CREATE INDEX account_transactions_by_height ON account_transactions (network, height);
-- What the hot wallet has sent and nobody has accounted for.
CREATE INDEX account_transactions_by_address ON account_transactions (network, address) WHERE accounted_at IS NULL;

-- No second attempt at a payment while a block that we have scanned holds one of the earlier attempts.
CREATE FUNCTION refuse_attempt_after_mined() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        mined text;
    BEGIN
        SELECT a.txid INTO mined FROM outgoing_transactions t
            JOIN account_transactions a ON (a.network, a.txid) = (t.network, t.txid)
            WHERE t.lineage = NEW.lineage LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'transaction %: an earlier attempt, %, is in a block', NEW.id, mined
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_transactions_none_mined';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER outgoing_transactions_none_mined BEFORE INSERT ON outgoing_transactions
    FOR EACH ROW WHEN (NEW.replaces IS NOT NULL) EXECUTE FUNCTION refuse_attempt_after_mined();
