-- Sums of invoices by quarter of an hour of their creation: reports over a year read these instead of every invoice. A
-- quarter of an hour, since days begin there in every time zone. A worker keeps them; what they do not cover yet is read
-- from the invoices.

CREATE TABLE invoice_figures ( -- InvoiceFigures
    id bigserial PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    starts_at timestamptz NOT NULL,
    network varchar(40) NOT NULL,
    asset varchar(20) NOT NULL,
    currency varchar(3) NOT NULL,
    created integer NOT NULL,
    paid integer NOT NULL,
    expired integer NOT NULL,
    cancelled integer NOT NULL,
    in_review integer NOT NULL,
    unvalued integer NOT NULL,
    credited_raw numeric(78,0) NOT NULL,
    fee_raw numeric(78,0) NOT NULL,
    worth_raw numeric(78,0) NOT NULL,
    CONSTRAINT invoice_figures_once UNIQUE (merchant, mode, starts_at, network, asset, currency)
);

-- How far the figures go: one row.
CREATE TABLE invoice_figures_kept ( -- InvoiceFiguresKept
    id integer PRIMARY KEY,
    covers_until timestamptz NOT NULL,
    changes_until timestamptz NOT NULL,
    CONSTRAINT invoice_figures_kept_one CHECK (id = 1)
);

CREATE INDEX invoices_paid_by_creation ON invoices (merchant, mode, created_at DESC) INCLUDE (paid_at)
    WHERE paid_at IS NOT NULL;
