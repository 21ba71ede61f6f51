-- Prices in national currencies, and quotes: what a price is in an asset, for a while (contract, section 10).

-- In which currencies a merchant prices, what it adds to the rate, how long a quote lives, and how far the rate may
-- have moved for a late payment to count all the same.
ALTER TABLE merchants
    ADD COLUMN currencies varchar(3)[] NOT NULL DEFAULT '{}',
    ADD COLUMN spread_bps integer NOT NULL DEFAULT 0,
    ADD COLUMN quote_minutes integer NOT NULL DEFAULT 15,
    ADD COLUMN late_quote_bps integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT merchants_spread_sane CHECK (spread_bps BETWEEN 0 AND 1000),
    ADD CONSTRAINT merchants_quote_minutes_sane CHECK (quote_minutes BETWEEN 5 AND 60),
    ADD CONSTRAINT merchants_late_quote_sane CHECK (late_quote_bps BETWEEN 0 AND 1000);
-- What customers are offered for a price, and in which order.
ALTER TABLE merchant_assets
    ADD COLUMN offered boolean NOT NULL DEFAULT true,
    ADD COLUMN place integer NOT NULL DEFAULT 0;

-- An invoice with a price has no asset, amounts and address while nothing is chosen; then it has those of its quote.
ALTER TABLE invoices
    ALTER COLUMN network DROP NOT NULL,
    ALTER COLUMN asset DROP NOT NULL,
    ALTER COLUMN amount_raw DROP NOT NULL,
    ALTER COLUMN service_fee_raw DROP NOT NULL,
    ALTER COLUMN cent_tail DROP NOT NULL,
    ALTER COLUMN pay_in_raw DROP NOT NULL,
    ALTER COLUMN net_raw DROP NOT NULL,
    ALTER COLUMN deposit_address DROP NOT NULL,
    ALTER COLUMN address DROP NOT NULL,
    ALTER COLUMN confirmations_required DROP NOT NULL,
    ADD COLUMN price_raw numeric(78,0),
    ADD COLUMN price_currency varchar(3),
    ADD COLUMN pay_in_assets varchar(61)[],
    ADD COLUMN quote varchar(20),
    ADD COLUMN quote_expires_at timestamptz,
    DROP CONSTRAINT status_known,
    ADD CONSTRAINT invoices_status_known CHECK
        ("status" IN ('awaiting_choice', 'awaiting_deposit', 'confirming', 'paid', 'partially_refunded', 'refunded',
        'expired', 'cancelled', 'manual_review', 'closed')),
    ADD CONSTRAINT invoices_price_whole CHECK
        (price_raw > 0 AND price_currency IS NOT NULL
        OR price_raw IS NULL AND price_currency IS NULL AND pay_in_assets IS NULL AND quote IS NULL),
    ADD CONSTRAINT invoices_quote_whole CHECK ((quote IS NULL) = (quote_expires_at IS NULL)),
    ADD CONSTRAINT invoices_asked_whole CHECK
        (num_nulls(network, asset, amount_raw, service_fee_raw, cent_tail, pay_in_raw, net_raw, deposit_address,
        address, confirmations_required) = CASE WHEN price_raw IS NULL OR quote IS NOT NULL THEN 0 ELSE 10 END),
    ADD CONSTRAINT invoices_choice_open CHECK
        ((status <> 'awaiting_choice' OR quote IS NULL)
        AND (network IS NOT NULL OR status IN ('awaiting_choice', 'expired', 'cancelled')));

