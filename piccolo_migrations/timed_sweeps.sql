-- Sweeps where a transaction takes energy and bytes, which staked coin gives or burned coin pays. The hot wallet lends
-- the energy of its stake, or sends coin to burn. What the signer found at its last look is stored for the operators'
-- pages, which call no node.

ALTER TABLE sweep_candidates
    ADD COLUMN amount_raw numeric(78,0),
    ADD COLUMN way varchar(8),
    ADD COLUMN cost_raw numeric(78,0),
    ADD COLUMN is_dear boolean NOT NULL DEFAULT false,
    ADD COLUMN looked_at timestamptz,
    ADD CONSTRAINT sweep_candidates_way_known CHECK ("way" IN ('own', 'lend', 'burn', 'wait')),
    ADD CONSTRAINT sweep_candidates_look_whole CHECK ((looked_at IS NULL) = (amount_raw IS NULL)
        AND (looked_at IS NULL) = (way IS NULL) AND (looked_at IS NOT NULL OR cost_raw IS NULL));
-- What is worth most is looked at first, and what was never looked at before everything else.
CREATE INDEX sweep_candidates_by_amount ON sweep_candidates (network, amount_raw DESC NULLS FIRST, id);

-- The energy of staked coin, lent to a deposit address for its sweep. Whether it is lent, and whether it is back, follow
-- from the two transactions: a loan is open from the end of the first until the end of the second.
CREATE TABLE energy_loans ( -- EnergyLoan
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    to_address varchar(100) NOT NULL,
    stake_raw numeric(78,0) NOT NULL,
    lent_by bigint NOT NULL REFERENCES outgoing_transactions (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    reclaimed_by bigint REFERENCES outgoing_transactions (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT energy_loans_positive CHECK (stake_raw > 0)
);
CREATE UNIQUE INDEX energy_loans_lent_once ON energy_loans (lent_by);
CREATE UNIQUE INDEX energy_loans_reclaimed_once ON energy_loans (reclaimed_by) WHERE reclaimed_by IS NOT NULL;
CREATE INDEX energy_loans_by_address ON energy_loans (network, to_address);

-- A loan stays as it was made. Another transaction may take it back only where the first one never will.
CREATE FUNCTION energy_loan_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.id, NEW.network, NEW.to_address, NEW.stake_raw, NEW.lent_by)
                IS DISTINCT FROM (OLD.id, OLD.network, OLD.to_address, OLD.stake_raw, OLD.lent_by)
            OR NEW.reclaimed_by IS NULL
            OR EXISTS (SELECT 1 FROM outgoing_transactions
                WHERE id = OLD.reclaimed_by AND status NOT IN ('reverted', 'replaced'))
        THEN
            RAISE EXCEPTION 'energy loan %: it is taken back once, and never changes otherwise', OLD.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'energy_loans_stay';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER energy_loans_stay BEFORE UPDATE ON energy_loans
    FOR EACH ROW EXECUTE FUNCTION energy_loan_stays();
CREATE TRIGGER energy_loans_kept BEFORE DELETE OR TRUNCATE ON energy_loans
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An operator's approval of one sweep that costs more of what it moves than the networks file allows.
CREATE TABLE dear_sweep_approvals ( -- DearSweepApproval
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    address varchar(100) NOT NULL,
    up_to_raw numeric(78,0) NOT NULL,
    approved_by varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    approved_at timestamptz NOT NULL,
    used_by bigint REFERENCES outgoing_transactions (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    revoked_by varchar(20) REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    revoked_at timestamptz,
    CONSTRAINT dear_sweep_approvals_positive CHECK (up_to_raw > 0),
    CONSTRAINT dear_sweep_approvals_revoked_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL)),
    CONSTRAINT dear_sweep_approvals_one_end CHECK (used_by IS NULL OR revoked_at IS NULL)
);
CREATE UNIQUE INDEX dear_sweep_approvals_one_holds ON dear_sweep_approvals (network, address, asset)
    WHERE used_by IS NULL AND revoked_at IS NULL;

-- An approval stays as it was given, and is used or revoked once.
CREATE FUNCTION dear_sweep_approval_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.used_by IS NOT NULL OR OLD.revoked_at IS NOT NULL
            OR (NEW.id, NEW.network, NEW.asset, NEW.address, NEW.up_to_raw, NEW.approved_by, NEW.approved_at)
                IS DISTINCT FROM
                (OLD.id, OLD.network, OLD.asset, OLD.address, OLD.up_to_raw, OLD.approved_by, OLD.approved_at)
        THEN
            RAISE EXCEPTION 'approval % of a dear sweep: it is used or revoked once, and never changes otherwise', OLD.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'dear_sweep_approvals_stay';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER dear_sweep_approvals_stay BEFORE UPDATE ON dear_sweep_approvals
    FOR EACH ROW EXECUTE FUNCTION dear_sweep_approval_stays();
CREATE TRIGGER dear_sweep_approvals_kept BEFORE DELETE OR TRUNCATE ON dear_sweep_approvals
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What operators ask of the hot wallet's stake. The signer does one after another.
CREATE TABLE stake_requests ( -- StakeRequest
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    action varchar(8) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    requested_by varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    requested_at timestamptz NOT NULL,
    waiting_reason varchar(200),
    transaction bigint REFERENCES outgoing_transactions (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    outcome varchar(10),
    ended_at timestamptz,
    cancelled_by varchar(20) REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    CONSTRAINT stake_requests_action_known CHECK ("action" IN ('stake', 'unstake', 'withdraw')),
    CONSTRAINT stake_requests_outcome_known CHECK ("outcome" IN ('done', 'failed', 'cancelled')),
    CONSTRAINT stake_requests_amount_sane CHECK
        (CASE WHEN action = 'withdraw' THEN amount_raw = 0 ELSE amount_raw > 0 END),
    CONSTRAINT stake_requests_ended_whole CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT stake_requests_cancelled_whole CHECK
        ((cancelled_by IS NOT NULL) = (outcome IS NOT DISTINCT FROM 'cancelled'))
);
CREATE INDEX stake_requests_open ON stake_requests (network, id) WHERE outcome IS NULL;
CREATE UNIQUE INDEX stake_requests_transaction_once ON stake_requests (transaction) WHERE transaction IS NOT NULL;

-- A request stays as it was made. It is signed once and ends once, and one that is signed is not cancelled.
CREATE FUNCTION stake_request_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.outcome IS NOT NULL
            OR (NEW.id, NEW.network, NEW.action, NEW.amount_raw, NEW.requested_by, NEW.requested_at)
                IS DISTINCT FROM (OLD.id, OLD.network, OLD.action, OLD.amount_raw, OLD.requested_by, OLD.requested_at)
            OR OLD.transaction IS NOT NULL
                AND (NEW.outcome = 'cancelled' OR NEW.transaction IS DISTINCT FROM OLD.transaction)
        THEN
            RAISE EXCEPTION 'stake request %: it never changes, is signed once and ends once', OLD.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'stake_requests_stay';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER stake_requests_stay BEFORE UPDATE ON stake_requests
    FOR EACH ROW EXECUTE FUNCTION stake_request_stays();
CREATE TRIGGER stake_requests_kept BEFORE DELETE OR TRUNCATE ON stake_requests
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
