-- Reads the whole table, and stops nobody meanwhile.
ALTER TABLE webhook_attempts VALIDATE CONSTRAINT webhook_attempts_counted;
