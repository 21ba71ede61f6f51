-- What of the API a merchant called though it will end, and when its people were told last.

CREATE TABLE deprecated_calls ( -- DeprecatedCall
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    name varchar(100) NOT NULL,
    told_at timestamptz NOT NULL,
    CONSTRAINT deprecated_calls_once UNIQUE (merchant, name)
);
