-- The operators' pages call no node: the signer writes what the hot wallet pays fees with, and what resources cost.

CREATE TABLE resource_looks ( -- ResourceLook
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    energy bigint NOT NULL,
    energy_limit bigint NOT NULL,
    bytes_staked bigint NOT NULL,
    bytes_free bigint NOT NULL,
    spendable_raw numeric(78,0) NOT NULL,
    staked_raw numeric(78,0) NOT NULL,
    lendable_raw numeric(78,0) NOT NULL,
    lent_raw numeric(78,0) NOT NULL,
    energy_price_raw numeric(78,0) NOT NULL,
    byte_price_raw numeric(78,0) NOT NULL,
    activation_raw numeric(78,0) NOT NULL,
    energy_per_stake numeric(78,0) NOT NULL,
    stake_for_energy numeric(78,0) NOT NULL,
    looked_at timestamptz NOT NULL,
    CONSTRAINT resource_looks_once UNIQUE (network)
);

-- When the signer was there last, by its own clock: older books than that lack what was signed since.
CREATE TABLE signer_presence ( -- SignerPresence
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    present_at timestamptz NOT NULL,
    CONSTRAINT signer_presence_once UNIQUE (network)
);
