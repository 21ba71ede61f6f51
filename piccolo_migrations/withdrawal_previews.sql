-- The operators' pages call no node: the signer writes what a payment would cost, and what the chain says of its
-- destination, while it waits.

CREATE TABLE withdrawal_previews ( -- WithdrawalPreview
    withdrawal varchar(20) PRIMARY KEY REFERENCES withdrawals (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    cost_raw numeric(78,0),
    cost_in_words varchar(200) NOT NULL,
    is_contract boolean NOT NULL,
    is_new_account boolean NOT NULL,
    is_frozen boolean NOT NULL,
    is_paused boolean NOT NULL,
    fee_bps integer NOT NULL,
    looked_at timestamptz NOT NULL,
    CONSTRAINT withdrawal_previews_sane CHECK (fee_bps >= 0 AND (cost_raw IS NULL OR cost_raw >= 0))
);
