-- The operators' pages call no node: the signer writes what a payout of each asset takes, and a sweep, each time that it
-- asks. What that costs follows from the prices of resource_looks.

CREATE TABLE transfer_looks ( -- TransferLook
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    purpose varchar(10) NOT NULL,
    energy bigint NOT NULL,
    size integer NOT NULL,
    fee_limit_raw numeric(78,0) NOT NULL,
    looked_at timestamptz NOT NULL,
    CONSTRAINT transfer_looks_once UNIQUE (network, asset, purpose),
    CONSTRAINT transfer_looks_purpose_known CHECK ("purpose" IN ('payout', 'sweep'))
);
