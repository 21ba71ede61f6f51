-- Links that ask for the same payment again and again, each time with an invoice of its own.

CREATE TABLE payment_links ( -- PaymentLink
    id varchar(20) PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    active boolean NOT NULL,
    network varchar(40),
    currency varchar(20) NOT NULL,
    amount_raw numeric(78,0),
    min_raw numeric(78,0),
    max_raw numeric(78,0),
    pay_in_assets varchar(61)[],
    description varchar(500),
    max_payments integer,
    expires_at timestamptz,
    success_url varchar(2048),
    metadata text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT payment_links_mode_known CHECK (mode IN ('live', 'test')),
    CONSTRAINT payment_links_amount_fixed_or_open CHECK (
        amount_raw > 0 AND min_raw IS NULL AND max_raw IS NULL
        OR amount_raw IS NULL AND coalesce(min_raw, 1) > 0 AND coalesce(max_raw, min_raw, 1) >= coalesce(min_raw, 1)
    ),
    CONSTRAINT payment_links_choice_of_price CHECK (network IS NULL OR pay_in_assets IS NULL),
    CONSTRAINT payment_links_max_payments_sane CHECK (max_payments > 0)
);
CREATE INDEX payment_links_of_merchant ON payment_links (merchant, mode, created_at DESC, id DESC);

-- The link that an invoice was made by. No key: both are never deleted, and a key would cost each creation.
ALTER TABLE invoices ADD COLUMN payment_link varchar(20);
