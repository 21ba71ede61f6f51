-- A transaction may pay many withdrawals, and may be of a chain without accounts and nonces. So payments get a table of
-- their own, and what excludes a second payment is what a transaction claims: a nonce of an account, or a coin.

DROP TRIGGER outgoing_transactions_approved ON outgoing_transactions;
DROP TRIGGER outgoing_transactions_bump_keeps ON outgoing_transactions;
DROP TRIGGER outgoing_transactions_stay ON outgoing_transactions;
DROP FUNCTION guard_outgoing_transaction();
DROP FUNCTION bump_keeps_nonce_and_payout();

-- What a transaction pays, in the order of its bytes. A withdrawal belongs to one lineage of attempts.
CREATE TABLE outgoing_payments ( -- OutgoingPayment
    id bigserial PRIMARY KEY,
    transaction bigint NOT NULL REFERENCES outgoing_transactions (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    network varchar(40) NOT NULL,
    position integer NOT NULL,
    withdrawal varchar(20) REFERENCES withdrawals (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    to_address varchar(100) NOT NULL,
    asset varchar(20) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    CONSTRAINT outgoing_payments_position_once UNIQUE (transaction, position),
    CONSTRAINT outgoing_payments_positive CHECK (amount_raw > 0)
);
ALTER TABLE outgoing_payments ADD CONSTRAINT outgoing_payments_asset
    FOREIGN KEY (network, asset) REFERENCES assets (network, symbol) ON DELETE RESTRICT ON UPDATE RESTRICT;

-- What a transaction uses up on chain: of two transactions with a common claim only one can ever be final.
CREATE TABLE outgoing_claims ( -- OutgoingClaim
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    claim varchar(140) NOT NULL,
    transaction bigint NOT NULL REFERENCES outgoing_transactions (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT outgoing_claims_once UNIQUE (network, claim, transaction)
);

INSERT INTO outgoing_payments (transaction, network, position, withdrawal, to_address, asset, amount_raw)
    SELECT id, network, 0, withdrawal, to_address, asset, amount_raw FROM outgoing_transactions ORDER BY id;
INSERT INTO outgoing_claims (network, claim, transaction)
    SELECT network, 'nonce:' || from_address || ':' || nonce, id FROM outgoing_transactions ORDER BY id;

ALTER TABLE outgoing_transactions
    ADD COLUMN lineage bigint,
    ADD COLUMN fee_cap_raw numeric(78,0),
    ADD COLUMN form text;
ALTER TABLE outgoing_transactions RENAME COLUMN gas_cost_raw TO fee_raw;
ALTER TABLE outgoing_transactions RENAME COLUMN gas_booked_raw TO fee_booked_raw;
WITH RECURSIVE attempts AS (
    SELECT id, id AS lineage FROM outgoing_transactions WHERE replaces IS NULL
    UNION ALL
    SELECT t.id, a.lineage FROM outgoing_transactions t JOIN attempts a ON t.replaces = a.id
)
UPDATE outgoing_transactions t SET
    lineage = a.lineage,
    fee_cap_raw = gas_limit * max_fee_raw + data_fee_raw,
    form = json_build_object('nonce', nonce, 'gas_limit', gas_limit, 'max_fee_raw', max_fee_raw,
        'priority_fee_raw', priority_fee_raw, 'data_fee_raw', data_fee_raw)::text
FROM attempts a WHERE a.id = t.id;

-- Constraints and indexes of a column go with it.
ALTER TABLE outgoing_transactions
    ALTER COLUMN lineage SET NOT NULL,
    ALTER COLUMN fee_cap_raw SET NOT NULL,
    ALTER COLUMN form SET NOT NULL,
    ALTER COLUMN from_address DROP NOT NULL,
    ALTER COLUMN nonce DROP NOT NULL,
    DROP COLUMN withdrawal,
    DROP COLUMN to_address,
    DROP COLUMN asset,
    DROP COLUMN amount_raw,
    DROP COLUMN gas_limit,
    DROP COLUMN max_fee_raw,
    DROP COLUMN priority_fee_raw,
    DROP COLUMN data_fee_raw,
    ADD CONSTRAINT outgoing_transactions_lineage_first CHECK ((replaces IS NULL) = (lineage = id)),
    ADD CONSTRAINT outgoing_transactions_account_whole CHECK ((from_address IS NULL) = (nonce IS NULL));
ALTER TABLE outgoing_transactions ADD CONSTRAINT outgoing_transactions_lineage
    FOREIGN KEY (lineage) REFERENCES outgoing_transactions (id) ON DELETE RESTRICT ON UPDATE RESTRICT;

-- Of a lineage at most one attempt is final.
DROP INDEX outgoing_transactions_final_once;
CREATE UNIQUE INDEX outgoing_transactions_final_once ON outgoing_transactions (lineage)
    WHERE status IN ('confirmed', 'reverted');
CREATE INDEX outgoing_transactions_by_lineage ON outgoing_transactions (lineage);
CREATE INDEX outgoing_transactions_of_a_day ON outgoing_transactions (network, created_at)
    WHERE purpose = 'withdrawal' AND replaces IS NULL;
CREATE INDEX outgoing_payments_by_withdrawal ON outgoing_payments (withdrawal) WHERE withdrawal IS NOT NULL;
-- Moves between our own addresses.
CREATE INDEX outgoing_payments_by_recipient ON outgoing_payments (to_address) WHERE withdrawal IS NULL;
CREATE INDEX outgoing_claims_by_transaction ON outgoing_claims (transaction);

CREATE TRIGGER outgoing_payments_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON outgoing_payments
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER outgoing_claims_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON outgoing_claims
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A bump belongs to the lineage of what it replaces, and keeps its account and nonce.
CREATE FUNCTION bump_keeps_lineage() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before outgoing_transactions;
    BEGIN
        IF NEW.replaces IS NOT NULL THEN
            SELECT * INTO STRICT before FROM outgoing_transactions WHERE id = NEW.replaces;
            IF (NEW.network, NEW.purpose, NEW.lineage, NEW.from_address, NEW.nonce)
                IS DISTINCT FROM (before.network, before.purpose, before.lineage, before.from_address, before.nonce)
            THEN
                RAISE EXCEPTION 'a bump of transaction % must keep its lineage and its nonce', NEW.replaces
                    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_transactions_bump_keeps';
            END IF;
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER outgoing_transactions_bump_keeps BEFORE INSERT ON outgoing_transactions
    FOR EACH ROW EXECUTE FUNCTION bump_keeps_lineage();

-- What was signed never changes.
CREATE OR REPLACE FUNCTION signed_stays_signed() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.id, NEW.network, NEW.purpose, NEW.lineage, NEW.replaces, NEW.from_address, NEW.nonce, NEW.txid,
                NEW.signed_bytes, NEW.fee_cap_raw, NEW.form, NEW.created_at)
            IS DISTINCT FROM
            (OLD.id, OLD.network, OLD.purpose, OLD.lineage, OLD.replaces, OLD.from_address, OLD.nonce, OLD.txid,
                OLD.signed_bytes, OLD.fee_cap_raw, OLD.form, OLD.created_at)
        THEN
            RAISE EXCEPTION 'transaction %: what was signed never changes', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER outgoing_transactions_stay BEFORE UPDATE ON outgoing_transactions
    FOR EACH ROW EXECUTE FUNCTION signed_stays_signed();

-- Payments and claims are stored with their transaction, before it is sent.
CREATE FUNCTION refuse_late_part() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        signed outgoing_transactions;
    BEGIN
        SELECT * INTO STRICT signed FROM outgoing_transactions WHERE id = NEW.transaction;
        IF signed.status <> 'signed' OR signed.network <> NEW.network THEN
            RAISE EXCEPTION 'transaction %: what was signed never changes', NEW.transaction
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER outgoing_payments_1_not_late BEFORE INSERT ON outgoing_payments
    FOR EACH ROW EXECUTE FUNCTION refuse_late_part();
CREATE TRIGGER outgoing_claims_not_late BEFORE INSERT ON outgoing_claims
    FOR EACH ROW EXECUTE FUNCTION refuse_late_part();

-- Nothing is signed for a withdrawal without its approvals. Its row stays locked until the transaction is stored, so
-- that no approval is taken back meanwhile, and that no second lineage can begin. A bump pays nothing new: who joined
-- the merchant since the first transaction does not block it.
CREATE FUNCTION guard_outgoing_payment() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        signed outgoing_transactions;
        asked withdrawals;
        approved integer;
    BEGIN
        SELECT * INTO STRICT signed FROM outgoing_transactions WHERE id = NEW.transaction;
        IF (signed.purpose = 'withdrawal') <> (NEW.withdrawal IS NOT NULL) THEN
            RAISE EXCEPTION 'transaction %: a payment of a withdrawal names it, and no other does', NEW.transaction
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_payments_purpose';
        END IF;
        IF NEW.withdrawal IS NULL THEN
            RETURN NEW;
        END IF;
        SELECT * INTO STRICT asked FROM withdrawals WHERE id = NEW.withdrawal FOR UPDATE;
        SELECT count(DISTINCT account) INTO approved FROM approvals
            WHERE withdrawal = asked.id AND digest = asked.digest
                AND (signed.replaces IS NOT NULL OR withdrawal_conflict(asked, account) IS NULL);
        IF asked.status NOT IN ('approved', 'submitted') OR asked.held OR approved < asked.approvals_required THEN
            RAISE EXCEPTION 'withdrawal % is %, held: %, with % of % approvals: nothing may be sent for it',
                asked.id, asked.status, asked.held, approved, asked.approvals_required
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_payments_approved';
        END IF;
        IF (NEW.network, NEW.asset, NEW.amount_raw, NEW.to_address)
            IS DISTINCT FROM (asked.network, asked.asset, asked.amount_raw, asked.destination)
        THEN
            RAISE EXCEPTION 'withdrawal %: not what was approved', asked.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_payments_as_approved';
        END IF;
        IF EXISTS (SELECT 1 FROM outgoing_payments p JOIN outgoing_transactions t ON t.id = p.transaction
            WHERE p.withdrawal = NEW.withdrawal AND (t.id = signed.id OR t.lineage <> signed.lineage))
        THEN
            RAISE EXCEPTION 'withdrawal %: a transaction for it is signed', NEW.withdrawal
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'outgoing_payments_withdrawal_once';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER outgoing_payments_2_approved BEFORE INSERT ON outgoing_payments
    FOR EACH ROW EXECUTE FUNCTION guard_outgoing_payment();

-- From here on at the commit, when transaction, payments and claims are all there.
CREATE FUNCTION outgoing_transaction_has_parts() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT 1 FROM outgoing_payments WHERE transaction = NEW.id)
            OR NOT EXISTS (SELECT 1 FROM outgoing_claims WHERE transaction = NEW.id)
        THEN
            RAISE EXCEPTION 'transaction %: it pays nothing, or claims nothing', NEW.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_transactions_parts';
        END IF;
        RETURN NULL;
    END $$;
CREATE CONSTRAINT TRIGGER outgoing_transactions_parts AFTER INSERT ON outgoing_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION outgoing_transaction_has_parts();

-- A bump pays what it replaces pays: the same withdrawals, recipients, assets and amounts. A sweep of the native coin
-- may send less, since its fee comes out of its amount. Checked once for each transaction, with its last payment.
CREATE FUNCTION bump_keeps_payments() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        signed outgoing_transactions;
    BEGIN
        SELECT * INTO STRICT signed FROM outgoing_transactions WHERE id = NEW.transaction;
        IF signed.replaces IS NULL
            OR EXISTS (SELECT 1 FROM outgoing_payments WHERE transaction = NEW.transaction AND id > NEW.id)
        THEN
            RETURN NULL;
        END IF;
        IF EXISTS (
            SELECT 1 FROM (SELECT * FROM outgoing_payments WHERE transaction = signed.replaces) b
            FULL JOIN (SELECT * FROM outgoing_payments WHERE transaction = signed.id) n USING (position)
            WHERE (b.withdrawal, b.to_address, b.asset) IS DISTINCT FROM (n.withdrawal, n.to_address, n.asset)
                OR (n.amount_raw <> b.amount_raw AND NOT (signed.purpose = 'sweep' AND n.amount_raw < b.amount_raw
                    AND EXISTS (SELECT 1 FROM assets a
                        WHERE (a.network, a.symbol) = (n.network, n.asset) AND a.contract IS NULL))))
        THEN
            RAISE EXCEPTION 'a bump of transaction % must keep its payments', signed.replaces
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_payments_bump_keeps';
        END IF;
        RETURN NULL;
    END $$;
CREATE CONSTRAINT TRIGGER outgoing_payments_bump_keeps AFTER INSERT ON outgoing_payments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION bump_keeps_payments();

-- Any two attempts at one payment exclude each other on chain, and nothing else excludes them: while an attempt lives,
-- which is until another one of its lineage or a stranger's is final, no other lineage claims what it claims, and each
-- later attempt of its lineage claims all of it. The lock makes a second transaction that commits at once see the first.
CREATE FUNCTION check_claims(checked bigint) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        signed outgoing_transactions;
        found_claim text;
    BEGIN
        SELECT * INTO STRICT signed FROM outgoing_transactions WHERE id = checked;
        PERFORM pg_advisory_xact_lock(7226012, hashtext(signed.network));
        SELECT c.claim INTO found_claim FROM outgoing_claims c
            JOIN outgoing_claims o ON (o.network, o.claim) = (c.network, c.claim)
            JOIN outgoing_transactions t ON t.id = o.transaction
            WHERE c.transaction = signed.id AND t.lineage <> signed.lineage AND t.status <> 'replaced' LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'transaction %: % is claimed by another one', signed.id, found_claim
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'outgoing_claims_exclude';
        END IF;
        SELECT c.claim INTO found_claim FROM outgoing_transactions earlier
            JOIN outgoing_transactions later ON later.lineage = earlier.lineage AND later.id > earlier.id
            JOIN outgoing_claims c ON c.transaction = earlier.id
            WHERE earlier.lineage = signed.lineage AND signed.id IN (earlier.id, later.id)
                AND earlier.status <> 'replaced' AND later.status <> 'replaced'
                AND NOT EXISTS (SELECT 1 FROM outgoing_claims o WHERE o.transaction = later.id AND o.claim = c.claim)
            LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'transaction %: an attempt that it replaces claims %', signed.id, found_claim
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'outgoing_claims_kept';
        END IF;
    END $$;

-- Once for each transaction, with its last claim.
CREATE FUNCTION claims_exclude() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT 1 FROM outgoing_claims WHERE transaction = NEW.transaction AND id > NEW.id) THEN
            PERFORM check_claims(NEW.transaction);
        END IF;
        RETURN NULL;
    END $$;
