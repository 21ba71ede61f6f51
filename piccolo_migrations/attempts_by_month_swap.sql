-- The table of today becomes the first partition of a table by ranges of delivery ids. Nothing is read or copied: the
-- constraint proves the range, and key, foreign key and indexes are found on the partition.

-- Shorter than a worker waits before it looks for a deadlock (1 s): the migration gives way, and tries again.
SET LOCAL lock_timeout = '300ms';
LOCK TABLE webhook_deliveries IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE webhook_attempts IN ACCESS EXCLUSIVE MODE;

-- Versions before this one say webhook_attempts too: they find the new table, with the same columns.
-- squawk-ignore renaming-table
ALTER TABLE webhook_attempts RENAME TO webhook_attempts_first;
-- No statement names an index or this constraint.
-- squawk-ignore renaming-object
ALTER INDEX webhook_attempts_pkey RENAME TO webhook_attempts_first_pkey;
-- squawk-ignore renaming-object
ALTER TABLE webhook_attempts_first RENAME CONSTRAINT webhook_attempts_number_once TO webhook_attempts_first_number_once;
-- squawk-ignore renaming-object
ALTER INDEX webhook_attempts_by_age RENAME TO webhook_attempts_first_by_age;

-- A key of a table in ranges must have the range's column. (delivery, number) has it, and is the key that counts; `id`
-- alone can't be one any more, and nothing refers to it.
CREATE TABLE webhook_attempts (
    id bigint NOT NULL DEFAULT nextval('webhook_attempts_id_seq'),
    delivery bigint NOT NULL
        CONSTRAINT webhook_attempts_delivery_fkey REFERENCES webhook_deliveries (id)
        ON UPDATE RESTRICT ON DELETE RESTRICT,
    number integer NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer NOT NULL,
    response_status integer,
    error varchar(30),
    detail varchar(300) NOT NULL,
    response_excerpt bytea NOT NULL,
    next_attempt_at timestamptz,
    CONSTRAINT webhook_attempts_number_once UNIQUE (delivery, number)
) PARTITION BY RANGE (delivery);
CREATE INDEX webhook_attempts_by_age ON webhook_attempts USING brin (started_at);
ALTER SEQUENCE webhook_attempts_id_seq OWNED BY webhook_attempts.id;

ALTER TABLE webhook_attempts ATTACH PARTITION webhook_attempts_first FOR VALUES FROM (MINVALUE) TO (4503599627370496);
-- The partition's own range says the same.
-- squawk-ignore ban-drop-constraint
ALTER TABLE webhook_attempts_first DROP CONSTRAINT webhook_attempts_counted;

-- Whatever has no month's partition goes here, so that no attempt is ever refused.
CREATE TABLE webhook_attempts_rest PARTITION OF webhook_attempts DEFAULT;

-- The partitions of webhook_attempts: from the first id (null: from the lowest) to below `end_id`. Both null: the rest.
CREATE FUNCTION webhook_attempt_partitions()
    RETURNS TABLE (name text, first_id bigint, end_id bigint) LANGUAGE sql STABLE AS $$
    SELECT c.relname::text, (regexp_match(said, 'FROM \(''?(-?[0-9]+)'))[1]::bigint,
        (regexp_match(said, 'TO \(''?(-?[0-9]+)'))[1]::bigint
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS said
    WHERE i.inhparent = 'webhook_attempts'::regclass
$$;

