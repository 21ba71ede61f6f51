-- What an endpoint answered last before it was paused: shown wherever the pause is.

ALTER TABLE webhook_endpoints ADD COLUMN stopped_by varchar(40);
