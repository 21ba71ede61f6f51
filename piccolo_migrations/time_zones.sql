-- The time zone in which a person reads times.

ALTER TABLE accounts ADD COLUMN time_zone varchar(64);
