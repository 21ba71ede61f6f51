-- Pages call no node: the watcher's process writes what a payment costs a customer now.

CREATE TABLE network_fees ( -- NetworkFee
    id bigserial PRIMARY KEY,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    fee_raw numeric(78,0) NOT NULL,
    coin varchar(20) NOT NULL,
    coin_decimals integer NOT NULL,
    looked_at timestamptz NOT NULL,
    CONSTRAINT network_fees_once UNIQUE (network, asset),
    CONSTRAINT network_fees_sane CHECK (fee_raw >= 0 AND coin_decimals BETWEEN 0 AND 36)
);
