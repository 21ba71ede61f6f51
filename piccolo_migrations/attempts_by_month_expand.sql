-- First step of keeping attempts by month (docs/growth.md): what the later steps call, and a constraint that lets the
-- table of today become a partition without being read.

-- The first id that timed_id gives at a moment: whole seconds since 1970, times 2^22. Below 2^53 until 2038, so that any
-- language can hold it exactly; a bigint has room for ever.
CREATE FUNCTION timed_id_from(at timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT floor(extract(epoch FROM at))::bigint * 4194304
$$;

-- A new id that says when it was given: four million a second before one repeats, which the primary key would refuse.
CREATE FUNCTION timed_id(counter regclass) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT timed_id_from(clock_timestamp()) + nextval(counter) % 4194304
$$;

-- Ids that were only counted are below 2^52, those with a time above it: 2^52 is a moment in 2004.
ALTER TABLE webhook_attempts ADD CONSTRAINT webhook_attempts_counted CHECK (delivery < 4503599627370496) NOT VALID;
