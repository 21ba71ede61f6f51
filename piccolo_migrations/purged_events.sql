-- Up to which number events of a merchant have been deleted for their age: an older one that waits for its endpoint stays,
-- and the numbers between it and the next are no gap.
ALTER TABLE event_heads ADD COLUMN purged_through_seq bigint NOT NULL DEFAULT 0;
