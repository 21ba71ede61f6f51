-- What customers' pages say was sent from a wallet, until a block or a pool has it. It is no payment and changes no state.

CREATE TABLE announced_transactions ( -- AnnouncedTransaction
    id bigserial PRIMARY KEY,
    invoice varchar(20) NOT NULL REFERENCES invoices (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    number integer NOT NULL,
    network varchar(40) NOT NULL,
    txid varchar(80) NOT NULL,
    announced_at timestamptz NOT NULL,
    CONSTRAINT announced_number_once UNIQUE (invoice, number),
    CONSTRAINT announced_once UNIQUE (invoice, txid),
    CONSTRAINT announced_few CHECK (number BETWEEN 1 AND 5)
);
