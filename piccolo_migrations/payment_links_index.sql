-- The invoices of a link: how many of its payments are taken, its sums and its list.
CREATE INDEX CONCURRENTLY IF NOT EXISTS invoices_of_payment_link
    ON invoices (merchant, payment_link, created_at DESC, id DESC) WHERE payment_link IS NOT NULL;

-- Those of them that take one of the link's payments: counted before each further invoice.
CREATE INDEX CONCURRENTLY IF NOT EXISTS invoices_taking_payment_link ON invoices (merchant, payment_link)
    WHERE payment_link IS NOT NULL AND status NOT IN ('expired', 'cancelled', 'closed');
