-- From now on a delivery's id says when it was made, and so which month its attempts are in. Nobody gives an id.
ALTER TABLE webhook_deliveries ALTER COLUMN id SET DEFAULT timed_id('webhook_deliveries_id_seq');
