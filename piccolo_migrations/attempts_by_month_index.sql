-- Whether a month has attempts that must be kept, read in milliseconds: attempts are written in the order of their times,
-- and this index says of each hundred pages from when to when they are.
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhook_attempts_by_age ON webhook_attempts USING brin (started_at);
