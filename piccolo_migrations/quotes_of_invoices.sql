-- The key of a quote to its invoice took a twelfth of the creations a second: its check locks the row that the same
-- statement has just written. Nothing can violate it: a quote is written from the row of its invoice, or under its lock,
-- and from here on no invoice is deleted or gets another id.
ALTER TABLE quotes DROP CONSTRAINT quotes_invoice_fkey;
CREATE TRIGGER invoices_kept BEFORE DELETE OR TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER invoices_keep_their_id BEFORE UPDATE OF id ON invoices FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change();
