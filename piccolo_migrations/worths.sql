-- What each credit, payout and refund was worth when it was booked, in the currency in which the merchant keeps its books.

ALTER TABLE merchants ADD COLUMN reporting_currency varchar(3);

-- Written with the ledger's entry, in the same transaction. No row: there was no rate, or no currency to report in.
CREATE TABLE worths ( -- Worth
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    kind varchar(30) NOT NULL,
    reference_type varchar(20) NOT NULL,
    reference_id varchar(40) NOT NULL,
    currency varchar(3) NOT NULL,
    worth_raw numeric(78,0) NOT NULL,
    rate bigint NOT NULL REFERENCES used_rates (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    booked_at timestamptz NOT NULL,
    CONSTRAINT worths_once UNIQUE (reference_id, reference_type, kind),
    CONSTRAINT worths_not_negative CHECK (worth_raw >= 0)
);
CREATE TRIGGER worths_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON worths
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