CREATE CONSTRAINT TRIGGER outgoing_claims_exclude AFTER INSERT ON outgoing_claims
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION claims_exclude();

-- A replaced transaction lives again where a reorganisation has removed what replaced it.
CREATE FUNCTION reopened_claims_exclude() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM check_claims(NEW.id);
        RETURN NULL;
    END $$;
CREATE CONSTRAINT TRIGGER outgoing_transactions_reopened AFTER UPDATE OF status ON outgoing_transactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.status = 'replaced' AND NEW.status <> 'replaced') EXECUTE FUNCTION reopened_claims_exclude();

-- A withdrawal for which something is signed is not taken back.
CREATE OR REPLACE FUNCTION guard_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        approved integer;
    BEGIN
        IF (NEW.id, NEW.kind, NEW.merchant, NEW.mode, NEW.network, NEW.asset, NEW.source, NEW.amount_raw, NEW.fee_raw,
                NEW.destination, NEW.destination_memo, NEW.requested_by, NEW.digest, NEW.approvals_required,
                NEW.created_at)
            IS DISTINCT FROM
            (OLD.id, OLD.kind, OLD.merchant, OLD.mode, OLD.network, OLD.asset, OLD.source, OLD.amount_raw, OLD.fee_raw,
                OLD.destination, OLD.destination_memo, OLD.requested_by, OLD.digest, OLD.approvals_required,
                OLD.created_at)
        THEN
            RAISE EXCEPTION 'withdrawal %: what was asked for never changes', OLD.id
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.status = OLD.status THEN
            RETURN NEW;
        END IF;
        IF (OLD.status, NEW.status) NOT IN (
            ('pending_approval', 'approved'), ('pending_approval', 'rejected'), ('pending_approval', 'cancelled'),
            ('approved', 'submitted'), ('approved', 'rejected'), ('approved', 'failed'),
            ('submitted', 'confirmed'), ('submitted', 'failed'))
        THEN
            RAISE EXCEPTION 'withdrawal %: % does not become %', OLD.id, OLD.status, NEW.status
                USING ERRCODE = 'restrict_violation';
        END IF;
        IF NEW.status = 'approved' THEN
            SELECT count(DISTINCT account) INTO approved FROM approvals
                WHERE withdrawal = NEW.id AND digest = NEW.digest;
            IF approved < NEW.approvals_required THEN
                RAISE EXCEPTION 'withdrawal %: % of % approvals', OLD.id, approved, NEW.approvals_required
                    USING ERRCODE = 'restrict_violation';
            END IF;
        END IF;
        IF NEW.status IN ('rejected', 'cancelled')
            AND EXISTS (SELECT 1 FROM outgoing_payments WHERE withdrawal = NEW.id)
        THEN
            RAISE EXCEPTION 'withdrawal %: a transaction for it is signed', OLD.id USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END $$;
