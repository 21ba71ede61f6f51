-- A token's issuer may stop what an address holds. What lies at a deposit address that is stopped is a case of its own:
-- it can't be swept until the issuer lets it go.

CREATE TABLE frozen_addresses ( -- FrozenAddress
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    address varchar(100) NOT NULL,
    amount_raw numeric(78,0) NOT NULL,
    found_at timestamptz NOT NULL,
    checked_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT frozen_addresses_amount_sane CHECK (amount_raw >= 0),
    CONSTRAINT frozen_addresses_in_order CHECK (checked_at >= found_at AND (ended_at IS NULL OR ended_at >= found_at))
);
CREATE UNIQUE INDEX frozen_addresses_one_open ON frozen_addresses (network, address, asset) WHERE ended_at IS NULL;
CREATE INDEX frozen_addresses_due ON frozen_addresses (network, checked_at) WHERE ended_at IS NULL;
