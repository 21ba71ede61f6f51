-- What a merchant's people are told by email: written with the change, made into emails by a worker.

CREATE TABLE merchant_notices ( -- MerchantNotice
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    kind varchar(40) NOT NULL,
    subject varchar(64) NOT NULL,
    actor varchar(64) NOT NULL,
    facts text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT merchant_notices_mode_known CHECK (mode IN ('live', 'test'))
);

-- Emails that a person does not want. No row: all of them.
CREATE TABLE email_choices ( -- EmailChoices
    account varchar(20) PRIMARY KEY REFERENCES accounts (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    unwanted varchar(20)[] NOT NULL,
    changed_at timestamptz NOT NULL
);
