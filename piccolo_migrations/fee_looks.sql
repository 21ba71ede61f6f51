-- The operators' pages call no node: the signer writes what it offers now.

CREATE TABLE fee_looks ( -- FeeLook
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    rate_raw numeric(78,0),
    problem varchar(200),
    looked_at timestamptz NOT NULL,
    CONSTRAINT fee_looks_once UNIQUE (network),
    CONSTRAINT fee_looks_rate_or_problem CHECK ((rate_raw IS NULL) <> (problem IS NULL))
);
