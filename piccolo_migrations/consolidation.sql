-- On chains of coins the signer merges small ones while fees are low, once an operator has approved that.

CREATE TABLE consolidation_policies ( -- ConsolidationPolicy
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    max_fee_rate bigint NOT NULL,
    approved_by varchar(20) NOT NULL REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    approved_at timestamptz NOT NULL,
    revoked_by varchar(20) REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    revoked_at timestamptz,
    CONSTRAINT consolidation_policies_rate_positive CHECK (max_fee_rate > 0),
    CONSTRAINT consolidation_policies_revoked_whole CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
CREATE UNIQUE INDEX consolidation_policies_one_holds ON consolidation_policies (network) WHERE revoked_at IS NULL;

-- An approval stays as it was given, and is revoked once.
CREATE FUNCTION consolidation_policy_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.revoked_at IS NOT NULL
            OR (NEW.id, NEW.network, NEW.max_fee_rate, NEW.approved_by, NEW.approved_at)
                IS DISTINCT FROM (OLD.id, OLD.network, OLD.max_fee_rate, OLD.approved_by, OLD.approved_at)
        THEN
            RAISE EXCEPTION 'consolidation policy %: it can be revoked, once, and never changes otherwise', OLD.id
                USING ERRCODE = 'restrict_violation', CONSTRAINT = 'consolidation_policies_stay';
        END IF;
        RETURN NEW;
    END $$;
CREATE TRIGGER consolidation_policies_stay BEFORE UPDATE ON consolidation_policies
    FOR EACH ROW EXECUTE FUNCTION consolidation_policy_stays();
CREATE TRIGGER consolidation_policies_kept BEFORE DELETE OR TRUNCATE ON consolidation_policies
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
