-- Long work that somebody asked for on a page: it goes on without them, shows how far it is, and can be cancelled.

CREATE TABLE background_jobs ( -- BackgroundJob
    id varchar(20) PRIMARY KEY,
    merchant varchar(20) NOT NULL REFERENCES merchants (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    mode varchar(4) NOT NULL,
    kind varchar(30) NOT NULL,
    request text NOT NULL,
    requested_by varchar(64) NOT NULL,
    state varchar(10) NOT NULL,
    done bigint NOT NULL,
    total bigint,
    parts integer NOT NULL,
    place text,
    outcome text,
    tries integer NOT NULL,
    claimed_until timestamptz,
    turn_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT background_jobs_mode_known CHECK (mode IN ('live', 'test')),
    CONSTRAINT background_jobs_state_known CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    CONSTRAINT background_jobs_counted CHECK (done >= 0 AND parts >= 0 AND tries >= 0 AND total >= 0),
    CONSTRAINT background_jobs_ended_whole CHECK ((ended_at IS NULL) = (state IN ('waiting', 'running')))
);
CREATE INDEX background_jobs_due ON background_jobs (turn_at) WHERE state IN ('waiting', 'running');
CREATE INDEX background_jobs_newest ON background_jobs (merchant, mode, created_at DESC, id DESC);
CREATE INDEX background_jobs_ended ON background_jobs (ended_at) WHERE ended_at IS NOT NULL;

-- The file that a job makes, in compressed parts: any worker can go on with it, and any web process can send it.
CREATE TABLE background_job_parts ( -- BackgroundJobPart
    id bigserial PRIMARY KEY,
    job varchar(20) NOT NULL REFERENCES background_jobs (id) ON UPDATE RESTRICT ON DELETE RESTRICT,
    number integer NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT background_job_parts_once UNIQUE (job, number)
);
