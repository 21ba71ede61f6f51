-- -------- Rates -----------------------------------------------------------------------------------------------------

-- One refresh of all pairs. `slot` is the time by the interval between rounds: each has one, in whichever process.
CREATE TABLE rate_rounds ( -- RateRound
    id bigserial PRIMARY KEY,
    slot bigint NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT rate_rounds_slot_once UNIQUE (slot)
);

-- The last refresh of each minute, for a day. The key also finds a pair's newest one.
CREATE TABLE rate_refreshes ( -- RateRefresh
    id bigserial PRIMARY KEY,
    base varchar(16) NOT NULL,
    quote varchar(3) NOT NULL,
    minute timestamptz NOT NULL,
    refreshed_at timestamptz NOT NULL,
    figure numeric(48,24),
    at timestamptz,
    good_until timestamptz,
    held_figure numeric(48,24),
    last_figure numeric(48,24),
    sources text NOT NULL,
    problem varchar(200),
    CONSTRAINT rate_refreshes_minute_once UNIQUE (base, quote, minute),
    CONSTRAINT rate_refreshes_figure_sane CHECK (figure > 0 AND held_figure IS NULL OR figure IS NULL),
    CONSTRAINT rate_refreshes_figure_whole CHECK ((figure IS NULL) = (at IS NULL)
        AND (figure IS NULL) = (good_until IS NULL) AND (figure IS NULL) = (problem IS NOT NULL))
);
-- What is deleted after a day.
CREATE INDEX rate_refreshes_by_minute ON rate_refreshes (minute);

-- Rates by which something was priced or valued, kept as long as the books.
CREATE TABLE used_rates ( -- UsedRate
    id bigserial PRIMARY KEY,
    base varchar(16) NOT NULL,
    quote varchar(3) NOT NULL,
    refreshed_at timestamptz NOT NULL,
    figure numeric(48,24) NOT NULL,
    at timestamptz NOT NULL,
    good_until timestamptz NOT NULL,
    sources text NOT NULL,
    CONSTRAINT used_rates_once UNIQUE (base, quote, refreshed_at),
    CONSTRAINT used_rates_figure_positive CHECK (figure > 0)
);
CREATE TRIGGER used_rates_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON used_rates
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How the sources are doing: one that fails rests for a while.
CREATE TABLE rate_sources ( -- RateSource
    id bigserial PRIMARY KEY,
    name varchar(40) NOT NULL,
    asked_at timestamptz NOT NULL,
    answered_at timestamptz,
    failures_in_row integer NOT NULL,
    failures bigint NOT NULL,
    rests_until timestamptz,
    problem varchar(200),
    CONSTRAINT rate_sources_once UNIQUE (name)
);
