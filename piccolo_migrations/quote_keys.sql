-- Two keys of quotes that nothing can violate: they took a sixteenth of a creation's time in the database. A quote is
-- written by the statement that leases its address, so the address exists, and its rate was stored by the same process.
-- Both stay: used_rates takes no change, and no address of a pool is deleted from here on.
ALTER TABLE quotes
    DROP CONSTRAINT quotes_rate_fkey,
    DROP CONSTRAINT quotes_deposit_address_fkey;
CREATE TRIGGER deposit_addresses_kept BEFORE DELETE OR TRUNCATE ON deposit_addresses
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