-- One step towards a partition for the month of `at` and each of the `months_ahead` after it. Returns what it did; null
-- where nothing is left to do, or another process is doing it. Each step is a short transaction of the caller's.
--
-- It runs as its owner, because the processes' role owns no table. A month of which the rest already has attempts stays
-- there: moving them would stop deliveries. A rest of `most_read` bytes is read in a fraction of a second.
CREATE FUNCTION keep_webhook_attempts(at timestamptz, months_ahead integer, most_read bigint DEFAULT 268435456)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '300ms' AS $$
    DECLARE
        proven text;
        said text;
        month timestamptz;
        first_of_month bigint;
        end_of_month bigint;
        made text;
    BEGIN
        IF months_ahead NOT BETWEEN 1 AND 12 OR NOT pg_try_advisory_xact_lock(7226050) THEN
            RETURN NULL;
        END IF;
        FOR ahead IN 0 .. months_ahead LOOP
            month := (date_trunc('month', at AT TIME ZONE 'UTC') + ahead * interval '1 month') AT TIME ZONE 'UTC';
            first_of_month := timed_id_from(month);
            end_of_month := timed_id_from((month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
            CONTINUE WHEN EXISTS (SELECT FROM webhook_attempt_partitions()
                WHERE end_id > first_of_month AND coalesce(first_id < end_of_month, true));
            CONTINUE WHEN EXISTS (SELECT FROM webhook_attempts_rest
                WHERE delivery >= first_of_month AND delivery < end_of_month);

            -- Postgres reads the rest before it takes a range out of it, and lets nobody write there meanwhile. Where
            -- that is long, a constraint that was validated before stands for it. This month's attempts would break it.
            IF pg_relation_size('webhook_attempts_rest') > most_read THEN
                CONTINUE WHEN ahead = 0;
                proven := 'rest_without_' || first_of_month;
                SELECT CASE WHEN convalidated THEN 'validated' ELSE 'added' END INTO said FROM pg_constraint
                    WHERE conrelid = 'webhook_attempts_rest'::regclass AND conname = proven;
                IF said IS NULL THEN
                    EXECUTE format('ALTER TABLE webhook_attempts_rest ADD CONSTRAINT %I'
                        ' CHECK (delivery < %s OR delivery >= %s) NOT VALID', proven, first_of_month, end_of_month);
                    RETURN 'constraint added: ' || proven;
                ELSIF said = 'added' THEN
                    EXECUTE format('ALTER TABLE webhook_attempts_rest VALIDATE CONSTRAINT %I', proven);
                    RETURN 'constraint validated: ' || proven;
                END IF;
            END IF;

            made := to_char(month AT TIME ZONE 'UTC', '"webhook_attempts_"YYYY_MM');
            LOCK TABLE webhook_deliveries IN SHARE ROW EXCLUSIVE MODE; -- its foreign key; in the order of the workers
            EXECUTE format('CREATE TABLE %I (LIKE webhook_attempts INCLUDING DEFAULTS)', made);
            EXECUTE format('ALTER TABLE webhook_attempts ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                made, first_of_month, end_of_month);
            IF proven IS NOT NULL THEN
                EXECUTE format('ALTER TABLE webhook_attempts_rest DROP CONSTRAINT IF EXISTS %I', proven);
            END IF;
            RETURN 'made: ' || made;
        END LOOP;
        RETURN NULL;
    END $$;

-- Drop the oldest partition all of whose attempts were made before `kept_from`. Returns its name and its size in bytes;
-- no row where there is none. The newest day is never dropped, and neither is a month that has not ended.
CREATE FUNCTION drop_webhook_attempts(kept_from timestamptz, OUT name text, OUT bytes bigint) RETURNS SETOF record
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '300ms'
    SET enable_seqscan = off AS $$
    DECLARE
        index_name regclass;
        is_kept boolean;
    BEGIN
        IF kept_from > now() - interval '1 day' OR NOT pg_try_advisory_xact_lock(7226050) THEN
            RETURN;
        END IF;
        FOR name IN SELECT p.name FROM webhook_attempt_partitions() p
            WHERE p.end_id <= timed_id_from(kept_from) ORDER BY p.end_id
        LOOP
            -- An attempt at an old delivery that was sent again is in its delivery's month. Look without a lock, then
            -- again with it: by then only the newest pages can hold something new.
            SELECT indexrelid INTO index_name FROM pg_index
                WHERE indrelid = name::regclass AND NOT indisunique LIMIT 1;
            PERFORM brin_summarize_new_values(index_name);
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE started_at >= $1)', name) INTO is_kept USING kept_from;
            CONTINUE WHEN is_kept;
            LOCK TABLE webhook_deliveries IN ACCESS EXCLUSIVE MODE; -- the triggers of its foreign key go too
            LOCK TABLE webhook_attempts IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE started_at >= $1)', name) INTO is_kept USING kept_from;
            CONTINUE WHEN is_kept;
            bytes := pg_total_relation_size(name::regclass);
            EXECUTE format('DROP TABLE %I', name);
            RETURN NEXT;
            RETURN;
        END LOOP;
    END $$;

DO $$
    BEGIN
        WHILE keep_webhook_attempts(now(), 2) IS NOT NULL LOOP
        END LOOP;
    END $$;