-- What a price was in an asset at one moment. Its state alone changes, and only to `ended`.
CREATE TABLE quotes ( -- Quote
    id varchar(20) PRIMARY KEY,
    invoice varchar(20) NOT NULL REFERENCES invoices (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    rate bigint NOT NULL REFERENCES used_rates (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    spread_bps integer NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    service_fee_raw numeric(78,0) NOT NULL,
    cent_tail integer NOT NULL,
    pay_in_raw numeric(78,0) NOT NULL,
    net_raw numeric(78,0) NOT NULL,
    deposit_address bigint NOT NULL REFERENCES deposit_addresses (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    address varchar(100) NOT NULL,
    confirmations_required integer NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state varchar(10) NOT NULL,
    CONSTRAINT quotes_address_once UNIQUE (invoice, deposit_address),
    CONSTRAINT quotes_state_known CHECK ("state" IN ('open', 'ended')),
    CONSTRAINT quotes_amounts_add_up CHECK
        (amount_raw > 0 AND service_fee_raw >= 0 AND net_raw > 0 AND net_raw = pay_in_raw - service_fee_raw),
    CONSTRAINT quotes_tail_in_range CHECK (cent_tail BETWEEN 0 AND 99),
    CONSTRAINT quotes_expire_later CHECK (expires_at > created_at)
);
-- No key to assets: an invoice takes each of its quotes in the transaction that makes it, and has that key.
-- Whose quote a deposit is for, and which ones end next.
CREATE INDEX quotes_by_address ON quotes (deposit_address, created_at DESC);
CREATE INDEX quotes_ending ON quotes (network, expires_at) WHERE state = 'open';

CREATE FUNCTION guard_quote() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' IS DISTINCT FROM to_jsonb(OLD) - 'state' THEN
        RAISE EXCEPTION 'a quote never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'ended' AND NEW.state <> 'ended' THEN
        RAISE EXCEPTION 'a quote that has ended stays so' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER quotes_guarded BEFORE UPDATE ON quotes FOR EACH ROW EXECUTE FUNCTION guard_quote();
CREATE TRIGGER quotes_kept BEFORE DELETE OR TRUNCATE ON quotes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What an invoice asks for never changes, but for a price: then it is what one of its quotes says, or nothing. Once
-- money was credited it stays.
CREATE FUNCTION guard_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.price_raw, NEW.price_currency) IS DISTINCT FROM (OLD.price_raw, OLD.price_currency) THEN
        RAISE EXCEPTION 'the price of an invoice never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.quote, NEW.quote_expires_at, NEW.network, NEW.asset, NEW.amount_raw, NEW.service_fee_raw, NEW.cent_tail,
            NEW.pay_in_raw, NEW.net_raw, NEW.deposit_address, NEW.address, NEW.confirmations_required)
        IS NOT DISTINCT FROM
        (OLD.quote, OLD.quote_expires_at, OLD.network, OLD.asset, OLD.amount_raw, OLD.service_fee_raw, OLD.cent_tail,
            OLD.pay_in_raw, OLD.net_raw, OLD.deposit_address, OLD.address, OLD.confirmations_required) THEN
        RETURN NEW;
    END IF;
    IF OLD.price_raw IS NULL OR OLD.credited_raw IS NOT NULL THEN
        RAISE EXCEPTION 'what an invoice asks for is fixed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.quote IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM quotes q WHERE q.id = NEW.quote AND q.invoice = NEW.id
            AND (q.expires_at, q.network, q.asset, q.amount_raw, q.service_fee_raw, q.cent_tail, q.pay_in_raw,
                q.net_raw, q.deposit_address, q.address, q.confirmations_required)
            = (NEW.quote_expires_at, NEW.network, NEW.asset, NEW.amount_raw, NEW.service_fee_raw, NEW.cent_tail,
                NEW.pay_in_raw, NEW.net_raw, NEW.deposit_address, NEW.address, NEW.confirmations_required)
    ) THEN
        RAISE EXCEPTION 'an invoice asks for what its quote says' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER invoices_guarded BEFORE UPDATE OF price_raw, price_currency, quote, quote_expires_at, network, asset,
    amount_raw, service_fee_raw, cent_tail, pay_in_raw, net_raw, deposit_address, address, confirmations_required
    ON invoices FOR EACH ROW EXECUTE FUNCTION guard_invoice();

-- What ends next: quotes of invoices that wait for a payment, and invoices that wait for a choice.
CREATE INDEX invoices_quote_ending ON invoices (network, quote_expires_at)
    WHERE status = 'awaiting_deposit' AND quote IS NOT NULL;
CREATE INDEX invoices_choice_ending ON invoices (expires_at) WHERE status = 'awaiting_choice';
