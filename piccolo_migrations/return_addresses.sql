-- Where customers want deposits in review to be sent back, and what a merchant requires before an operator uses that.

ALTER TABLE merchants ADD COLUMN return_addresses varchar(10) NOT NULL DEFAULT 'confirmed';
ALTER TABLE merchants ADD CONSTRAINT merchants_return_addresses_known
    CHECK (return_addresses IN ('off', 'confirmed', 'direct'));

-- The newest row of a deposit counts. Older ones are its history.
CREATE TABLE return_addresses ( -- ReturnAddress
    id bigserial PRIMARY KEY,
    deposit varchar(20) NOT NULL REFERENCES deposits (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    address varchar(100) NOT NULL,
    given_at timestamptz NOT NULL,
    given_from varchar(64) NOT NULL,
    decision varchar(10),
    decided_at timestamptz,
    decided_by varchar(64),
    CONSTRAINT return_addresses_decision_known CHECK (decision IN ('confirmed', 'rejected')),
    CONSTRAINT return_addresses_decided_whole CHECK (
        (decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL))
);
CREATE INDEX return_addresses_of_deposit ON return_addresses (deposit, id DESC);
CREATE UNIQUE INDEX return_addresses_confirmed_once ON return_addresses (deposit) WHERE decision = 'confirmed';

-- A row never changes but for its decision: none, then confirmed or rejected; what was confirmed may be rejected later.
-- Nothing replaces an address that is confirmed, or whose return is under way or done.
CREATE FUNCTION guard_return_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM return_addresses WHERE deposit = NEW.deposit AND decision = 'confirmed')
            OR NOT EXISTS (SELECT FROM reviews WHERE deposit = NEW.deposit AND status = 'open') THEN
            RAISE EXCEPTION 'this return address can not be replaced' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF (NEW.id, NEW.deposit, NEW.address, NEW.given_at, NEW.given_from)
        IS DISTINCT FROM (OLD.id, OLD.deposit, OLD.address, OLD.given_at, OLD.given_from) THEN
        RAISE EXCEPTION 'a return address never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.decision IS NULL OR OLD.decision = 'rejected' THEN
        RAISE EXCEPTION 'the decision on a return address stays' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER return_addresses_guarded BEFORE INSERT OR UPDATE ON return_addresses
    FOR EACH ROW EXECUTE FUNCTION guard_return_address();
CREATE TRIGGER return_addresses_kept BEFORE DELETE OR TRUNCATE ON return_addresses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
