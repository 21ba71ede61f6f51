-- The entries of one statement continue their chains together, and move each head once. A trigger for each row wrote the
-- head anew with each entry: hundreds of dead versions in one transaction, which every later entry had to pass.
-- The constraint `ledger_entries_seq_once` excludes two entries of one number, whoever writes them.
CREATE FUNCTION continue_ledger_chains() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    broken record;
BEGIN
    -- Two writers of one ledger take turns at the head's row.
    PERFORM FROM ledger_heads WHERE id IN (SELECT ledger FROM added) ORDER BY id FOR UPDATE;
    SELECT e.ledger, e.seq INTO broken FROM (
        SELECT a.*,
            coalesce(lag(a.seq) OVER upwards, h.seq) AS seq_before,
            coalesce(lag(a.hash) OVER upwards, h.head_hash) AS hash_before,
            coalesce(lag(a.available_after_raw) OVER upwards, h.available_raw) AS available_before_raw,
            coalesce(lag(a.locked_after_raw) OVER upwards, h.locked_raw) AS locked_before_raw
        FROM added a JOIN ledger_heads h ON h.id = a.ledger
        WINDOW upwards AS (PARTITION BY a.ledger ORDER BY a.seq)
    ) e
    WHERE e.seq <> e.seq_before + 1
        OR e.prev_hash <> e.hash_before
        OR e.available_after_raw <> e.available_before_raw + e.available_delta_raw
        OR e.locked_after_raw <> e.locked_before_raw + e.locked_delta_raw
    ORDER BY e.ledger, e.seq LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % does not continue ledger %', broken.seq, broken.ledger
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entry_continues_chain';
    END IF;
    UPDATE ledger_heads h
        SET seq = newest.seq, available_raw = newest.available_after_raw,
            locked_raw = newest.locked_after_raw, head_hash = newest.hash
        FROM (SELECT DISTINCT ON (ledger) * FROM added ORDER BY ledger, seq DESC) newest
        WHERE h.id = newest.ledger;
    RETURN NULL;
END $$;
DROP TRIGGER ledger_entry_continues_chain ON ledger_entries;
CREATE TRIGGER ledger_entry_continues_chain AFTER INSERT ON ledger_entries
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION continue_ledger_chains();
-- Only the trigger that is gone called it.
-- squawk-ignore ban-drop-function
DROP FUNCTION continue_ledger_chain();
